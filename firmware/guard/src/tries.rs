//! Who is banned and who is known, and when: wrong and right passwords by address, in bounded memory.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;

/// How long a ban lasts.
pub const BAN: Duration = Duration::from_secs(900);
/// Bans at once, as the firewall's sets hold them.
pub const MOST_BANS: usize = 4_096;
/// Wrong passwords within [`WINDOW`] that earn a ban. What is under way when the ban comes makes a few more.
const MOST_TRIES: usize = 4;
const WINDOW: Duration = Duration::from_secs(600);
/// What comes from a banned source so soon was under way; later, somebody has lifted the ban, or the kernel did not take
/// it.
const UNDER_WAY: Duration = Duration::from_secs(10);
/// How long an address counts as a phone's own after a right password.
pub const KNOWN: Duration = Duration::from_secs(2 * 3_600);
/// Right passwords that come sooner after the first do not make it longer.
const RENEWAL: Duration = Duration::from_secs(900);
/// Sources remembered; those that were silent longest are forgotten first.
const MOST_SOURCES: usize = 16_384;

/// Whom the wrong passwords of an address are put down to: itself, or the IPv6 network that it can choose its addresses
/// from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// An address.
    V4(Ipv4Addr),
    /// The first address of a /64.
    V6(Ipv6Addr),
}

impl Source {
    /// `None` where it is the box itself.
    pub fn of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            address if address.is_loopback() => None,
            IpAddr::V4(address) => Some(Self::V4(address)),
            IpAddr::V6(address) => Some(Self::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(network) => write!(f, "{network}/64"),
        }
    }
}

/// The tries of all sources. `now` is the time since any moment, and never goes back.
#[derive(Debug)]
pub struct Tries {
    /// When each of the last wrong passwords came.
    failed: LruCache<Source, [Option<Duration>; MOST_TRIES]>,
    /// Since when each address is known.
    known: LruCache<IpAddr, Duration>,
    /// When each ban began.
    banned: LruCache<Source, Duration>,
}

impl Default for Tries {
    fn default() -> Self {
        let most = |count| NonZeroUsize::new(count).expect("a constant above zero");
        Self {
            failed: LruCache::new(most(MOST_SOURCES)),
            known: LruCache::new(most(MOST_SOURCES)),
            banned: LruCache::new(most(MOST_BANS)),
        }
    }
}

impl Tries {
    /// A right password came from `address`: who is known for it from now on. A neighbour in its network is not.
    pub fn succeeded(&mut self, address: IpAddr, now: Duration) -> Option<IpAddr> {
        self.failed.pop(&Source::of(address)?);
        let address = address.to_canonical();
        if self.known.get(&address).is_some_and(|since| now.saturating_sub(*since) < RENEWAL) {
            return None;
        }
        self.known.put(address, now);
        Some(address)
    }

