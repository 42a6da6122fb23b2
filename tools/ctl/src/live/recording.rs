use std::fmt::{self, Write};

use serde::Deserialize;

/// What the daemon tells of its recorder.
#[derive(Deserialize)]
pub(super) struct Recording {
    on: bool,
    running: u64,
    kept: u64,
    bytes: u64,
    most_bytes: Option<u64>,
    lost_frames: u64,
    fault: Option<String>,
}

impl Recording {
    pub(super) fn write(&self, f: &mut impl Write) -> fmt::Result {
        let Self { running, kept, lost_frames, .. } = self;
        if self.on {
            let of = self.most_bytes.map_or_else(String::new, |most| format!(" of {} MiB", most >> 20));
            writeln!(f, "  {running} under way, {kept} kept, {} MiB{of}", self.bytes >> 20)?;
        }
        if *lost_frames > 0 {
            writeln!(f, "  {lost_frames} frames are in no recording")?;
        }
        self.fault.iter().try_for_each(|fault| writeln!(f, "  not all calls are recorded: {fault}"))
    }
}
