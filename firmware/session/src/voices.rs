//! Which of an engine's voices each speaker of a room has: always the same, and another than everybody else's while
//! they last.

/// A speaker's place among the speakers of his room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seat(usize);

/// The speakers of a room, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Voices<S>(Vec<S>);

impl<S> Default for Voices<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S: PartialEq> Voices<S> {
    /// The place of `speaker`, who keeps it from the first time on.
    pub fn seat(&mut self, speaker: S) -> Seat {
        let known = self.0.iter().position(|other| *other == speaker);
        Seat(known.unwrap_or_else(|| {
            self.0.push(speaker);
            self.0.len() - 1
        }))
    }
}

impl Seat {
    /// His voice among `voices`; where there are fewer than speakers, some have the same.
    pub fn choose<T>(self, voices: &[T]) -> Option<&T> {
        voices.get(self.0.checked_rem(voices.len())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speakers_keep_their_voices_and_share_none_while_they_last() {
        let mut room = Voices::default();
        let voices = ["a", "b", "c"];
        let speakers = ["ana", "bob", "ana", "cid", "bob", "dan", "ana"];
        let heard = speakers.map(|speaker| *room.seat(speaker).choose(&voices).unwrap());
        assert_eq!(heard, ["a", "b", "a", "c", "b", "a", "a"]);
        assert_eq!(room.seat("ana").choose::<&str>(&[]), None);
        assert_eq!(room.seat("cid").choose(&["only"]), Some(&"only"));
    }
}
