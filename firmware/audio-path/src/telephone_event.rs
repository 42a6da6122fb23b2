//! Keys as telephone-event packets (RFC 4733).

/// The payload type that is meant where nothing was agreed upon.
pub const PAYLOAD_TYPE: u8 = 101;

const KEYS: &[u8; 16] = b"0123456789*#ABCD";
const PAYLOAD_BYTES: usize = 4;

/// The event number of a key.
pub fn event_of(key: char) -> Option<u8> {
    let key = key.to_ascii_uppercase();
    KEYS.iter().position(|known| char::from(*known) == key).map(|at| at as u8)
}

/// The key of an event number; other events are none.
pub fn key_of(event: u8) -> Option<char> {
    KEYS.get(usize::from(event)).map(|key| char::from(*key))
}

/// Recognises keys in received packets: one for each timestamp, however many packets repeat it.
#[derive(Clone, Debug, Default)]
pub struct KeyReceiver {
    last: Option<u32>,
}

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A key is pressed.
    Pressed(char),
    /// It goes on, or is over, or is an old one: nothing new.
    Nothing,
    /// This is no key.
    Unfit,
}

impl KeyReceiver {
    /// Takes the payload of a packet. The key counts with the first packet that arrives of it; a packet that was
    /// overtaken by the next key's tells nothing.
    pub fn take(&mut self, timestamp: u32, payload: &[u8]) -> Told {
        let key = payload.first().filter(|_| payload.len() >= PAYLOAD_BYTES).and_then(|event| key_of(*event));
        let Some(key) = key else { return Told::Unfit };
        let is_new = self.last.is_none_or(|last| timestamp.wrapping_sub(last) as i32 > 0);
        if !is_new {
            return Told::Nothing;
        }
        self.last = Some(timestamp);
        Told::Pressed(key)
    }

    /// The stream begins anew.
    pub fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_counts_once_though_packets_are_lost_repeated_or_late() {
        let mut receiver = KeyReceiver::default();
        let packets = [(7, 1), (7, 1), (9, 1), (7, 1), (9, 1), (u32::MAX - 1, 2), (12, 11)];
        let told: Vec<_> = packets.map(|(at, event)| receiver.take(at, &[event, 0x80, 0, 160])).into();
        let [one, hash] = [Told::Pressed('1'), Told::Pressed('#')];
        assert_eq!(told, [one, Told::Nothing, one, Told::Nothing, Told::Nothing, Told::Nothing, hash]);
        receiver.reset();
        assert_eq!(receiver.take(3, &[0, 0, 0, 0]), Told::Pressed('0'));
    }

    #[test]
    fn what_is_no_key_is_unfit() {
        let mut receiver = KeyReceiver::default();
        for payload in [&[][..], &[1], &[1, 0, 0], &[16, 0, 0, 0], &[255; 4]] {
            assert_eq!(receiver.take(11, payload), Told::Unfit, "{payload:?}");
        }
        assert_eq!(receiver.take(11, &[15, 0, 0, 0, 0]), Told::Pressed('D'), "it was not counted before");
    }

    proptest! {
        #[test]
        fn whatever_comes_a_timestamp_is_one_key(packets in prop::collection::vec((0..50u32, any::<[u8; 4]>(), 0..6usize), 0..60)) {
            let mut receiver = KeyReceiver::default();
            let mut pressed = Vec::new();
            for (at, payload, length) in packets {
                let payload: Vec<u8> = payload.into_iter().cycle().take(length).collect();
                match receiver.take(at, &payload) {
                    Told::Pressed(key) => {
                        prop_assert_eq!(event_of(key), payload.first().copied());
                        prop_assert!(pressed.last().is_none_or(|last| *last < at));
                        pressed.push(at);
                    }
                    Told::Nothing => prop_assert!(payload.len() >= 4 && payload[0] < 16),
                    Told::Unfit => prop_assert!(payload.len() < 4 || payload[0] >= 16),
                }
            }
        }
    }
}
