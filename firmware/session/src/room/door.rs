//! Whoever comes to a room that has a PIN enters it first. Until then he neither hears nor is heard.

use std::time::Duration;

use audio_path::{LegId, Timestamp};

use super::{Order, Room};
use crate::Cue;
use crate::phrases::Phrase;

/// Wrong PINs that end it.
const TRIES: u32 = 3;
/// Without a key for so long what was entered counts.
const PATIENCE: Duration = Duration::from_secs(20);
/// From one request to hang up a dismissed caller to the next: where nothing can do that but himself, he is told.
const DISMISS_AGAIN: Duration = Duration::from_secs(5);
/// The same, once he was told often.
const DISMISS_SELDOM: Duration = Duration::from_secs(60);

/// Somebody at the door.
#[derive(Debug)]
pub(super) enum Door {
    /// He is to enter the PIN, by a time.
    Closed { entered: Entered, wrong: u32, until: Timestamp },
    /// He entered wrong ones; he is told so, and then hung up on.
    Refused,
    /// He was, and is again, as long as he stays.
    Dismissed { again: Timestamp, pause: Duration },
}

/// Keys that somebody pressed. They are in no output.
#[derive(Default)]
pub(super) struct Entered(String);

impl std::fmt::Debug for Entered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entered")
    }
}

impl Door {
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Closed { until: at, .. } | Self::Dismissed { again: at, .. } => Some(*at),
            Self::Refused => None,
        }
    }
}

impl Room {
    /// Somebody came: to the door, where the room has one that is closed.
    pub(super) fn receive(&mut self, now: Timestamp, leg: LegId) {
        if self.rules.pin.is_none() {
            return self.admit(now, leg);
        }
        self.ask(now, leg, 0, Phrase::EnterPin);
    }

    /// A key was pressed at the door.
    pub(super) fn key_at_the_door(&mut self, now: Timestamp, leg: LegId, key: char) {
        let (Some(pin), Some(member)) = (&self.rules.pin, self.members.iter_mut().find(|m| m.leg == leg))
        else {
            return;
        };
        let Some(Door::Closed { entered, wrong, until }) = &mut member.door else { return };
        *until = now + PATIENCE;
        if key.is_ascii_digit() {
            entered.0.push(key);
        }
        if key != '#' && entered.0.len() < pin.digits().len() {
            return;
        }
        if entered.0 == pin.digits() {
            return self.admit(now, leg);
        }
        let wrong = *wrong + 1;
        self.wrong_pin(now, leg, wrong);
    }

    /// Looks after who is at the door.
    pub(super) fn mind_the_door(&mut self, now: Timestamp, place: usize) {
        let member = &mut self.members[place];
        let leg = member.leg;
        match member.door {
            Some(Door::Closed { wrong, until, .. }) if until <= now => self.wrong_pin(now, leg, wrong + 1),
            Some(Door::Refused) if member.own.is_silent() => self.dismiss(now, place, DISMISS_AGAIN),
            Some(Door::Dismissed { again, pause }) if again <= now => {
                self.tell(now, leg, Phrase::HangUp);
                self.dismiss(now, place, (pause * 2).min(DISMISS_SELDOM));
            }
            _ => {}
        }
    }

    fn dismiss(&mut self, now: Timestamp, place: usize, pause: Duration) {
        let member = &mut self.members[place];
        member.door = Some(Door::Dismissed { again: now + pause, pause });
        self.orders.push_back(Order::Dismiss { leg: member.leg });
    }

    fn wrong_pin(&mut self, now: Timestamp, leg: LegId, wrong: u32) {
        if wrong < TRIES {
            return self.ask(now, leg, wrong, Phrase::WrongPin);
        }
        if let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) {
            member.door = Some(Door::Refused);
        }
        self.orders.push_back(Order::Refused { leg });
        self.tell(now, leg, Phrase::NoEntry);
    }

    fn ask(&mut self, now: Timestamp, leg: LegId, wrong: u32, phrase: Phrase) {
        if let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) {
            let until = now + PATIENCE;
            member.door = Some(Door::Closed { entered: Entered::default(), wrong, until });
        }
        self.tell(now, leg, phrase);
    }

    /// Lets somebody in.
    fn admit(&mut self, now: Timestamp, leg: LegId) {
        self.let_in(leg);
        self.tell_company(Cue::Joined);
        self.arrange(now);
    }

    pub(super) fn let_in(&mut self, leg: LegId) {
        self.founder.get_or_insert(leg);
        if let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) {
            member.door = None;
            member.interrupt(&mut self.out);
            super::collect(&mut self.out, leg, &[], &mut self.orders);
        }
    }
}
