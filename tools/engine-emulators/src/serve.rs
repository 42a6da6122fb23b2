//! Starting and stopping a server on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::{Delay, Delays, Script, Tally, Voices};

/// What the connections of one emulator share.
#[derive(Debug)]
pub struct World {
    /// The key that clients must bring.
    pub key: String,
    /// Who hears, translates and speaks.
    pub voices: Voices,
    /// How long that takes at least.
    pub delays: Delays,
    /// What goes wrong.
    pub script: Script,
    /// What was seen.
    pub tally: Tally,
    random: Mutex<fastrand::Rng>,
}

impl World {
    /// A world where nothing goes wrong; `seed` decides the drawn delays.
    pub fn new(key: &str, voices: Voices, delays: Delays, seed: u64) -> Self {
        Self {
            key: key.to_owned(),
            voices,
            delays,
            script: Script::default(),
            tally: Tally::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// Draws one of [`World::delays`].
    pub fn draw(&self, delay: Delay) -> Duration {
        delay.draw(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A running server. Dropping it ends it and all its connections.
#[derive(Debug)]
pub struct Emulator {
    /// Where it listens.
    pub address: SocketAddr,
    /// What its connections share.
    pub world: Arc<World>,
    task: JoinHandle<()>,
}

impl Emulator {
    /// Serves `router` on a loopback port, 0 for a free one, until dropped.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(router: Router, world: Arc<World>, port: u16) -> Result<Self> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(wanted)
            .await
            .with_context(|| format!("cannot listen on {wanted}: is it in use?"))?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                log::error!("{address} is no longer served: {error}");
            }
        });
        Ok(Self { address, world, task })
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
