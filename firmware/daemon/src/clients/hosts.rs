//! Whether an engine's host takes connections at all, seen beside a request that is silent. Where it takes none, what was sent
//! does not arrive: the network is at fault. Where it does, the engine is slow.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engines::{Failure, FailureKind};
use futures_util::future::select_ok;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, timeout};

/// How long a request may be silent before its host is knocked at.
pub(super) const SILENT_AFTER: Duration = Duration::from_millis(600);
/// How long the host may take to answer that, finding its address included.
pub(super) const KNOCK_DEADLINE: Duration = Duration::from_millis(800);
/// How long a request whose host does not answer may go on then: it is over before any is that another engine comes after.
const LOST_AFTER: Duration = Duration::from_millis(850);
/// Addresses of one name that are tried, side by side.
const MOST_ADDRESSES: usize = 4;
/// Hosts of all engines; a vendor names further ones in his answers.
const MOST_HOSTS: usize = 64;

/// The hosts of all engines that are asked over a network.
#[derive(Default)]
pub(super) struct Hosts(Mutex<HashMap<Place, Arc<Host>>>);

/// One of them, and whether it is being knocked at: by one connection, whoever wants to know.
pub(super) struct Host {
    place: Place,
    knock: Mutex<Option<(JoinHandle<()>, Knock)>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    host: String,
    port: u16,
}

/// A connection that is tried, and nothing sent on it.
#[derive(Clone)]
pub(super) struct Knock {
    place: Place,
    began: Instant,
    outcome: watch::Receiver<Outcome>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is not known yet.
    Open,
    /// Somebody is there.
    Answered,
    /// Nobody is, or the name is not told.
    InVain(String),
}

impl Hosts {
    /// Who is asked at `address`; none where no network lies in between.
    pub(super) fn at(&self, address: &str) -> Option<Arc<Host>> {
        let place = Place::of(address)?;
        // Each change is a single step, so a panic elsewhere leaves it whole.
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MOST_HOSTS && !hosts.contains_key(&place) {
            return None;
        }
        let new = || Arc::new(Host { place: place.clone(), knock: Mutex::default() });
        Some(Arc::clone(hosts.entry(place.clone()).or_insert_with(new)))
    }
}

