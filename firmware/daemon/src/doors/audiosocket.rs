use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use audio_path::audiosocket::CallId;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use super::leg_id;
use crate::config::{AudioSocket, Caller};
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

    pub(super) async fn serve(&self) {
        let nameless = Arc::new(Semaphore::new(MOST_NAMELESS));
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    // Whoever finds no place is closed; those who are waited for have theirs for three seconds.
                    let Ok(place) = Arc::clone(&nameless).try_acquire_owned() else { continue };
                    let (calls, lines) = (Arc::clone(&self.calls), self.lines.clone());
                    tokio::spawn(async move {
                        greet(stream, from, &calls, &lines).await;
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

/// Hands the connection over, where it names a call that there is.
async fn greet(
    mut stream: TcpStream,
    from: SocketAddr,
    calls: &[(CallId, Caller)],
    lines: &mpsc::Sender<Line>,
) {
    let mut message = [0; CallId::MESSAGE_BYTES];
    let named = timeout(NAMED_WITHIN, stream.read_exact(&mut message)).await;
    let id = named.ok().and_then(Result::ok).and_then(|_| CallId::read(&message));
    let Some((_, caller)) = calls.iter().find(|(known, _)| Some(*known) == id) else {
        // Never above debug level: anybody could fill the log.
        log::debug!("audiosocket: {from} names no call that is known");
        return;
    };
    match port(stream) {
        Ok(port) => {
            let (line, _over) = Line::given(leg_id(&caller.extension, "audiosocket"), caller, port);
            // It is there as long as the daemon serves.
            let _switchboard = lines.send(line).await;
        }
        Err(error) => log::warn!("audiosocket: {from}: {error}"),
    }
}

fn port(stream: TcpStream) -> io::Result<Port> {
    stream.set_nodelay(true)?;
    let socket = stream.into_std()?.into();
    Ok(Port::AudioSocket(Box::new(AudioSocketPort::new(socket)?)))
}
