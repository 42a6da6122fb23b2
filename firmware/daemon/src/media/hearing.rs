//! Who hears whose voice: kept by the media thread by slot, so that a tick looks nothing up.

use audio_path::{Frame, Gain, LegId};

use super::MAX_LEGS;
use super::leg::{Duty, MediaLeg};
use super::room::{MAX_ORIGINALS, Room, Voices};

/// One slot a leg.
pub(super) type Legs = [Option<Box<MediaLeg>>];

/// The voices that a leg is to hear.
pub(super) type Wanted = heapless::Vec<(LegId, Gain), MAX_ORIGINALS>;

/// The voices of the legs that others hear.
pub(super) struct Hearing {
    /// The slots of those legs.
    heard: heapless::Vec<usize, MAX_LEGS>,
    voices: Box<Voices>,
}

impl Hearing {
    pub(super) fn new() -> Self {
        Self { heard: heapless::Vec::new(), voices: vec![None; MAX_LEGS].into() }
    }

    /// What each leg says in this tick.
    pub(super) fn voices(&self) -> &[Option<Frame>] {
        &self.voices
    }

    /// A tick: takes one frame of each leg that others hear.
    pub(super) fn tick(&mut self, legs: &mut Legs) {
        for &slot in &self.heard {
            if let Some((leg, voice)) = legs[slot].as_mut().zip(self.voices.get_mut(slot))
                && let Duty::Room(room) = &mut leg.duty
            {
                *voice = room.voice(&leg.shared.counters);
            }
        }
    }

    /// The leg in slot `listener` hears these voices from now on; those of legs that there are not are left out.
    pub(super) fn change(&mut self, legs: &mut Legs, listener: usize, wanted: &Wanted) {
        let before = room(&mut legs[listener]).map(|room| std::mem::take(&mut room.originals));
        let Some(before) = before else { return };
        for &(leg, gain) in wanted {
            if let Some(slot) = slot_of(legs, leg).filter(|&slot| room(&mut legs[slot]).is_some())
                && let Some(room) = room(&mut legs[listener])
            {
                room.hear(&before, leg, slot, gain);
            }
        }
        self.settle(legs);
    }

    /// The leg that was in `slot` has gone: nobody hears it any more, nor does it hear anybody.
    pub(super) fn forget(&mut self, legs: &mut Legs, slot: usize) {
        for room in legs.iter_mut().filter_map(room) {
            room.originals.retain(|original| original.slot != slot);
        }
        self.settle(legs);
    }

    fn settle(&mut self, legs: &mut Legs) {
        let mut heard = [false; MAX_LEGS];
        for original in legs.iter_mut().filter_map(room).flat_map(|room| &room.originals) {
            heard[original.slot] = true;
        }
        self.heard.clear();
        for (slot, leg) in legs.iter_mut().enumerate() {
            let Some(room) = room(leg) else { continue };
            room.set_heard(heard[slot]);
            if heard[slot] {
                // One place a slot.
                let _fits = self.heard.push(slot);
            }
        }
    }
}

/// Where a leg is.
pub(super) fn slot_of(legs: &Legs, id: LegId) -> Option<usize> {
    legs.iter().position(|leg| leg.as_ref().is_some_and(|leg| leg.id == id))
}

fn room(leg: &mut Option<Box<MediaLeg>>) -> Option<&mut Room> {
    match &mut leg.as_mut()?.duty {
        Duty::Room(room) => Some(room),
        Duty::Echo(_) | Duty::EchoDirect => None,
    }
}
