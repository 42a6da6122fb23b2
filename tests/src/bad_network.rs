//! A network that loses, delays and reorders datagrams, by a seed: a relay before an RTP port, and one before a SIP
//! server that takes the calls' speech over itself. This machine's kernel has no such network.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fastrand::Rng;

const MOST_BYTES: usize = 65_535;
/// How long a thread may sleep that has nothing to pass on.
const AWHILE: Duration = Duration::from_millis(10);

/// How bad it is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Of a thousand datagrams so many are lost.
    pub lost_of_1000: u32,
    /// Each takes a time of its own, up to this.
    pub delay_at_most: Duration,
    /// Decides which.
    pub seed: u64,
}

/// What became of one direction's datagrams.
#[derive(Debug, Default)]
pub struct Passage {
    passed: AtomicU64,
    lost: AtomicU64,
    overtaken: AtomicU64,
}

impl Passage {
    /// Those that arrived.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Those that never did.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Those that arrived after one that was sent later.
    pub fn overtaken(&self) -> u64 {
        self.overtaken.load(Ordering::Relaxed)
    }
}

/// A relay of datagrams between a caller and a server.
#[derive(Debug)]
pub struct BadNetwork {
    /// Where the caller finds the server.
    pub near: SocketAddr,
    /// As whom the server sees the caller.
    pub far: SocketAddr,
    /// From the caller to the server.
    pub there: Arc<Passage>,
    /// From the server to the caller.
    pub back: Arc<Passage>,
    caller: Peer,
    server: Peer,
    ends: Ends,
}

type Peer = Arc<Mutex<Option<SocketAddr>>>;

/// Threads that end with their owner.
#[derive(Debug, Default)]
struct Ends {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap_or_default());
    }
}

impl BadNetwork {
    /// Before the server there; the caller is whoever sends first.
    ///
    /// # Panics
    /// Where there is no port.
    pub fn before(server: SocketAddr, weather: Weather) -> Self {
        let network = Self::between_strangers(weather);
        set(&network.server, server);
        network
    }

    /// Before nobody yet.
    fn between_strangers(weather: Weather) -> Self {
        let [near, far] = [socket(), socket()];
        let address = |socket: &UdpSocket| socket.local_addr().expect("bound");
        let mut network = Self {
            near: address(&near),
            far: address(&far),
            there: Arc::default(),
            back: Arc::default(),
            caller: Peer::default(),
            server: Peer::default(),
            ends: Ends::default(),
        };
        let way =
            |from: &UdpSocket, to: &UdpSocket, sender: &Peer, receiver: &Peer, passage: &Arc<Passage>| {
                let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                let (sender, receiver) = (Arc::clone(sender), Arc::clone(receiver));
                let (passage, over) = (Arc::clone(passage), Arc::clone(&network.ends.over));
                Way { from, to, sender, receiver, passage, weather, over }
            };
        let Self { there, back, caller, server, .. } = &network;
        let ways = [way(&near, &far, caller, server, there), way(&far, &near, server, caller, back)];
        network.ends.threads = ways.map(|way| thread::spawn(move || way.carry())).into();
        network
    }
}

/// One direction.
struct Way {
    from: UdpSocket,
    to: UdpSocket,
    /// Learnt from the first datagram where it is not known.
    sender: Peer,
    receiver: Peer,
    passage: Arc<Passage>,
    weather: Weather,
    over: Arc<AtomicBool>,
}

impl Way {
    fn carry(self) {
        let mut random = Rng::with_seed(self.weather.seed);
        let mut under_way = BinaryHeap::new();
        let (mut number, mut latest) = (0_u64, 0);
        let mut buffer = vec![0; MOST_BYTES];
        while !self.over.load(Ordering::Relaxed) {
            let next = under_way.peek().map(|Reverse((due, ..)): &Reverse<(Instant, u64, Vec<u8>)>| *due);
            let wait = next.map_or(AWHILE, |due| due.saturating_duration_since(Instant::now()).min(AWHILE));
            self.from.set_read_timeout(Some(wait.max(Duration::from_micros(200)))).expect("a timeout");
            if let Ok((length, from)) = self.from.recv_from(&mut buffer) {
                self.sender.lock().expect("a peer").get_or_insert(from);
                number += 1;
                if random.u32(0..1_000) < self.weather.lost_of_1000 {
                    self.passage.lost.fetch_add(1, Ordering::Relaxed);
                } else {
                    let due = Instant::now() + self.weather.delay_at_most.mul_f64(random.f64());
                    under_way.push(Reverse((due, number, buffer[..length].to_vec())));
                }
            }
            while under_way.peek().is_some_and(|Reverse((due, ..))| *due <= Instant::now()) {
                let Some(Reverse((_, number, bytes))) = under_way.pop() else { break };
                self.pass(&bytes, number < latest);
                latest = latest.max(number);
            }
        }
    }

    fn pass(&self, bytes: &[u8], is_overtaken: bool) {
        let Some(receiver) = *self.receiver.lock().expect("a peer") else { return };
        // Who hung up has closed his port.
        if self.to.send_to(bytes, receiver).is_ok() {
            self.passage.passed.fetch_add(1, Ordering::Relaxed);
            self.passage.overtaken.fetch_add(is_overtaken.into(), Ordering::Relaxed);
        }
    }
}

