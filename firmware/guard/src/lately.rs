//! Who is kept out, and who was refused lately and why, for people to see. In bounded memory.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use serde::Serialize;

use crate::sets::Sets;
use crate::tries::Source;

/// For how long a refusal is told.
pub const LATELY: Duration = Duration::from_secs(3_600);
/// As many bans, wrong passwords and outsiders are told each: the latest ones.
const MOST_TOLD: usize = 50;
/// Times that are counted in whole seconds come out so far apart though they are the same.
const ROUNDING: Duration = Duration::from_secs(2);

/// Somebody from outside the LAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outsider {
    /// His address.
    pub address: IpAddr,
    /// What came from it.
    pub packets: u64,
    /// How long ago the last of it came.
    pub ago: Duration,
}

/// What is told, with times in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// Who is banned now; whose ban ends last comes first.
    pub banned: Vec<Ban>,
    /// How many are banned, told above or not.
    pub bans: usize,
    /// Who was refused; the last one comes first.
    pub refused: Vec<Refusal>,
}

/// A source that the kernel drops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ban {
    /// An address or network.
    pub source: String,
    /// When the ban ends.
    pub until: u64,
    /// What for.
    pub why: Why,
}

/// What Asterisk refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// An address or network.
    pub source: String,
    /// What for.
    pub why: Why,
    /// The phone that a password was for; none where the box has no such phone.
    pub phone: Option<String>,
    /// Wrong passwords, or packets from outside.
    pub times: u64,
    /// When the last of them came.
    pub last: u64,
}

/// Why somebody is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// He told a wrong password, or one for nobody.
    WrongPassword,
    /// His address is none of a LAN.
    OutsideLan,
}

/// What is known of all who were refused. `now` is the time since any moment, and never goes back.
#[derive(Debug)]
pub struct Lately {
    /// By source and phone: how many there were, and when the last one came.
    passwords: LruCache<(String, Option<String>), (u64, Duration)>,
    /// How many packets came, and when the last one did.
    outside: Vec<(String, u64, Duration)>,
    /// When each ban ends.
    banned: Vec<(Source, Duration)>,
    /// What the clock on the wall showed when `now` was zero.
    zero: Duration,
}

impl Default for Lately {
    fn default() -> Self {
        let most = NonZeroUsize::new(MOST_TOLD).expect("a constant above zero");
        Self { passwords: LruCache::new(most), outside: Vec::new(), banned: Vec::new(), zero: Duration::ZERO }
    }
}

impl Lately {
    /// A wrong password came.
    pub fn wrong_password(&mut self, from: IpAddr, phone: Option<String>, now: Duration) {
        let (times, last) = self.passwords.get_or_insert_mut((shown(from), phone), || (0, now));
        if is_over(*last, now) {
            *times = 0;
        }
        (*times, *last) = (*times + 1, now);
    }

    /// The kernel told whom it keeps out.
    pub fn kept_out(&mut self, sets: Sets, now: Duration) {
        let before: HashMap<_, _> = std::mem::take(&mut self.banned).into_iter().collect();
        let until = |(source, rest)| (source, steady(before.get(&source).copied(), now + rest));
        self.banned = sets.banned.into_iter().map(until).collect();
        self.banned.sort_by_key(|(_, until)| Reverse(*until));
        let before = std::mem::take(&mut self.outside);
        let last = |Outsider { address, packets, ago }: Outsider| {
            let source = shown(address);
            let known = before.iter().find(|(known, times, _)| *known == source && *times == packets);
            let last = steady(known.map(|(.., last)| *last), now.saturating_sub(ago));
            (source, packets, last)
        };
        let mut latest = sets.outside;
        latest.sort_by_key(|outsider| outsider.ago);
        latest.truncate(MOST_TOLD);
        self.outside = latest.into_iter().map(last).collect();
    }

