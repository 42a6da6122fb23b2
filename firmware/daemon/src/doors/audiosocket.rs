use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audio_path::audiosocket::CallId;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use super::leg_id;
use super::refusals::Refusals;
use crate::config::{AudioSocket, Caller};
use crate::hub::Hub;
use crate::leg::Line;
use crate::ports::{AudioSocketPort, Port};

/// How long a connection may take to name its call.
const NAMED_WITHIN: Duration = Duration::from_secs(3);
/// Connections that have not named theirs yet.
const MOST_NAMELESS: usize = 32;
/// After a failure of the listener, as when descriptors have run out.
const ACCEPT_ANEW_AFTER: Duration = Duration::from_millis(200);

/// Listens for AudioSocket connections.
pub(crate) struct Door {
    listener: TcpListener,
    calls: Arc<[(CallId, Caller)]>,
    lines: mpsc::Sender<Line>,
}

impl Door {
    pub(super) fn bind(config: &AudioSocket, lines: &mpsc::Sender<Line>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(config.listen)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        log::info!("audiosocket is served at {}", listener.local_addr()?);
        Ok(Self { listener, calls: config.calls.clone().into(), lines: lines.clone() })
    }

    pub(super) async fn serve(&self, hub: &Arc<Hub>) {
        let refusals = Arc::new(Mutex::new(Refusals::at("audiosocket")));
        let nameless = Arc::new(Semaphore::new(MOST_NAMELESS));
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    // Whoever finds no place is closed; those who are waited for have theirs for three seconds.
                    let Ok(place) = Arc::clone(&nameless).try_acquire_owned() else {
                        add(&refusals, hub, from, "too many connections name no call");
                        continue;
                    };
                    let (calls, lines) = (Arc::clone(&self.calls), self.lines.clone());
                    let (refusals, hub) = (Arc::clone(&refusals), Arc::clone(hub));
                    tokio::spawn(async move {
                        if let Err(reason) = greet(stream, from, &calls, &lines).await {
                            add(&refusals, &hub, from, reason);
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    log::warn!("audiosocket takes no connection: {error}");
                    sleep(ACCEPT_ANEW_AFTER).await;
                }
            }
        }
    }
}

fn add(refusals: &Mutex<Refusals>, hub: &Hub, from: SocketAddr, reason: &str) {
    // Each change is a single step, so a panic elsewhere leaves it whole.
    refusals.lock().unwrap_or_else(PoisonError::into_inner).add(hub, from, reason);
}

/// Hands the connection over, where it names a call that there is.
///
/// # Errors
/// Why it is not one of ours.
async fn greet(
    mut stream: TcpStream,
    from: SocketAddr,
    calls: &[(CallId, Caller)],
    lines: &mpsc::Sender<Line>,
) -> Result<(), &'static str> {
    let mut message = [0; CallId::MESSAGE_BYTES];
    let named = timeout(NAMED_WITHIN, stream.read_exact(&mut message)).await;
    named.ok().and_then(Result::ok).ok_or("it names no call within three seconds")?;
    let id = CallId::read(&message).ok_or("it does not speak AudioSocket")?;
    let known = calls.iter().find(|(known, _)| *known == id);
    let (_, caller) = known.ok_or("it names a call that is not among [[audiosocket.call]]")?;
    match port(stream) {
        Ok(port) => {
            let (line, _over) = Line::given(leg_id(&caller.extension, "audiosocket"), caller, port);
            // It is there as long as the daemon serves.
            let _switchboard = lines.send(line).await;
        }
        Err(error) => log::warn!("audiosocket: {from}: {error}"),
    }
    Ok(())
}

fn port(stream: TcpStream) -> io::Result<Port> {
    stream.set_nodelay(true)?;
    let socket = stream.into_std()?.into();
    Ok(Port::AudioSocket(Box::new(AudioSocketPort::new(socket)?)))
}