impl Place {
    fn of(address: &str) -> Option<Self> {
        let url = reqwest::Url::parse(address).ok()?;
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback());
        (!is_here && !host.is_empty()).then_some(Self { host, port: url.port_or_known_default()? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Host {
    /// Begins to knock, if nobody does.
    pub(super) fn knock(&self) -> Knock {
        let mut knock = self.knock.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((task, under_way)) = &*knock
            && !task.is_finished()
        {
            return under_way.clone();
        }
        let (told, outcome) = watch::channel(Outcome::Open);
        let task = tokio::spawn(try_once(self.place.clone(), told));
        let begun = Knock { place: self.place.clone(), began: Instant::now(), outcome };
        *knock = Some((task, begun.clone()));
        begun
    }
}

impl Knock {
    /// Whether somebody was there.
    pub(super) fn is_answered(&self) -> bool {
        *self.outcome.borrow() == Outcome::Answered
    }

    /// What it means for a line or a request that is silent: that the network swallows it, if that is so.
    pub(super) fn verdict(&self) -> Option<Failure> {
        verdict(&self.place, &self.outcome.borrow(), self.began.elapsed())
    }
}

/// A host that did not answer for `waited` is not reached.
fn verdict(place: &Place, outcome: &Outcome, waited: Duration) -> Option<Failure> {
    let swallows =
        |why: &str| format!("the uplink swallows what is sent: not even a connection to {place}{why}");
    let detail = match outcome {
        Outcome::Answered => return None,
        Outcome::Open if waited < KNOCK_DEADLINE => return None,
        Outcome::Open => swallows(""),
        Outcome::InVain(why) => swallows(why),
    };
    Some(Failure::new(FailureKind::Network, detail).unreached().after(SILENT_AFTER + LOST_AFTER))
}

/// Waits for what is `asked`. Once that is `silent` its host is knocked at, and where that is in vain it is given up.
///
/// # Errors
/// That the network swallows it.
pub(super) async fn beside<T>(
    host: Option<&Arc<Host>>,
    silent: impl Future<Output = ()>,
    asked: impl Future<Output = T>,
) -> Result<T, Failure> {
    let Some(host) = host else { return Ok(asked.await) };
    let lost = async {
        silent.await;
        let knock = host.knock();
        sleep(LOST_AFTER).await;
        match knock.verdict() {
            Some(failure) => failure,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        // First, since whoever gives up waiting at about the same time knows less.
        failure = lost => Err(failure),
        done = asked => Ok(done),
    }
}

/// Ends when all that it began is over: a resolver may hang for longer than anybody listens.
async fn try_once(place: Place, told: watch::Sender<Outcome>) {
    let mut resolving = resolve(&place);
    let reached = async {
        let addresses = (&mut resolving).await.map_err(io::Error::other)??;
        let tries = addresses.into_iter().take(MOST_ADDRESSES).map(|to| Box::pin(reach(to)));
        let tries: Vec<_> = tries.collect();
        if tries.is_empty() {
            return Err(io::Error::other("the name has no address"));
        }
        select_ok(tries).await.map(drop)
    };
    told.send_replace(match timeout(KNOCK_DEADLINE, reached).await {
        Ok(Ok(())) => Outcome::Answered,
        Ok(Err(error)) => Outcome::InVain(format!(": {error}")),
        Err(_) => Outcome::InVain(String::new()),
    });
    if !resolving.is_finished() {
        let _nobody_listens = resolving.await;
    }
}

fn resolve(place: &Place) -> JoinHandle<io::Result<Vec<SocketAddr>>> {
    let Place { host, port } = place.clone();
    match host.parse::<IpAddr>() {
        Ok(address) => tokio::spawn(std::future::ready(Ok(vec![(address, port).into()]))),
        Err(_) => spawn_blocking(move || (host, port).to_socket_addrs().map(Iterator::collect)),
    }
}

/// Whoever refuses is there, too.
async fn reach(address: SocketAddr) -> io::Result<()> {
    match TcpStream::connect(address).await {
        Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    fn host(host: &str, port: u16) -> Arc<Host> {
        let place = Place { host: host.into(), port };
        Arc::new(Host { place, knock: Mutex::default() })
    }

    #[test]
    fn a_host_is_where_its_address_says_and_none_is_next_door() {
        let place = |address| Place::of(address).map(|place| place.to_string());
        for (address, at) in [
            ("wss://api.example.com/v1/listen?a=b", "api.example.com:443"),
            ("http://10.0.0.2/v2", "10.0.0.2:80"),
            ("tcp://engines.lan:10300", "engines.lan:10300"),
            ("https://[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ] {
            assert_eq!(place(address).as_deref(), Some(at));
        }
        for address in
            ["unix:///run/speech.sock", "http://127.0.0.1:5000", "ws://localhost:1", "ws://[::1]:1", ""]
        {
            assert_eq!(place(address), None, "{address}");
        }
    }

    #[test]
    fn a_network_is_at_fault_where_nobody_answered_in_time() {
        let place = Place { host: "a".into(), port: 1 };
        let early = KNOCK_DEADLINE / 2;
        for (outcome, waited, swallows) in [
            (Outcome::Open, early, false),
            (Outcome::Open, KNOCK_DEADLINE, true),
            (Outcome::Answered, KNOCK_DEADLINE, false),
            (Outcome::InVain(": no route".into()), early, true),
        ] {
            let verdict = verdict(&place, &outcome, waited);
            assert_eq!(verdict.is_some(), swallows, "{outcome:?}");
            let right = |failure: Failure| {
                // What took so long is not tried again by who can be served elsewhere.
                let is_spent = failure.is_spent && failure.is_unreached;
                is_spent && failure.kind == FailureKind::Network && failure.detail.contains("a:1")
            };
            assert!(verdict.is_none_or(right), "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn who_cannot_be_connected_to_is_given_up_and_who_answers_is_not() {
        let nobody = host("nobody.invalid", 1);
        let began = Instant::now();
        let failure = beside(Some(&nobody), ready(()), pending::<()>()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Network);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!(beside(Some(&nobody), pending(), ready(7)).await, Ok(7));

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let somebody = host("127.0.0.1", port);
        let late = sleep(2 * LOST_AFTER);
        assert_eq!(beside(Some(&somebody), ready(()), late).await, Ok(()), "he is slow");
        drop(listener);
        let late = sleep(2 * LOST_AFTER);
        assert_eq!(beside(Some(&somebody), ready(()), late).await, Ok(()), "his machine refuses");
    }

    #[tokio::test]
    async fn many_who_want_to_know_knock_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = host("127.0.0.1", listener.local_addr().unwrap().port());
        let knocks: Vec<_> = (0..50).map(|_| host.knock()).collect();
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "nothing is sent");
        assert!(timeout(Duration::from_millis(100), listener.accept()).await.is_err());
        assert!(knocks.iter().all(|knock| knock.verdict().is_none()));
    }
}
