//! What is known of the calls: the legs and their states, who was refused, what Asterisk has that nobody serves. No I/O,
//! no clock.

use std::collections::{BTreeMap, VecDeque};

use audio_path::Timestamp;

use super::Cause;
use super::leg_state::{LegEvent, LegState};
use super::message::{Channel, Event, Told, shown};
use crate::leg_name::LegName;

/// Refusals, and calls that are over, that are remembered.
const MOST_REMEMBERED: usize = 20;
/// Legs that are kept track of; more pipes than that no driver makes.
const MOST_LEGS: usize = 1_000;
/// Lists of channels, one after the other, in which something is amiss before it is put right.
const PATIENCE: u8 = 3;

/// All calls.
#[derive(Debug, Default)]
pub struct Calls {
    legs: BTreeMap<String, Leg>,
    over: VecDeque<Over>,
    refusals: VecDeque<Refusal>,
    /// Channels of ours that no leg belongs to, and in how many lists they were.
    strays: BTreeMap<String, u8>,
    /// Channels that are to be hung up, why, and since when.
    ending: BTreeMap<String, (Cause, Timestamp)>,
}

/// A leg.
#[derive(Clone, Debug)]
pub struct Leg {
    /// Where it is.
    pub state: LegState,
    /// Its phone's number.
    pub phone: Option<String>,
    /// The codec that its phone speaks.
    pub codec: Option<String>,
    /// Its phone's channel.
    pub channel: String,
    call: Option<String>,
    /// Asterisk has a channel for it.
    has_channel: bool,
    since: Timestamp,
    cause: Option<u32>,
    /// In how many lists of channels its own was missing, or it was alone in its call.
    missing: u8,
    alone: u8,
}

/// A leg that is over.
#[derive(Clone, Debug)]
pub struct Over {
    /// Its id.
    pub id: String,
    /// Its phone's number.
    pub phone: Option<String>,
    /// When it ended.
    pub at: Timestamp,
    /// Why, as Asterisk numbers causes; unknown without control of Asterisk.
    pub cause: Option<u32>,
    channel: String,
}

/// A caller who was not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// Who, where that is known.
    pub phone: Option<String>,
    /// What he dialled.
    pub dialled: String,
    /// Why, in words.
    pub reason: String,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A leg's state.
    Leg {
        /// Its id.
        id: String,
        /// Its state now.
        state: LegState,
    },
    /// Somebody was refused.
    Refused(Refusal),
}

/// What is to be done about something that is amiss, or not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mend {
    /// The channel leads nowhere.
    HangUp(String),
    /// The channel is still there though it was to be hung up.
    HangUpAgain(String, Cause),
    /// The leg has no channel.
    LetGo(String),
    /// It is not known yet which codec this leg's phone speaks.
    AskCodec(String),
}

impl Calls {
    /// The leg of that id.
    pub fn leg(&self, id: &str) -> Option<&Leg> {
        self.legs.get(id)
    }

    /// All legs.
    pub fn legs(&self) -> impl Iterator<Item = (&String, &Leg)> {
        self.legs.iter()
    }

    /// The last legs that are over, and the last refusals, newest first.
    pub fn remembered(&self) -> (impl Iterator<Item = &Over>, impl Iterator<Item = &Refusal>) {
        (self.over.iter(), self.refusals.iter())
    }

    /// Something happened to the leg `id`, whose name is taken for valid.
    pub fn happened(&mut self, id: &str, event: LegEvent, at: Timestamp) -> Option<Change> {
        if !self.legs.contains_key(id) {
            let leg = Leg::new(id, at).filter(|_| event != LegEvent::Gone && self.legs.len() < MOST_LEGS)?;
            self.legs.insert(id.to_owned(), leg);
        }
        let leg = self.legs.get_mut(id)?;
        leg.has_channel &= event != LegEvent::Comes;
        let before = leg.state;
        leg.state = before.after(event);
        let state = leg.state;
        if state == LegState::Disconnected {
            let Leg { phone, channel, cause, .. } = self.legs.remove(id)?;
            remember(&mut self.over, Over { id: id.to_owned(), phone, at, cause, channel });
        }
        (state != before).then(|| Change::Leg { id: id.to_owned(), state })
    }

    /// Somebody was not served.
    pub fn refused(&mut self, refusal: Refusal) -> Change {
        remember(&mut self.refusals, refusal.clone());
        Change::Refused(refusal)
    }

    /// The channel is to be hung up.
    pub fn ends(&mut self, channel: &str, cause: Cause, at: Timestamp) {
        if self.ending.len() < MOST_LEGS {
            self.ending.insert(channel.to_owned(), (cause, at));
        }
    }

    /// The codec of the leg's phone.
    pub fn speaks(&mut self, id: &str, codec: &str) {
        if let Some(leg) = self.legs.get_mut(id) {
            leg.codec = Some(shown(codec));
        }
    }