    /// A wrong password came from `address`: who is to be banned for it now.
    ///
    /// An address that a phone has lately used is not: a wrong password needs no way back to its sender, so a stranger
    /// could have any phone banned by writing its address on his packets.
    pub fn failed(&mut self, address: IpAddr, now: Duration) -> Option<Source> {
        let source = Source::of(address)?;
        let since = |then: &Duration| now.saturating_sub(*then);
        if self.known.peek(&address.to_canonical()).is_some_and(|then| since(then) < KNOWN)
            || self.banned.peek(&source).is_some_and(|then| since(then) < UNDER_WAY)
        {
            return None;
        }
        let times = self.failed.get_or_insert_mut(source, || [None; MOST_TRIES]);
        times.rotate_left(1);
        times[MOST_TRIES - 1] = Some(now);
        if times[0].is_none_or(|first| since(&first) >= WINDOW) {
            return None;
        }
        self.failed.pop(&source);
        self.banned.put(source, now);
        Some(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The count of tries from `from`, one each `step`, at which a ban comes.
    fn tries_until_ban(tries: &mut Tries, from: IpAddr, start: Duration, step: Duration) -> Option<u32> {
        (1..=100).find(|count| tries.failed(from, start + step * *count).is_some())
    }

    #[test]
    fn the_fourth_wrong_password_bans_once_for_a_quarter_of_an_hour() {
        let mut tries = Tries::default();
        let from = address("10.0.0.9");
        assert_eq!(tries_until_ban(&mut tries, from, Duration::ZERO, SECOND), Some(4));
        assert_eq!(tries.failed(from, 10 * SECOND), None, "it is banned already");
        assert_eq!(tries_until_ban(&mut tries, from, BAN + 5 * SECOND, SECOND), Some(4));
    }

    #[test]
    fn what_was_under_way_counts_for_nothing_and_who_was_let_out_by_hand_is_banned_again() {
        let mut tries = Tries::default();
        let from = address("10.0.0.9");
        assert_eq!(tries_until_ban(&mut tries, from, Duration::ZERO, SECOND), Some(4));
        let under_way = Duration::from_millis(90);
        assert_eq!(tries_until_ban(&mut tries, from, 4 * SECOND, under_way), None);
        assert_eq!(tries_until_ban(&mut tries, from, 14 * SECOND, SECOND), Some(4));
    }

    #[test]
    fn a_phone_with_an_old_password_that_asks_now_and_then_is_not_banned() {
        let mut tries = Tries::default();
        assert_eq!(tries_until_ban(&mut tries, address("10.0.0.9"), Duration::ZERO, WINDOW / 3), None);
    }

    #[test]
    fn nobody_can_have_a_phone_banned_that_the_box_knows() {
        let mut tries = Tries::default();
        let phone = address("10.0.0.9");
        assert_eq!(tries.succeeded(phone, Duration::ZERO), Some(phone));
        assert_eq!(tries_until_ban(&mut tries, phone, Duration::ZERO, SECOND), None);
        assert_eq!(tries_until_ban(&mut tries, phone, KNOWN, SECOND), Some(4), "it has been away for long");
    }

    #[test]
    fn a_phone_is_known_for_longer_the_longer_it_is_there() {
        let mut tries = Tries::default();
        let phone = address("::ffff:10.0.0.9");
        assert_eq!(tries.succeeded(phone, SECOND), Some(address("10.0.0.9")));
        assert_eq!(tries.succeeded(phone, RENEWAL), None, "the firewall knows it");
        assert_eq!(tries.succeeded(phone, RENEWAL + SECOND), Some(address("10.0.0.9")));
        assert_eq!(tries_until_ban(&mut tries, phone, KNOWN, SECOND), None);
        assert_eq!(tries.succeeded(address("127.0.0.1"), SECOND), None, "the box itself");
    }

    #[test]
    fn a_known_phone_makes_nobody_else_of_its_network_known() {
        let mut tries = Tries::default();
        assert!(tries.succeeded(address("fd00::1"), Duration::ZERO).is_some());
        assert_eq!(tries_until_ban(&mut tries, address("fd00::1"), Duration::ZERO, SECOND), None);
        assert_eq!(tries_until_ban(&mut tries, address("fd00::2"), Duration::ZERO, SECOND), Some(4));
    }

    #[test]
    fn a_network_of_ipv6_is_one_source_and_the_box_itself_is_none() {
        let mut tries = Tries::default();
        let banned: Vec<_> = (1..=4)
            .filter_map(|host| tries.failed(address(&format!("fd00::{host}:1")), SECOND * host))
            .collect();
        assert_eq!(banned, [Source::V6("fd00::".parse().unwrap())]);
        assert_eq!(banned[0].to_string(), "fd00::/64");
        for own in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(tries_until_ban(&mut tries, address(own), Duration::ZERO, SECOND), None);
        }
        assert_eq!(Source::of(address("::ffff:10.0.0.9")), Source::of(address("10.0.0.9")));
    }

    #[test]
    fn a_million_sources_take_no_more_memory_than_the_most() {
        let mut tries = Tries::default();
        for host in 0..1_000_000 {
            let from = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + host));
            tries.failed(from, Duration::from_micros(u64::from(host)));
            tries.succeeded(IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + host)), SECOND);
        }
        assert_eq!((tries.failed.len(), tries.known.len()), (MOST_SOURCES, MOST_SOURCES));
        let from = address("10.200.0.1");
        assert_eq!(tries_until_ban(&mut tries, from, 2 * SECOND, SECOND), Some(4));
    }
}
