//! Starting and stopping a server on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::http::Connection;
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
    ended: watch::Sender<()>,
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
            ended: watch::Sender::new(()),
        }
    }

    /// Draws one of [`World::delays`].
    pub fn draw(&self, delay: Delay) -> Duration {
        delay.draw(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A streaming connection begins.
    pub fn connect(self: &Arc<Self>) -> OpenConnection {
        self.tally.count(|counts| {
            counts.connections += 1;
            counts.open += 1;
        });
        OpenConnection { world: Arc::clone(self), ended: self.ended.subscribe() }
    }
}

/// A streaming connection, counted as open until dropped.
#[derive(Debug)]
pub struct OpenConnection {
    /// What it shares with the others.
    pub world: Arc<World>,
    ended: watch::Receiver<()>,
}

impl OpenConnection {
    /// Whether the session, which `listens` to its client, is over before the emulator.
    pub(crate) async fn outlives(&mut self, listens: impl Future<Output = Result<(), axum::Error>>) -> bool {
        tokio::select! {
            () = self.ended() => false,
            done = listens => {
                if let Err(gone) = done {
                    log::debug!("the client is gone: {gone}");
                }
                true
            }
        }
    }

    /// Comes when the emulator is dropped: an upgraded connection is no part of the server and must end itself.
    pub async fn ended(&mut self) {
        // Fails when the world is gone, and it is ours.
        self.ended.changed().await.unwrap_or_default();
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.world.tally.count(|counts| counts.open -= 1);
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
        let mut ended = world.ended.subscribe();
        // Its connections are tasks of their own: they end once they have answered.
        let ended = async move { ended.changed().await.unwrap_or_default() };
        let task = tokio::spawn(async move {
            let service = router.into_make_service_with_connect_info::<Connection>();
            if let Err(error) = axum::serve(Prompt(listener), service).with_graceful_shutdown(ended).await {
                log::error!("{address} is no longer served: {error}");
            }
        });
        Ok(Self { address, world, task })
    }
}

impl Emulator {
    /// Ends it and all its connections, as dropping it does.
    pub fn end(&self) {
        self.task.abort();
        self.world.ended.send_replace(());
    }
}

/// Its connections send small messages at once: one that waits for the other's acknowledgement would be measured as
/// a service's delay.
pub(crate) struct Prompt(TcpListener);

impl Listener for Prompt {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let accepted = Listener::accept(&mut self.0).await;
        if let Err(error) = accepted.0.set_nodelay(true) {
            log::warn!("a connection may be late: {error}");
        }
        accepted
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.end();
    }
}
