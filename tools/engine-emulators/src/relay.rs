//! A link between a client and a server that can be cut, frozen and held up.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Half of a text message of a server.
const HALF_A_FRAME: &[u8] = b"\x81\x7e\x01\x00{\"type\":\"Resu";
/// The first byte of a server's goodbye.
const GOODBYE: u8 = 0x88;
/// A connection that brought more than this carried audio.
const UPGRADE_BYTES: usize = 4_000;

/// How the link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// All passes.
    Good,
    /// Connections stay open, and all that is sent on them is lost.
    Swallows,
    /// All that is sent comes once it is good again, as it does where packets were lost.
    Down,
}

/// What became of one connection that carried audio.
#[derive(Clone, Copy, Debug)]
struct Connection {
    accepted: Instant,
    /// When it broke: it was cut here, or the server said goodbye.
    broke: Option<Instant>,
}

/// A message that carries a frame is no shorter.
const AUDIO_BYTES: usize = 640;

#[derive(Debug, Default)]
struct Log {
    /// A connection that carries audio is reset when it is so old, in the middle of a message to the daemon.
    cuts: VecDeque<Duration>,
    resets: usize,
    connections: Vec<Connection>,
    audio: Vec<(Instant, Began)>,
}

/// The link. It lasts as long as its runtime.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    weather: watch::Sender<Weather>,
    hangups: watch::Sender<()>,
    log: Arc<Mutex<Log>>,
}

impl Relay {
    /// Passes on to `server` what comes to a loopback port, 0 for a free one.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(server: SocketAddr, port: u16) -> Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), server).await
    }

    /// The same to an address of this machine.
    ///
    /// # Errors
    /// When the port is taken, or the address is another machine's.
    pub async fn start_at(wanted: SocketAddr, server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(wanted)
            .await
            .with_context(|| format!("cannot listen on {wanted}: is it in use?"))?;
        let address = listener.local_addr()?;
        let (weather, told) = watch::channel(Weather::Good);
        let log = Arc::new(Mutex::new(Log::default()));
        let shared = Arc::clone(&log);
        let hangups = watch::Sender::new(());
        let hung_up = hangups.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (told, log) = (told.clone(), Arc::clone(&shared));
                let hangups = hung_up.subscribe();
                tokio::spawn(async move {
                    match TcpStream::connect(server).await {
                        Ok(server) => Pass::new(client, server, told, hangups, log).run().await,
                        Err(error) => log::warn!("{server} is not reached: {error}"),
                    }
                });
            }
        });
        Ok(Self { address, weather, hangups, log })
    }

    /// From now on it is so.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Whoever is connected now is hung up on.
    pub fn hang_up(&self) {
        self.hangups.send_replace(());
    }

    /// The next connection that carries audio at this age is reset then.
    pub fn cut_after(&self, age: Duration) {
        lock(&self.log).cuts.push_back(age);
    }

    /// Connections that were reset as wished.
    pub fn resets(&self) -> usize {
        lock(&self.log).resets
    }

    /// When connections that carried audio broke, and which.
    pub fn broken(&self) -> Vec<(Instant, Began)> {
        let log = lock(&self.log);
        log.connections.iter().filter_map(|one| Some((one.broke?, Began(one.accepted)))).collect()
    }

    /// When audio came, and by which connection.
    pub fn audio(&self) -> Vec<(Instant, Began)> {
        lock(&self.log).audio.clone()
    }
}

/// By when it began a connection is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Began(Instant);

/// One connection.
struct Pass {
    client: TcpStream,
    server: TcpStream,
    weather: watch::Receiver<Weather>,
    hangups: watch::Receiver<()>,
    log: Arc<Mutex<Log>>,
    accepted: Instant,
    /// In the log.
    place: Option<usize>,
    sent: usize,
}

impl Pass {
    fn new(
        client: TcpStream,
        server: TcpStream,
        weather: watch::Receiver<Weather>,
        hangups: watch::Receiver<()>,
        log: Arc<Mutex<Log>>,
    ) -> Self {
        for stream in [&client, &server] {
            if let Err(error) = stream.set_nodelay(true) {
                log::warn!("a connection may be late: {error}");
            }
        }
        Self { client, server, weather, hangups, log, accepted: Instant::now(), place: None, sent: 0 }
    }

    async fn run(mut self) {
        let mut hangups = self.hangups.clone();
        // Also while nothing passes.
        tokio::select! {
            () = self.pass_on() => {}
            () = hung_up(&mut hangups) => {}
        }
    }

    /// One that carries audio is remembered from then on.
    fn count(&mut self, read: usize) {
        if read >= AUDIO_BYTES {
            lock(&self.log).audio.push((Instant::now(), Began(self.accepted)));
        }
        let carried = self.sent > UPGRADE_BYTES;
        self.sent += read;
        if !carried && self.sent > UPGRADE_BYTES {
            let mut log = lock(&self.log);
            log.connections.push(Connection { accepted: self.accepted, broke: None });
            self.place = Some(log.connections.len() - 1);
        }
    }

    fn broke(&self) {
        if let Some(place) = self.place {
            lock(&self.log).connections[place].broke = Some(Instant::now());
        }
    }

    async fn pass_on(&mut self) {
        let (mut up, mut down) = (vec![0; 64 << 10], vec![0; 64 << 10]);
        loop {
            tokio::select! {
                read = self.client.read(&mut up) => {
                    let Ok(read @ 1..) = read else { return };
                    self.count(read);
                    // While nobody speaks nobody needs another line at once.
                    if read >= AUDIO_BYTES && self.is_cut() {
                        return self.reset().await;
                    }
                    if self.arrives().await && self.server.write_all(&up[..read]).await.is_err() {
                        return;
                    }
                }
                read = self.server.read(&mut down) => {
                    let Ok(read @ 1..) = read else { return };
                    if down[0] == GOODBYE {
                        self.broke();
                    }
                    if self.arrives().await && self.client.write_all(&down[..read]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Whether what was sent arrives, once it does.
    async fn arrives(&mut self) -> bool {
        let weather = self.weather.wait_for(|weather| *weather != Weather::Down).await;
        weather.is_ok_and(|weather| *weather == Weather::Good)
    }

    fn is_cut(&self) -> bool {
        let mut log = lock(&self.log);
        let age = self.accepted.elapsed();
        let due = self.sent > UPGRADE_BYTES && log.cuts.front().is_some_and(|due| age >= *due);
        if due {
            log.cuts.pop_front();
            log.resets += 1;
        }
        due
    }

    async fn reset(&mut self) {
        // It may be gone by itself.
        let _gone = self.client.write_all(HALF_A_FRAME).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        if let Err(error) = self.client.set_zero_linger() {
            log::warn!("a connection is closed and not reset: {error}");
        }
        self.broke();
    }
}

async fn hung_up(hangups: &mut watch::Receiver<()>) {
    // Where nobody holds the line any more it ends, too.
    hangups.changed().await.unwrap_or_default();
}

fn lock(log: &Mutex<Log>) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
