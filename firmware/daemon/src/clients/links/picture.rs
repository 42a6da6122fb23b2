//! What is new in messages of `rtnetlink(7)`: the kernel also tells each time that an address goes on to be lent.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Messages.
const NEW_LINK: u16 = 16;
const DELETED_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
const DELETED_ADDRESS: u16 = 21;
const NEW_ROUTE: u16 = 24;
const DELETED_ROUTE: u16 = 25;
/// Before each message, and in its beginning, its length and its kind.
const HEADER: usize = 16;
/// Of a link's flags: it is switched on, it can be used, its carrier is there.
const USABLE: u32 = 0x1 | 0x40 | 0x1_0000;
/// Of a route's flags: it was only learnt from what was sent.
const CLONED: u32 = 0x200;
/// How an address's and a route's times are called, which pass by themselves.
const ADDRESS_TIMES: [u16; 1] = [6];
const ROUTE_TIMES: [u16; 2] = [12, 23];
/// What is remembered of each; a box has a few.
const MOST: usize = 1_024;

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Picture {
    /// Which of the flags that matter each link had last.
    links: HashMap<u32, u32>,
    /// Addresses and routes that were told since something went last.
    there: HashSet<u64>,
}

impl Picture {
    /// Whether anything in these messages is new.
    pub(super) fn learn(&mut self, messages: &[u8]) -> bool {
        let (mut rest, mut is_new) = (messages, false);
        while let Some((kind, body, after)) = first(rest) {
            is_new |= self.take(kind, body);
            rest = after;
        }
        is_new
    }

    fn take(&mut self, kind: u16, body: &[u8]) -> bool {
        match kind {
            NEW_LINK => self.link(body),
            DELETED_LINK | DELETED_ADDRESS | DELETED_ROUTE => {
                self.forget();
                true
            }
            NEW_ADDRESS => self.comes(kind, body, 8, &ADDRESS_TIMES),
            NEW_ROUTE if number(body, 8).is_some_and(|flags| flags & CLONED == 0) => {
                self.comes(kind, body, 12, &ROUTE_TIMES)
            }
            _ => false,
        }
    }

    fn link(&mut self, body: &[u8]) -> bool {
        let (Some(index), Some(flags)) = (number(body, 4), number(body, 8)) else { return false };
        if self.links.get(&index) == Some(&(flags & USABLE)) {
            return false;
        }
        // The kernel does not tell of each route that goes with its link.
        self.there.clear();
        if self.links.len() >= MOST {
            self.links.clear();
        }
        self.links.insert(index, flags & USABLE);
        true
    }

    fn comes(&mut self, kind: u16, body: &[u8], header: usize, times: &[u16]) -> bool {
        if self.there.len() >= MOST {
            self.there.clear();
        }
        self.there.insert(without(kind, body, header, times))
    }

    fn forget(&mut self) {
        self.links.clear();
        self.there.clear();
    }
}

/// What a message says, but for some of its attributes, as a number.
fn without(kind: u16, body: &[u8], header: usize, attributes: &[u16]) -> u64 {
    let mut said = DefaultHasher::new();
    let (head, mut rest) = body.split_at(header.min(body.len()));
    (kind, head).hash(&mut said);
    while let (Some(length), Some(name)) = (short(rest, 0), short(rest, 2)) {
        let length = usize::from(length);
        if length < 4 || length > rest.len() {
            break;
        }
        if !attributes.contains(&name) {
            rest[..length].hash(&mut said);
        }
        rest = &rest[aligned(length).min(rest.len())..];
    }
    said.finish()
}

/// The first message: its kind, what it says, and what comes after it.
fn first(messages: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = number(messages, 0)? as usize;
    let body = messages.get(HEADER..length)?;
    Some((short(messages, 4)?, body, &messages[aligned(length).min(messages.len())..]))
}

const fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        message
    }

    fn link(index: u32, flags: u32) -> Vec<u8> {
        message(NEW_LINK, &[[0; 4], index.to_ne_bytes(), flags.to_ne_bytes(), [0xff; 4]].concat())
    }

    /// An address that is lent for so long.
    fn address(last: u8, seconds: u8) -> Vec<u8> {
        let attribute = |name: u16, byte: u8| {
            [8_u16.to_ne_bytes().to_vec(), name.to_ne_bytes().to_vec(), vec![byte; 4]].concat()
        };
        message(NEW_ADDRESS, &[vec![2; 8], attribute(1, last), attribute(6, seconds)].concat())
    }

    fn route(flags: u32) -> Vec<u8> {
        message(NEW_ROUTE, &[[2; 4], [3; 4], flags.to_ne_bytes()].concat())
    }

    #[test]
    fn a_cable_that_is_pulled_and_put_back_is_told_each_time_and_its_other_flags_are_not() {
        let mut picture = Picture::default();
        assert!(picture.learn(&link(2, USABLE)));
        assert!(!picture.learn(&link(2, USABLE | 0x1000)));
        assert!(picture.learn(&link(2, 0x1)));
        assert!(picture.learn(&link(2, USABLE)));
        assert!(picture.learn(&link(3, USABLE)), "another one");
        assert!(!picture.learn(&link(2, USABLE)));
    }

    #[test]
    fn an_address_that_is_lent_again_is_no_news_until_something_went() {
        let mut picture = Picture::default();
        assert!(picture.learn(&address(7, 60)));
        assert!(!picture.learn(&address(7, 90)));
        assert!(picture.learn(&[address(7, 90), address(8, 60)].concat()), "the second of two");
        assert!(picture.learn(&message(DELETED_ADDRESS, &[2; 8])));
        assert!(picture.learn(&address(7, 60)));
        assert!(picture.learn(&link(2, USABLE)) && picture.learn(&address(7, 60)), "it came with its link");
    }

    #[test]
    fn a_route_is_told_and_what_the_kernel_learnt_from_packets_is_not() {
        let mut picture = Picture::default();
        assert!(picture.learn(&route(0)));
        assert!(!picture.learn(&route(0)) && !picture.learn(&route(CLONED)));
        assert!(picture.learn(&message(DELETED_ROUTE, &[])));
        assert!(picture.learn(&route(0)));
    }

    proptest! {
        #[test]
        fn it_reads_anything_and_keeps_a_bounded_part(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..200),
            kind in 16_u16..26,
        ) {
            let mut picture = Picture::default();
            for bytes in messages {
                picture.learn(&bytes);
                picture.learn(&message(kind, &bytes));
            }
            prop_assert!(picture.links.len() <= MOST && picture.there.len() <= MOST);
        }
    }
}
