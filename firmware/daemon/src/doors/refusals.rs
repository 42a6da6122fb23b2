use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::hub::Hub;

/// Anybody can knock as often as he likes: one in so long is told, and how many others there were.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Who was turned away at a door, for the status and whoever listens.
#[derive(Debug)]
pub(super) struct Refusals {
    /// What the door is called.
    door: &'static str,
    told: Option<Instant>,
    untold: u64,
}

impl Refusals {
    pub(super) const fn at(door: &'static str) -> Self {
        Self { door, told: None, untold: 0 }
    }

    /// Somebody was, now.
    pub(super) fn add(&mut self, hub: &Hub, from: SocketAddr, reason: &str) {
        log::debug!("{}: {from}: {reason}", self.door);
        match self.due(Instant::now()) {
            None => {}
            Some(0) => hub.refused(self.door, &format!("{from}: {reason}")),
            Some(others) => hub.refused(self.door, &format!("{from}: {reason}; {others} more before")),
        }
    }

    /// How many were not told of, if one is to be told of now.
    fn due(&mut self, now: Instant) -> Option<u64> {
        if self.told.is_some_and(|told| now < told + TOLD_EVERY) {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_others_as_a_number() {
        let (mut refusals, start) = (Refusals::at("rtp"), Instant::now());
        let due: Vec<_> = (0..25).map(|second| refusals.due(start + Duration::from_secs(second))).collect();
        let told: Vec<_> = due.iter().enumerate().filter_map(|(at, due)| Some((at, (*due)?))).collect();
        assert_eq!(told, [(0, 0), (10, 9), (20, 9)]);
    }
}
