//! What a call was, in numbers that can be printed as JSON.

use std::time::Instant;

use serde::Serialize;

use crate::audio::wav::{Clip, RECORDING_RATE};
use crate::media::codec::Codec;
use crate::media::script::Turn;
use crate::media::stream::StreamCounts;
use crate::media::ticker::{ClockReport, Outcome};
use crate::sip::agent::EndedBy;

/// A finished call.
#[derive(Debug, Clone, Serialize)]
pub struct CallReport {
    /// What was dialled, or who called.
    pub target: String,
    /// Codec agreed on.
    pub codec: Codec,
    /// From the INVITE to the answer, in milliseconds.
    pub setup_ms: u64,
    /// From the answer to the end, in milliseconds.
    pub duration_ms: u64,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// Packets by fate.
    pub frames: StreamCounts,
    /// How the 20 ms tick was kept.
    pub clock: ClockReport,
    /// Recordings played, and the answers.
    pub turns: Vec<TurnReport>,
    /// What was heard, 16 kHz mono, when it was asked for.
    #[serde(skip)]
    pub recording: Option<Clip>,
}

/// One recording played and the answer to it. Instants are monotonic; milliseconds count from the answer to the call.
#[derive(Debug, Clone, Serialize)]
pub struct TurnReport {
    /// Name of the recording.
    pub played: String,
    /// When the packet with the last spoken sample left.
    pub spoken_ms: Option<u64>,
    /// From there to the arrival of the packet with the first audible sample of the reply, before the jitter buffer.
    pub reply_arrived_ms: Option<u64>,
    /// From there to that sample at the ear, after the jitter buffer.
    pub reply_at_ear_ms: Option<u64>,
    /// From there to the end of the reply.
    pub reply_ended_ms: Option<u64>,
    /// The same as instants.
    #[serde(skip)]
    pub turn: Turn,
}

impl TurnReport {
    fn new(turn: Turn, connected: Instant) -> Self {
        let since = |start: Instant, end: Instant| end.saturating_duration_since(start).as_millis() as u64;
        let after = |at: Option<Instant>| Some(since(turn.spoken_at?, at?));
        Self {
            played: turn.played.clone(),
            spoken_ms: turn.spoken_at.map(|at| since(connected, at)),
            reply_arrived_ms: after(turn.reply.map(|reply| reply.arrived)),
            reply_at_ear_ms: after(turn.reply.map(|reply| reply.heard)),
            reply_ended_ms: after(turn.reply_ended),
            turn,
        }
    }
}

/// The instants of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) dialled: Instant,
    pub(crate) connected: Instant,
    pub(crate) ended: Instant,
}

impl CallReport {
    pub(crate) fn new(
        target: String,
        codec: Codec,
        times: Times,
        ended_by: EndedBy,
        outcome: Outcome,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            target,
            codec,
            setup_ms: times.connected.saturating_duration_since(times.dialled).as_millis() as u64,
            duration_ms: times.ended.saturating_duration_since(times.connected).as_millis() as u64,
            ended_by,
            frames: outcome.counts,
            clock: outcome.clock,
            turns: outcome.turns.into_iter().map(|turn| TurnReport::new(turn, times.connected)).collect(),
            recording: outcome.heard.map(|clip| clip.at_rate(RECORDING_RATE)).transpose()?,
        })
    }
}
