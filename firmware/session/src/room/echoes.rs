//! What may come back from a phone is not taken for its caller's speech.

use audio_path::{Captured, LegId, SegmentId, Timestamp};

use super::member::Member;
use super::{Order, Original, Room};
use crate::segment::PLAYBACK_DEADLINE;

/// How much softer a voice under its translation is taken to be, where it may come back from a phone.
const DUCKED_BY_DB: f32 = 12.0;
/// What is softer is no voice.
const QUIETEST_VOICE_DBFS: f32 = -45.0;

impl Member {
    /// Tells his ear whether something plays at his phone.
    fn mind_echo(&mut self, now: Timestamp) {
        self.sounding.retain(|(_, until)| *until > now);
        let sounds = !self.sounding.is_empty();
        match (std::mem::replace(&mut self.is_sounding, sounds), sounds) {
            (false, true) => self.talker.ear.gate.playback_begins(),
            (true, false) => self.talker.ear.gate.playback_ends(now),
            _ => {}
        }
    }
}

impl Room {
    /// A segment goes to these phones, which says this if it is something that somebody said.
    pub(super) fn sounds(&mut self, now: Timestamp, segment: SegmentId, listeners: &[LegId], text: &str) {
        for member in self.members.iter_mut().filter(|member| listeners.contains(&member.leg)) {
            member.sounding.push((segment, now + PLAYBACK_DEADLINE));
            if !text.is_empty() {
                text.clone_into(&mut member.last_heard);
            }
        }
    }

    /// Tells every ear what its phone may return.
    pub(super) fn mind_echoes(&mut self, now: Timestamp) {
        let discarded: Vec<SegmentId> = self.orders.iter().filter_map(Order::discarded).collect();
        for member in &mut self.members {
            member.sounding.retain(|(segment, _)| !discarded.contains(segment));
            member.mind_echo(now);
        }
    }

    /// What somebody says is heard by others, whose phones may return it.
    pub(super) fn mind_voice(&mut self, talker: LegId, captured: &Captured) {
        let dbfs = captured.frame.dbfs();
        if dbfs < QUIETEST_VOICE_DBFS {
            return;
        }
        for member in &mut self.members {
            let below = match member.originals.iter().find(|(leg, _)| *leg == talker) {
                Some((_, Original::Plain)) => 0.0,
                Some((_, Original::Ducked { louder_db })) => DUCKED_BY_DB - f32::from(*louder_db),
                None => continue,
            };
            member.talker.ear.gate.overheard(captured.at, dbfs - below);
        }
    }
}
