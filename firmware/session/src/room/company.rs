//! Whoever is alone in a conference is told so and hears that the line is not dead; others hear who comes and goes.

use std::time::Duration;

use audio_path::Timestamp;

use super::Room;
use super::member::{Keys, Member};
use crate::Cue;
use crate::outbox::Outbox;
use crate::phrases::Phrase;

/// Who comes together with others, or after the daemon died, is alone for a moment that is not worth telling.
const TOLD_AFTER: Duration = Duration::from_secs(1);
/// From one sign that the line is not dead to the next.
const CUE_EVERY: Duration = Duration::from_secs(5);

/// What a member knows of the others' being there.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// When he hears next that he is alone.
    next: Option<Timestamp>,
    is_told: bool,
    /// Somebody came or left just now.
    news: Option<Cue>,
}

impl Company {
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.next
    }

    fn settle(&mut self, now: Timestamp, is_alone: bool) {
        match (is_alone, self.next) {
            (true, None) => (self.next, self.is_told) = (Some(now + TOLD_AFTER), false),
            (false, Some(_)) => self.next = None,
            _ => {}
        }
    }
}

impl Member {
    /// Tells him what there is to tell of the others.
    pub(super) fn keep_company(&mut self, now: Timestamp, out: &mut Outbox) {
        // A sound that waits until he was told something else would come too late to mean anything.
        let news = self.company.news.take().filter(|_| self.own.is_silent());
        let is_free = self.own.is_silent() && self.sounding.is_empty();
        if let Some(news) = news {
            self.own.play_cue(now, news, out);
        } else if self.company.next.is_some_and(|at| at <= now) {
            self.company.next = Some(now + if is_free { CUE_EVERY } else { TOLD_AFTER });
            if is_free {
                self.tell_alone(now, out);
            }
        }
    }

    fn tell_alone(&mut self, now: Timestamp, out: &mut Outbox) {
        if std::mem::replace(&mut self.company.is_told, true) {
            return self.own.play_cue(now, Cue::Wait, out);
        }
        let phrases = match std::mem::replace(&mut self.keys, Keys::Told) {
            Keys::Told => &[Phrase::Alone][..],
            Keys::Untold => &[Phrase::Alone, Phrase::PressStar],
        };
        self.tell(now, Phrase::sentences(phrases, self.language), out);
    }
}

impl Room {
    /// Somebody came to the conference or left it: everybody hears that, he too who is not alone.
    pub(super) fn tell_company(&mut self, news: Cue) {
        if self.rules.ends_with_the_first_to_leave || (news == Cue::Joined && self.present() == 1) {
            return;
        }
        let present = self.members.iter_mut().filter(|member| member.is_present());
        present.for_each(|member| member.company.news = Some(news));
    }

    /// Sees who is alone. The two of a call come and go together.
    pub(super) fn mind_company(&mut self, now: Timestamp) {
        let is_alone = !self.rules.ends_with_the_first_to_leave && self.present() == 1;
        for member in &mut self.members {
            let is_alone = is_alone && member.is_present();
            member.company.settle(now, is_alone);
        }
    }

    fn present(&self) -> usize {
        self.members.iter().filter(|member| member.is_present()).count()
    }
}
