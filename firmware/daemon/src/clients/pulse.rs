//! When a line that says nothing is asked for a sign of life, and when it is dead. Decides, and waits for nothing.

use std::time::Duration;

use tokio::time::Instant;

use super::hosts::KNOCK_DEADLINE;

/// After so long without a word the server is asked for a sign of life.
const PING_AFTER: Duration = Duration::from_millis(700);
/// Where none came for so long after that, its host is knocked at …
const KNOCK_AFTER: Duration = Duration::from_millis(300);
/// … and a line on which nothing came for so long is dead; longer than an answer may take, so that who does not answer is slow.
const DEAD_AFTER: Duration = Duration::from_millis(1_900);

/// One line's.
#[derive(Debug)]
pub(super) struct Pulse {
    /// When the server was asked for a sign of life that did not come yet.
    asked: Option<Instant>,
    knocked: bool,
    due: Instant,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Ask for a sign of life.
    Ping,
    /// See whether its host takes connections.
    Knock,
    /// Look whether that was in vain, and go on.
    Look,
    /// Nothing more will come.
    Dead,
}

impl Pulse {
    /// Something was heard now.
    pub(super) fn new(now: Instant) -> Self {
        Self { asked: None, knocked: false, due: now + PING_AFTER }
    }

    /// When something is to be done, if nothing is heard until then. A wait that is given up and begun anew, as for each
    /// frame that is sent, does not put it off.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// The same, where the server was asked for a sign of life.
    pub(super) fn due_once_asked(&self) -> Option<Instant> {
        self.asked.map(|_| self.due)
    }

    /// It is due.
    pub(super) fn beat(&mut self, now: Instant) -> Beat {
        let Some(asked) = self.asked else {
            (self.asked, self.due) = (Some(now), now + KNOCK_AFTER);
            return Beat::Ping;
        };
        if now >= asked + DEAD_AFTER {
            return Beat::Dead;
        }
        if !std::mem::replace(&mut self.knocked, true) {
            self.due = (now + KNOCK_DEADLINE).min(asked + DEAD_AFTER);
            return Beat::Knock;
        }
        self.due = asked + DEAD_AFTER;
        Beat::Look
    }
}

/// How long a dead line said nothing, at least.
pub(super) const SILENT_FOR: Duration = DEAD_AFTER;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn who_says_nothing_is_asked_knocked_at_and_given_up() {
        let heard = Instant::now();
        let mut pulse = Pulse::new(heard);
        let beats: Vec<_> = std::iter::from_fn(|| {
            let due = pulse.due();
            Some((due - heard, pulse.beat(due)))
        })
        .take(4)
        .collect();
        let wanted = [(700, Beat::Ping), (1_000, Beat::Knock), (1_800, Beat::Look), (2_600, Beat::Dead)];
        assert_eq!(beats, wanted.map(|(after, beat)| (MS(after), beat)));
    }

    #[test]
    fn who_is_looked_after_seldom_is_dead_at_the_second_look() {
        let heard = Instant::now();
        let mut pulse = Pulse::new(heard);
        assert_eq!(pulse.beat(heard + MS(5_000)), Beat::Ping);
        assert_eq!(pulse.beat(heard + MS(10_000)), Beat::Dead);
    }
}
