//! How long phones wait before they may try a conference's PIN again. No I/O, no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use audio_path::Timestamp;

/// After a call with too many wrong PINs.
const FIRST: Duration = Duration::from_secs(60);
/// It doubles up to this.
const LONGEST: Duration = Duration::from_secs(600);
/// Phones that are kept in mind.
const MOST: usize = 256;

/// The phones that may not try.
#[derive(Debug, Default)]
pub(crate) struct Pauses(BTreeMap<Try, Pause>);

/// Which phone tried which room; who has no number is one with all others who have none.
type Try = (Option<String>, String);

#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Timestamp,
    lasts: Duration,
}

impl Pauses {
    /// Too many wrong PINs were entered.
    pub(crate) fn begin(&mut self, now: Timestamp, phone: Option<&str>, room: &str) {
        self.0.retain(|_, pause| now < pause.until + LONGEST);
        if self.0.len() >= MOST
            && let Some(first) = self.0.iter().min_by_key(|(_, pause)| pause.until).map(|(of, _)| of.clone())
        {
            self.0.remove(&first);
        }
        let of = (phone.map(str::to_owned), room.to_owned());
        let lasts = self.0.get(&of).map_or(FIRST, |before| (before.lasts * 2).min(LONGEST));
        self.0.insert(of, Pause { until: now + lasts, lasts });
    }

    /// How long this phone has to wait, if it has to.
    pub(crate) fn left(&self, now: Timestamp, phone: Option<&str>, room: &str) -> Option<Duration> {
        let pause = self.0.get(&(phone.map(str::to_owned), room.to_owned()))?;
        (now < pause.until).then(|| pause.until.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_nanos(secs * 1_000_000_000)
    }

    #[test]
    fn who_goes_on_waits_longer_and_nobody_else_waits() {
        let mut pauses = Pauses::default();
        let left =
            |pauses: &Pauses, secs| pauses.left(at(secs), Some("101"), "800").map(|left| left.as_secs());
        assert_eq!(left(&pauses, 5), None);
        pauses.begin(at(10), Some("101"), "800");
        assert_eq!((left(&pauses, 20), left(&pauses, 70)), (Some(50), None));
        assert_eq!(pauses.left(at(20), Some("102"), "800"), None);
        assert_eq!(pauses.left(at(20), Some("101"), "801"), None);
        assert_eq!(pauses.left(at(20), None, "800"), None);
        for (now, lasts) in [(100, 120), (300, 240), (600, 480), (1_200, 600), (1_900, 600), (3_200, 60)] {
            pauses.begin(at(now), Some("101"), "800");
            assert_eq!(left(&pauses, now), Some(lasts), "{now}");
        }
    }

    #[test]
    fn however_many_try_the_list_is_short() {
        let mut pauses = Pauses::default();
        for number in 0..1_000 {
            pauses.begin(at(number), Some(&number.to_string()), "800");
        }
        assert_eq!(pauses.0.len(), MOST);
        assert!(pauses.left(at(1_000), Some("999"), "800").is_some());
    }
}