/// A SIP server as it is seen from behind a bad network, by one caller: signalling passes, what his call says goes
/// through [`Self::speech`].
#[derive(Debug)]
pub struct BadNetworkBeforeSip {
    /// Where the caller finds the server.
    pub sip: SocketAddr,
    /// His speech, and what he hears.
    pub speech: Arc<BadNetwork>,
    _ends: Ends,
}

impl BadNetworkBeforeSip {
    /// Before the server there.
    ///
    /// # Panics
    /// Where there is no port.
    pub fn before(server: SocketAddr, weather: Weather) -> Self {
        let speech = Arc::new(BadNetwork::between_strangers(weather));
        let [near, far] = [socket(), socket()];
        far.connect(server).expect("a route");
        let sip = near.local_addr().expect("bound");
        let mut ends = Ends::default();
        let (over, of_call) = (Arc::clone(&ends.over), Arc::clone(&speech));
        ends.threads.push(thread::spawn(move || relay_sip(&near, &far, &of_call, &over)));
        Self { sip, speech, _ends: ends }
    }
}

fn relay_sip(near: &UdpSocket, far: &UdpSocket, speech: &BadNetwork, over: &AtomicBool) {
    let mut buffer = vec![0; MOST_BYTES];
    let mut caller = None;
    for socket in [near, far] {
        socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout");
    }
    while !over.load(Ordering::Relaxed) {
        if let Ok((length, from)) = near.recv_from(&mut buffer) {
            caller = Some(from);
            let message = redirected(&buffer[..length], &speech.caller, speech.far.port());
            far.send(&message).expect("the server is there");
        }
        if let (Ok(length), Some(caller)) = (far.recv(&mut buffer), caller) {
            let message = redirected(&buffer[..length], &speech.server, speech.near.port());
            near.send_to(&message, caller).unwrap_or_default();
        }
    }
}

/// The message with speech wanted at `port`; `peer` is where its sender wants it.
fn redirected(message: &[u8], peer: &Peer, port: u16) -> Vec<u8> {
    const AUDIO: &str = "m=audio ";
    let text = String::from_utf8_lossy(message).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return message.to_vec() };
    let Some((before, rest)) = body.split_once(AUDIO) else { return message.to_vec() };
    let (wanted, rest) = rest.split_once(' ').expect("a port and more");
    set(peer, SocketAddr::from(([127, 0, 0, 1], wanted.parse().expect("a port"))));
    let body = format!("{before}{AUDIO}{port} {rest}");
    let length = |line: &str| {
        let is_length = line.to_ascii_lowercase().starts_with("content-length");
        if is_length { format!("Content-Length: {}", body.len()) } else { line.to_owned() }
    };
    let head: Vec<String> = head.split("\r\n").map(length).collect();
    format!("{}\r\n\r\n{body}", head.join("\r\n")).into_bytes()
}

fn set(peer: &Peer, address: SocketAddr) {
    *peer.lock().expect("a peer") = Some(address);
}

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("a port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_and_late_follows_the_seed() {
        let server = socket();
        server.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        let weather = Weather { lost_of_1000: 100, delay_at_most: Duration::from_millis(20), seed: 7 };
        let network = BadNetwork::before(server.local_addr().expect("bound"), weather);
        let caller = socket();
        for number in 0..200_u32 {
            caller.send_to(&number.to_be_bytes(), network.near).expect("sent");
            thread::sleep(Duration::from_millis(1));
        }
        let (mut bytes, mut heard) = ([0; 4], Vec::new());
        while server.recv(&mut bytes).is_ok() {
            heard.push(u32::from_be_bytes(bytes));
        }
        let mut random = Rng::with_seed(7);
        let kept = (0..200).filter(|_| random.u32(0..1_000) >= 100 && random.f64() >= 0.0);
        let kept: Vec<u32> = kept.collect();
        assert_ne!(heard, kept, "some overtake others");
        heard.sort_unstable();
        assert_eq!(heard, kept);
        let Passage { passed, lost, overtaken } = &*network.there;
        assert_eq!(passed.load(Ordering::Relaxed) + lost.load(Ordering::Relaxed), 200);
        assert!(overtaken.load(Ordering::Relaxed) > 20);
    }

    #[test]
    fn speech_is_sent_elsewhere_and_the_length_is_true() {
        let peer = Peer::default();
        let message = b"INVITE x SIP/2.0\r\nContent-Length: 40\r\n\r\nv=0\r\nm=audio 4000 RTP/AVP 0\r\n";
        let text = String::from_utf8(redirected(message, &peer, 51_234)).expect("text");
        let body = "v=0\r\nm=audio 51234 RTP/AVP 0\r\n";
        assert_eq!(text, format!("INVITE x SIP/2.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        assert_eq!(*peer.lock().unwrap(), Some(([127, 0, 0, 1], 4_000).into()));
        let other = b"BYE x SIP/2.0\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(redirected(other, &peer, 1), other);
    }
}