    /// What is to be told now, when the clock on the wall shows `wall` since 1970.
    pub fn state(&mut self, now: Duration, wall: Duration) -> State {
        self.zero = steady(Some(self.zero), wall.saturating_sub(now));
        let told = |time: Duration| (self.zero + time).as_secs();
        let standing: Vec<_> = self.banned.iter().filter(|(_, until)| *until > now).collect();
        let ban = |(source, until): &&(Source, Duration)| Ban {
            source: source.to_string(),
            until: told(*until),
            why: Why::WrongPassword,
        };
        let passwords = self.passwords.iter().map(|((source, phone), (times, last))| {
            (source, Why::WrongPassword, phone.clone(), *times, *last)
        });
        let outside = self
            .outside
            .iter()
            .map(|(source, packets, last)| (source, Why::OutsideLan, None, *packets, *last));
        let mut refused: Vec<_> =
            passwords.chain(outside).filter(|(.., last)| !is_over(*last, now)).collect();
        refused.sort_by_key(|(.., last)| Reverse(*last));
        let refusal = |(source, why, phone, times, last): (&String, Why, Option<String>, u64, Duration)| {
            Refusal { source: source.clone(), why, phone, times, last: told(last) }
        };
        State {
            banned: standing.iter().take(MOST_TOLD).map(ban).collect(),
            bans: standing.len(),
            refused: refused.into_iter().map(refusal).collect(),
        }
    }
}

fn is_over(last: Duration, now: Duration) -> bool {
    now.saturating_sub(last) >= LATELY
}

/// As bans call it; the box itself has an address like others here.
fn shown(address: IpAddr) -> String {
    Source::of(address).map_or_else(|| address.to_canonical().to_string(), |source| source.to_string())
}

