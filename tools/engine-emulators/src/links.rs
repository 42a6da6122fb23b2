//! What the ways to the services are like.

use std::sync::Arc;
use std::time::Duration;

use engine_emulators::{Relay, Weather};
use tokio::time::sleep;

/// What is wrong with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// From then on connections stay open, and all that is sent on them is lost.
    HalfOpen(Duration),
    /// So long nothing passes, so often.
    Flap { down: Duration, every: Duration },
    /// The next connection that carries audio is reset when it is so old.
    Reset(Duration),
}

impl Link {
    /// Reads `half-open=SECONDS`, `flap=DOWN/EVERY` or `reset=MS`.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let advice = || format!("{text} is no link: write half-open=SECONDS, flap=DOWN/EVERY or reset=MS");
        let (name, value) = text.split_once('=').ok_or_else(advice)?;
        let number = |value: &str| value.parse::<u32>().map_err(|_| advice());
        let seconds = |value: &str| number(value).map(|number| Duration::from_secs(number.into()));
        match name {
            "half-open" => Ok(Self::HalfOpen(seconds(value)?)),
            "flap" => {
                let (down, every) = value.split_once('/').ok_or_else(advice)?;
                let (down, every) = (seconds(down)?, seconds(every)?);
                if down < every { Ok(Self::Flap { down, every }) } else { Err(advice()) }
            }
            "reset" => Ok(Self::Reset(Duration::from_millis(number(value)?.into()))),
            _ => Err(advice()),
        }
    }

    /// Makes it so, from now on.
    pub(crate) fn befall(self, relay: &Arc<Relay>) {
        let relay = Arc::clone(relay);
        match self {
            Self::Reset(age) => relay.cut_after(age),
            Self::HalfOpen(after) => {
                tokio::spawn(async move {
                    sleep(after).await;
                    relay.set(Weather::Swallows);
                });
            }
            Self::Flap { down, every } => {
                tokio::spawn(async move {
                    loop {
                        sleep(every.saturating_sub(down)).await;
                        relay.set(Weather::Down);
                        sleep(down).await;
                        relay.set(Weather::Good);
                    }
                });
            }
        }
    }
}