    /// Asterisk says something.
    pub fn event(&mut self, event: &Event, at: Timestamp) -> Vec<Change> {
        match event {
            Event::ChannelStateChange { channel } if channel.state == "Up" => {
                self.of_channel(channel, LegEvent::Answered, at)
            }
            Event::ChannelCreated { channel } | Event::ChannelStateChange { channel } => {
                self.of_channel(channel, LegEvent::Rings, at)
            }
            Event::ChannelEnteredBridge { channel: Some(channel) } => {
                self.of_channel(channel, LegEvent::Answered, at)
            }
            Event::ChannelLeftBridge { channel } => self.of_channel(channel, LegEvent::HangsUp, at),
            Event::ChannelHangupRequest { channel, cause } => {
                self.because(channel, *cause);
                self.of_channel(channel, LegEvent::HangsUp, at)
            }
            Event::ChannelDestroyed { channel, cause } => {
                self.because(channel, Some(*cause));
                self.of_channel(channel, LegEvent::HangsUp, at)
            }
            Event::ChannelUserevent { channel, eventname, userevent } if eventname == "Refused" => {
                vec![self.refused(told(channel.as_ref(), userevent, at))]
            }
            _ => Vec::new(),
        }
    }

    /// Asterisk's list of channels, asked for at `asked`: what is amiss in list after list.
    pub fn listed(&mut self, channels: &[Channel], asked: Timestamp) -> Vec<Mend> {
        let mut mends = Vec::new();
        let is_up = |id: &str| channels.iter().any(|channel| channel.id == id && channel.state == "Up");
        let calls: Vec<Option<String>> = self.legs.values().map(|leg| leg.call.clone()).collect();
        for (id, leg) in self.legs.iter_mut().filter(|(_, leg)| leg.has_channel && leg.since < asked) {
            let is_there = channels.iter().any(|channel| channel.id == leg.channel);
            if amiss(&mut leg.missing, !is_there) {
                mends.push(Mend::LetGo(id.clone()));
            }
            if leg.codec.is_none() && is_up(&leg.channel) {
                mends.push(Mend::AskCodec(id.clone()));
            }
            let ends = calls.iter().filter(|call| call.is_some() && **call == leg.call).count();
            if amiss(&mut leg.alone, is_there && ends == 1) {
                mends.push(Mend::HangUp(leg.channel.clone()));
            }
        }
        self.ending.retain(|id, (_, at)| *at >= asked || channels.iter().any(|channel| channel.id == *id));
        let again = self.ending.iter().filter(|(_, (_, at))| *at < asked);
        mends.extend(again.map(|(id, (cause, _))| Mend::HangUpAgain(id.clone(), *cause)));
        self.strays.retain(|id, _| channels.iter().any(|channel| channel.id == *id));
        for channel in channels {
            let Some(leg) = channel.leg() else { continue };
            if self.legs.contains_key(leg) {
                self.strays.remove(&channel.id);
            } else if amiss(self.strays.entry(channel.id.clone()).or_default(), true) {
                mends.push(Mend::HangUp(channel.id.clone()));
            }
        }
        mends
    }

    fn of_channel(&mut self, channel: &Channel, event: LegEvent, at: Timestamp) -> Vec<Change> {
        let is_its = |(id, leg): &(&String, &Leg)| leg.channel == channel.id || channel.leg() == Some(id);
        let id = self.legs.iter().find(is_its).map(|(id, _)| id.clone());
        id.and_then(|id| self.happened(&id, event, at)).into_iter().collect()
    }

    /// The first cause that is given counts, whether the pipes are gone by then or not.
    fn because(&mut self, channel: &Channel, cause: Option<u32>) {
        let cause = cause.filter(|cause| *cause != 0);
        let leg = self.legs.values_mut().find(|leg| leg.channel == channel.id);
        let over = self.over.iter_mut().find(|over| over.channel == channel.id);
        if let Some(known) = leg.map(|leg| &mut leg.cause).or(over.map(|over| &mut over.cause)) {
            *known = known.or(cause);
        }
    }
}

impl Leg {
    fn new(id: &str, since: Timestamp) -> Option<Self> {
        let name = LegName::parse(id).ok()?;
        Some(Self {
            state: LegState::Idle,
            phone: name.phone.map(str::to_owned),
            codec: None,
            channel: name.channel.to_owned(),
            call: name.call.map(str::to_owned),
            has_channel: true,
            since,
            cause: None,
            missing: 0,
            alone: 0,
        })
    }
}

/// Counts lists in which it is so; whether it is time to act.
fn amiss(lists: &mut u8, is_so: bool) -> bool {
    *lists = if is_so { (*lists + 1).min(PATIENCE) } else { 0 };
    *lists == PATIENCE
}

fn remember<T>(list: &mut VecDeque<T>, newest: T) {
    list.truncate(MOST_REMEMBERED - 1);
    list.push_front(newest);
}

fn told(channel: Option<&Channel>, Told { reason, dialled }: &Told, at: Timestamp) -> Refusal {
    let reason = match reason.as_str() {
        "unknown" => "there is no such number",
        "unregistered" => "that phone is not registered",
        "unanswered" => "nobody answered",
        "busy" => "that phone is in a call",
        "full" => "all legs are in use; calls.most says how many there may be",
        "silent" => "no room was ready in time",
        "broken" => "the call could not be connected",
        "outside" => "that phone may not call outside: [trunk] phones says which may",
        "not-allowed" => "no [[trunk.allow]] has that number",
        "trunk-full" => "trunk.most says how many calls there may be outside, and they are under way",
        "trunk-silent" => "the trunk's provider did not connect the call",
        other => &shown(other),
    };
    let phone = channel.and_then(Channel::phone).map(shown);
    Refusal { at, phone, dialled: shown(dialled), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
