use crate::Timestamp;

/// Names a leg for the life of the daemon; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u32);

/// Names one piece of speech played to a leg; unique within the leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u32);

/// Why the media thread did not pass on a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The leg's consumer fell behind and the ring of captured frames was full.
    UplinkFull,
    /// The phone's side did not read and its pipe was full.
    PipeFull,
    /// The phone's side sent faster than real time.
    Flood,
    /// The phone's side was not there.
    PortDown,
    /// The frame belonged to playback that was flushed.
    Flushed,
    /// Audio that had waited in the pipe from before the daemon attached.
    Stale,
    /// The phone's side was ahead of the legs that hear it: the session had the frame, they did not.
    OriginalAhead,
    /// A packet came after its turn.
    Late,
    /// A packet came twice.
    Duplicate,
    /// A packet was given up, so that others are heard sooner.
    Skipped,
    /// A packet never came, or too late.
    Lost,
    /// A packet came from somebody else.
    Stranger,
    /// What came is nothing that the port takes.
    Unfit,
    /// A sound card's clock or its driver lost samples.
    Overrun,
    /// A sound card had no room for what was to be played.
    Unplayed,
}

impl DropReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 15] = [
        Self::UplinkFull,
        Self::PipeFull,
        Self::Flood,
        Self::PortDown,
        Self::Flushed,
        Self::Stale,
        Self::OriginalAhead,
        Self::Late,
        Self::Duplicate,
        Self::Skipped,
        Self::Lost,
        Self::Stranger,
        Self::Unfit,
        Self::Overrun,
        Self::Unplayed,
    ];

    /// The reason as metrics and reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UplinkFull => "uplink_full",
            Self::PipeFull => "pipe_full",
            Self::Flood => "flood",
            Self::PortDown => "port_down",
            Self::Flushed => "flushed",
            Self::Stale => "stale",
            Self::OriginalAhead => "original_ahead",
            Self::Late => "late",
            Self::Duplicate => "duplicate",
            Self::Skipped => "skipped",
            Self::Lost => "lost",
            Self::Stranger => "stranger",
            Self::Unfit => "unfit",
            Self::Overrun => "overrun",
            Self::Unplayed => "unplayed",
        }
    }
}

/// What the media thread tells the rest of the daemon.
#[derive(Clone, Copy, Debug)]
pub struct MediaEvent {
    /// The leg it happened to.
    pub leg: LegId,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub kind: MediaEventKind,
}

/// The kinds of [`MediaEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaEventKind {
    /// The first frame of a segment was written to the port.
    SegmentStarted(SegmentId),
    /// The last frame of a segment was written to the port.
    SegmentEnded(SegmentId),
    /// A side of the port went away; the daemon's port code is to open it again.
    PortDown,
    /// A key of the phone, where the port itself carries keys.
    Key(char),
}
