//! The line to a sound card, which comes and goes.

use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::hub::Hub;
use crate::ports::{AlsaPort, Port};
use crate::report::Report;
use crate::supervision::end_of;

/// Before the second attempt to open it; each later one waits twice as long as the one before.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Between attempts to open one that stays away.
const TRY_AT_LEAST_EVERY: Duration = Duration::from_secs(5);
/// One that stayed for so long is tried at once when it is gone; a loose contact is not.
const STEADY_AFTER: Duration = Duration::from_secs(3);

/// A sound card, by its ALSA name.
#[derive(Debug)]
pub(super) struct SoundCard {
    device: String,
    tries: Mutex<Tries>,
}

#[derive(Debug, Default)]
struct Tries {
    /// Before the next one.
    pause: Duration,
    /// What was said of it last.
    said: String,
    /// Since when it is there, and what its thread will say of its end.
    there: Option<(Instant, oneshot::Receiver<String>)>,
}

impl SoundCard {
    pub(super) fn new(device: &str) -> Self {
        Self { device: device.to_owned(), tries: Mutex::default() }
    }

    /// Tries until it is there, less and less often.
    pub(super) async fn open(&self, hub: &Hub) -> Port {
        let mut tries = self.tries.lock().await;
        loop {
            sleep(tries.pause).await;
            tries.pause = (tries.pause * 2).clamp(TRY_AGAIN_AFTER, TRY_AT_LEAST_EVERY);
            let device = self.device.clone();
            let (gone, why) = oneshot::channel();
            let reason = match spawn_blocking(move || AlsaPort::open(&device, gone)).await {
                Ok(Ok(card)) => {
                    tries.there = Some((Instant::now(), why));
                    return Port::Alsa(card);
                }
                Ok(Err(reason)) => reason,
                Err(error) => end_of(&error).to_owned(),
            };
            tries.say(hub, format!("no sound card: {reason}"));
        }
    }

    /// Waits until it is gone, and says why.
    pub(super) async fn keep(&self, hub: &Hub) {
        let mut tries = self.tries.lock().await;
        let Some((since, why)) = tries.there.as_mut() else { return };
        let reason = why.await.unwrap_or_else(|_| "its thread ended".to_owned());
        if since.elapsed() >= STEADY_AFTER {
            (tries.pause, tries.said) = (Duration::ZERO, String::new());
        }
        tries.say(hub, format!("the sound card is gone: {reason}"));
    }
}

impl Tries {
    /// Once, however often it is so.
    fn say(&mut self, hub: &Hub, what: String) {
        if what != self.said {
            log::warn!("{what}");
            hub.tell(&Report::error("alsa", &what));
            self.said = what;
        }
    }
}