/// The time that is known, where the new one is the same but for rounding.
fn steady(known: Option<Duration>, new: Duration) -> Duration {
    known.filter(|known| known.abs_diff(new) < ROUNDING).unwrap_or(new)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::tries::MOST_BANS;

    const SECOND: Duration = Duration::from_secs(1);
    const WALL: Duration = Duration::from_secs(1_790_000_000);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn source(text: &str) -> Source {
        Source::of(address(text)).unwrap()
    }

    fn state(lately: &mut Lately, now: Duration) -> State {
        lately.state(now, WALL + now)
    }

    fn banned(rests: &[(&str, u64)]) -> Sets {
        let banned = rests.iter().map(|(text, rest)| (source(text), SECOND * *rest as u32)).collect();
        Sets { banned, outside: Vec::new() }
    }

    fn outside(address: &str, packets: u64, ago: u64) -> Sets {
        let outsider = Outsider { address: self::address(address), packets, ago: Duration::from_secs(ago) };
        Sets { banned: Vec::new(), outside: vec![outsider] }
    }

    #[test]
    fn wrong_passwords_are_counted_by_source_and_phone_and_the_last_is_told_first() {
        let mut lately = Lately::default();
        for (from, phone, second) in [
            ("10.0.0.9", Some("102"), 1),
            ("10.0.0.9", None, 2),
            ("fd00::1", Some("101"), 3),
            ("::ffff:10.0.0.9", Some("102"), 4),
            ("fd00::2", Some("101"), 5),
            ("127.0.0.1", Some("103"), 6),
        ] {
            lately.wrong_password(address(from), phone.map(str::to_owned), SECOND * second);
        }
        let told: Vec<_> = state(&mut lately, 9 * SECOND)
            .refused
            .into_iter()
            .map(|refusal| (refusal.source, refusal.phone, refusal.times, refusal.last - WALL.as_secs()))
            .collect();
        let wanted = [
            ("127.0.0.1", Some("103"), 1, 6),
            ("fd00::/64", Some("101"), 2, 5),
            ("10.0.0.9", Some("102"), 2, 4),
            ("10.0.0.9", None, 1, 2),
        ]
        .map(|(source, phone, times, last)| (source.to_owned(), phone.map(str::to_owned), times, last));
        assert_eq!(told, wanted);
    }

    #[test]
    fn after_an_hour_a_refusal_is_told_no_more_and_counted_anew() {
        let mut lately = Lately::default();
        lately.wrong_password(address("10.0.0.9"), None, SECOND);
        lately.kept_out(outside("203.0.113.9", 7, 0), SECOND);
        assert_eq!(state(&mut lately, LATELY).refused.len(), 2);
        assert_eq!(state(&mut lately, LATELY + SECOND).refused, []);
        lately.wrong_password(address("10.0.0.9"), None, LATELY + 2 * SECOND);
        assert_eq!(state(&mut lately, LATELY + 2 * SECOND).refused[0].times, 1);
    }

    #[test]
    fn a_ban_is_told_until_it_ends_or_is_lifted() {
        let mut lately = Lately::default();
        lately.kept_out(banned(&[("10.0.0.8", 60), ("10.0.0.9", 900), ("fd00::1", 30)]), SECOND);
        let told = |state: State| -> Vec<_> {
            state.banned.into_iter().map(|ban| (ban.source, ban.until - WALL.as_secs())).collect()
        };
        let ban = |source: &str, until| (source.to_owned(), until);
        let wanted = [ban("10.0.0.9", 901), ban("10.0.0.8", 61), ban("fd00::/64", 31)];
        assert_eq!(told(state(&mut lately, SECOND)), wanted);
        let later = state(&mut lately, 31 * SECOND);
        assert_eq!(later.bans, 2);
        assert_eq!(told(later), wanted[..2]);
        lately.kept_out(banned(&[("10.0.0.8", 29)]), 32 * SECOND);
        assert_eq!(told(state(&mut lately, 32 * SECOND)), wanted[1..2]);
    }

    #[test]
    fn nothing_changes_while_nothing_happens_but_when_the_clock_is_set() {
        let mut lately = Lately::default();
        lately.wrong_password(address("10.0.0.9"), None, SECOND);
        let sets = |rest, ago| Sets {
            banned: banned(&[("10.0.0.8", rest)]).banned,
            ..outside("203.0.113.9", 7, ago)
        };
        lately.kept_out(sets(60, 1), 5 * SECOND);
        let before = state(&mut lately, 5 * SECOND);
        // Rounded otherwise than before.
        let now = Duration::from_millis(15_100);
        lately.kept_out(sets(49, 12), now);
        assert_eq!(lately.state(now, WALL + now + SECOND / 3), before);
        let moved = lately.state(now, 2 * WALL);
        assert_eq!(
            moved.banned[0].until - before.banned[0].until,
            moved.refused[0].last - before.refused[0].last
        );
        assert!(moved.refused[0].last > WALL.as_secs() + 1_000_000);
    }

    #[test]
    fn a_flood_of_sources_makes_no_long_list() {
        let mut lately = Lately::default();
        let host = |number: u32| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number));
        for number in 0..100_000 {
            lately.wrong_password(
                host(number),
                Some(number.to_string()),
                Duration::from_micros(number.into()),
            );
        }
        let most = MOST_BANS as u32;
        lately.kept_out(
            Sets {
                banned: (0..most)
                    .map(|number| (Source::of(host(number)).unwrap(), SECOND * number))
                    .collect(),
                outside: (0..1_024)
                    .map(|number| Outsider { address: host(number), packets: 1, ago: SECOND * number })
                    .collect(),
            },
            2_000 * SECOND,
        );
        let state = state(&mut lately, 2_000 * SECOND);
        assert_eq!((state.banned.len(), state.refused.len()), (MOST_TOLD, 2 * MOST_TOLD));
        assert_eq!(state.bans, MOST_BANS - 1, "one has just ended");
        let source = |number| host(number).to_string();
        assert_eq!((&state.banned[0].source, &state.refused[0].source), (&source(most - 1), &source(0)));
        assert!(serde_json::to_vec(&state).unwrap().len() < 16 << 10);
    }
}
