//! Keys as telephone-event packets (RFC 4733).

use std::collections::VecDeque;

pub use audio_path::telephone_event::{KeyReceiver, Told, event_of};

/// How long a key is held and how long the pause after it is, in packets of 20 ms.
const HOLD: u32 = 8;
const PAUSE: u32 = 4;
const END_REPEATS: u32 = 3;
const VOLUME: u8 = 10;

/// A packet of a key being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPacket {
    /// The four bytes of RFC 4733.
    pub payload: [u8; 4],
    /// First packet of the key: marker bit, and the timestamp that all its packets share.
    pub first: bool,
}

/// What to send in this turn instead of speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Speech goes on.
    Speech,
    /// One packet of a key, or three at its end.
    Key(Vec<KeyPacket>),
    /// Between two keys.
    Pause,
}

/// Sends keys one after another.
#[derive(Debug, Default)]
pub struct KeySender {
    waiting: VecDeque<u8>,
    current: Option<(u8, u32)>,
}

impl KeySender {
    /// Adds keys; what is no key is left out.
    pub fn press(&mut self, keys: &str) {
        self.waiting.extend(keys.chars().filter_map(event_of));
    }

    /// Whether nothing is left to send.
    pub fn is_idle(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    /// The packets of this turn; `ticks` is 20 ms in ticks of the event's clock.
    pub fn next_turn(&mut self, ticks: u32) -> Turn {
        if self.current.is_none() {
            self.current = self.waiting.pop_front().map(|event| (event, 0));
        }
        let Some((event, turn)) = &mut self.current else { return Turn::Speech };
        *turn += 1;
        let (event, turn) = (*event, *turn);
        if turn > HOLD {
            if turn == HOLD + PAUSE {
                self.current = None;
            }
            return Turn::Pause;
        }
        let duration = (ticks * turn).min(u32::from(u16::MAX)) as u16;
        let end = turn == HOLD;
        let flags = if end { 0x80 | VOLUME } else { VOLUME };
        let [high, low] = duration.to_be_bytes();
        let packet = KeyPacket { payload: [event, flags, high, low], first: turn == 1 };
        Turn::Key(vec![packet; if end { END_REPEATS as usize } else { 1 }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_held_ended_three_times_and_followed_by_a_pause() {
        let mut sender = KeySender::default();
        sender.press("5x#");
        let turns: Vec<_> = (0..12).map(|_| sender.next_turn(160)).collect();
        let Turn::Key(first) = &turns[0] else { panic!("{:?}", turns[0]) };
        assert_eq!(first[..], [KeyPacket { payload: [5, 10, 0, 160], first: true }]);
        let Turn::Key(last) = &turns[7] else { panic!("{:?}", turns[7]) };
        assert_eq!(last.len(), 3);
        assert_eq!(last[0].payload, [5, 0x8a, 0x05, 0x00]);
        assert!(turns[8..].iter().all(|turn| *turn == Turn::Pause));
        let Turn::Key(next) = sender.next_turn(160) else { panic!() };
        assert_eq!(next[0].payload[0], 11);
        (0..11).for_each(|_| drop(sender.next_turn(160)));
        assert!(sender.is_idle());
        assert_eq!(sender.next_turn(160), Turn::Speech);
    }
}
