use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::leg_id;
use super::refusals::Refusals;
use crate::config::Rtp;
use crate::hub::Hub;
use crate::leg::Line;
use crate::ports::rtp::is_ours;
use crate::ports::{Port, RtpPort};

/// After a failure of the socket.
const LISTEN_ANEW_AFTER: Duration = Duration::from_millis(200);
/// After a call that was refused: who goes on sending is refused once a second.
const DEAF_FOR: Duration = Duration::from_secs(1);
/// What comes meanwhile, and somewhat more.
const DEAF_TO: usize = 4_096;
/// Longer datagrams are none of ours.
const DATAGRAM_BYTES: usize = 2_048;

/// Waits for the first packet of each call at one address.
pub(crate) struct Door {
    socket: UdpSocket,
    config: Rtp,
    lines: mpsc::Sender<Line>,
}

impl Door {
    pub(super) fn bind(config: &Rtp, lines: &mpsc::Sender<Line>) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(config.listen)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UdpSocket::from_std(socket)?, config: config.clone(), lines: lines.clone() })
    }

    pub(super) async fn serve(&self, hub: &Hub) {
        let mut refusals = Refusals::at("rtp");
        loop {
            let call = match self.first_packet(&mut refusals, hub).await {
                Ok(source) => self.answer(source).await,
                Err(error) => Err(error),
            };
            if let Err(error) = call {
                log::warn!("rtp at {}: {error}", self.config.listen);
                sleep(LISTEN_ANEW_AFTER).await;
            }
        }
    }

    /// Leaves the first packet that is ours for the media thread, and discards what comes before it.
    async fn first_packet(&self, refusals: &mut Refusals, hub: &Hub) -> io::Result<SocketAddr> {
        let mut datagram = [0; DATAGRAM_BYTES];
        loop {
            let (length, from) = self.socket.peek_from(&mut datagram).await?;
            if is_ours(&datagram[..length], from, self.config.peer, self.config.codec) {
                return Ok(from);
            }
            refusals.add(hub, from, "no audio of the codec and the peer of this [[rtp]]");
            self.socket.recv_from(&mut datagram).await?;
        }
    }

    /// The call is over when its line is dropped.
    async fn answer(&self, source: SocketAddr) -> io::Result<()> {
        let socket = self.socket.as_fd().try_clone_to_owned()?;
        let port = Port::Rtp(Box::new(RtpPort::new(socket, self.config.codec, source, fastrand::u32(..))));
        let door = format!("rtp.{}", self.config.listen.port());
        let caller = &self.config.caller;
        let (line, over) = Line::given(leg_id(&caller.extension, &door), caller, port);
        let begun = Instant::now();
        if self.lines.send(line).await.is_ok() {
            // Only ever closed.
            let _over = over.await;
        }
        if begun.elapsed() < DEAF_FOR {
            sleep(DEAF_FOR).await;
            self.discard_what_waits();
        }
        Ok(())
    }

    /// Otherwise the packet that was refused would be the first one again.
    fn discard_what_waits(&self) {
        let mut datagram = [0; DATAGRAM_BYTES];
        let waits = |_: &usize| self.socket.try_recv_from(&mut datagram).is_ok();
        (0..DEAF_TO).take_while(waits).for_each(drop);
    }
}
