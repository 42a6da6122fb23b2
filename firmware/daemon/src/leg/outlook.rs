use std::time::Duration;

use audio_path::{LegId, Timestamp};
use session::Component;

/// How often playback is topped up where nothing else wakes the task.
const TOP_UP_EVERY: Duration = Duration::from_millis(200);
/// How often it is seen whether any engine answers.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Whether hearing, translation and speech have an engine that answers, looked at now and then.
pub(crate) struct Outlook {
    served: [bool; 3],
    look_at: Timestamp,
}

impl Default for Outlook {
    /// All is well until it is looked at.
    fn default() -> Self {
        Self { served: [true; 3], look_at: Timestamp::default() }
    }
}

impl Outlook {
    /// Where it is time to look: the stages that were lost, or are there again, as `served` tells.
    pub(crate) fn look(
        &mut self,
        now: Timestamp,
        leg: LegId,
        served: impl FnOnce() -> [bool; 3],
    ) -> Vec<(Component, bool)> {
        if now < self.look_at {
            return Vec::new();
        }
        self.look_at = now + LOOK_EVERY;
        let served = served();
        let before = std::mem::replace(&mut self.served, served);
        let stages = [Component::Asr, Component::Mt, Component::Tts].into_iter().zip(served);
        let changed = stages.zip(before).filter(|((_, served), before)| served != before);
        let changed: Vec<_> = changed.map(|(stage, _)| stage).collect();
        for (component, served) in &changed {
            let what = if *served { "is there again" } else { "is lost: no engine answers" };
            log::warn!("leg {}: {} {what}", leg.0, component.name());
        }
        changed
    }
}

/// How long a task may sleep whose session has something to do after `deadline`.
pub(crate) fn pause(deadline: Option<Duration>, is_playing: bool) -> Duration {
    let top_up = is_playing.then_some(TOP_UP_EVERY);
    deadline.into_iter().chain(top_up).fold(LOOK_EVERY, Duration::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told_once_and_looked_at_now_and_then() {
        let (mut outlook, leg) = (Outlook::default(), LegId(1));
        let at = |ms| Timestamp::default() + Duration::from_millis(ms);
        assert_eq!(outlook.look(at(0), leg, || [true, false, true]), [(Component::Mt, false)]);
        assert_eq!(outlook.look(at(100), leg, || unreachable!("it is too early")), []);
        assert_eq!(outlook.look(at(250), leg, || [true, false, true]), []);
        assert_eq!(outlook.look(at(500), leg, || [true; 3]), [(Component::Mt, true)]);
    }

    #[test]
    fn who_plays_sleeps_less() {
        assert_eq!(pause(None, false), LOOK_EVERY);
        assert_eq!(pause(Some(Duration::from_secs(9)), true), TOP_UP_EVERY);
        assert_eq!(pause(Some(Duration::ZERO), true), Duration::ZERO);
    }
}
