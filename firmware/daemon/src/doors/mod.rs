//! Where calls come in that do not come through the channel driver's pipes.
//!
//! A door waits for one off the media thread, opens the [`crate::ports::Port`] and hands it over as a [`Line`].

mod audiosocket;
mod refusals;
mod rtp;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::config::Ports;
use crate::hub::Hub;
use crate::leg::Line;

/// Lines that may wait for the switchboard.
const MOST_LINES: usize = 64;

/// Where calls come in one way.
pub(crate) enum Door {
    AudioSocket(audiosocket::Door),
    Rtp(rtp::Door),
}

impl Door {
    /// Hands calls over, for ever.
    pub(crate) async fn serve(&self, hub: &Arc<Hub>) {
        match self {
            Self::AudioSocket(door) => door.serve(hub).await,
            Self::Rtp(door) => door.serve(hub).await,
        }
    }
}

/// Opens all doors that are configured, to be served. Must be called within a tokio runtime.
///
/// # Errors
/// One line that names the key of the configuration and what is wrong with its address.
pub(crate) fn open(ports: &Ports) -> Result<(Vec<Door>, mpsc::Receiver<Line>), String> {
    let (lines, receiver) = mpsc::channel(MOST_LINES);
    let mut doors = Vec::new();
    if let Some(config) = &ports.audiosocket {
        let door = audiosocket::Door::bind(config, &lines)
            .map_err(|error| format!("audiosocket.listen {}: {error}", config.listen))?;
        doors.push(Door::AudioSocket(door));
    }
    for config in &ports.rtp {
        let door = rtp::Door::bind(config, &lines)
            .map_err(|error| format!("rtp.listen {}: {error}", config.listen))?;
        doors.push(Door::Rtp(door));
    }
    if let Some(card) = &ports.alsa {
        let line = Line::of_card(leg_id(&card.caller.extension, "alsa"), &card.caller, &card.device);
        lines.try_send(line).map_err(|error| format!("alsa: {error}"))?;
    }
    Ok((doors, receiver))
}

/// A leg's id, which no other leg of this run has.
fn leg_id(extension: &str, door: &str) -> String {
    static CALLS: AtomicU64 = AtomicU64::new(1);
    format!("{extension}-{door}.{}", CALLS.fetch_add(1, Ordering::Relaxed))
}
