//! What the emulators of HTTP services share: connections, faults, and speech in small pieces.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep, sleep_until};

use crate::serve::Prompt;
use crate::{Fault, World};

/// Speech is sent in pieces of this length …
pub(crate) const PIECE: Duration = Duration::from_millis(40);
/// … so far apart: four times as fast as it is heard.
pub(crate) const PACE: Duration = Duration::from_millis(10);
const BOMB_MIB: usize = 256;

/// A client's connection; it is open as long as its server holds one of these.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection(Arc<Held>);

#[derive(Debug, Default)]
struct Held {
    under_way: AtomicUsize,
    /// Where it is counted, from its first request on.
    world: OnceLock<Arc<World>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(world) = self.world.get() {
            world.tally.count(|counts| counts.http_open -= 1);
        }
    }
}

impl Connected<IncomingStream<'_, Prompt>> for Connection {
    fn connect_info(_: IncomingStream<'_, Prompt>) -> Self {
        Self::default()
    }
}

/// A request under way on a connection.
#[derive(Debug)]
pub(crate) struct UnderWay(Connection);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The connections of one emulator.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<Vec<Weak<Held>>>);

impl Connections {
    /// A request comes on `connection`, which is needless when it is new and another one is idle: that is counted.
    pub(crate) fn request(&self, world: &Arc<World>, connection: Connection) -> UnderWay {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open: Vec<_> = known.iter().filter_map(Weak::upgrade).collect();
        let is_new = open.iter().all(|other| !Arc::ptr_eq(other, &connection.0));
        let needless = is_new && open.iter().any(|other| other.under_way.load(Ordering::SeqCst) == 0);
        if is_new {
            *known = open.iter().chain([&connection.0]).map(Arc::downgrade).collect();
            connection.0.world.get_or_init(|| Arc::clone(world));
        }
        connection.0.under_way.fetch_add(1, Ordering::SeqCst);
        world.tally.count(|counts| {
            counts.requests += 1;
            counts.http_connections += u64::from(is_new);
            counts.http_open += u64::from(is_new);
            counts.needless_connections += u64::from(needless);
        });
        UnderWay(connection)
    }
}

/// What the answers of a service look like.
pub(crate) struct Looks {
    /// Of a good answer.
    pub(crate) content_type: &'static str,
    /// How a good answer begins, and with what it could go on for ever.
    pub(crate) endless: (&'static [u8], u8),
    /// A scripted refusal.
    pub(crate) refusal: fn(StatusCode) -> Response,
}

/// Lets the scripted fault of this request happen, and tells where its speech is to be cut off.
///
/// # Errors
/// With the answer, when it is not the usual one.
pub(crate) async fn meet(world: &World, looks: &Looks) -> Result<Option<Duration>, Response> {
    match world.script.next() {
        Some(Fault::Refuse { status, retry_after }) => Err(refuse(world, looks, status, retry_after)),
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Late(delay)) => {
            sleep(delay).await;
            Ok(None)
        }
        Some(Fault::Close { after, .. }) => Ok(Some(after)),
        Some(Fault::Garbage(pieces)) => Err(answer(looks.content_type, Body::from(pieces.concat()))),
        Some(Fault::Flood { most }) => Err(answer(looks.content_type, flood(looks.endless, most))),
        Some(Fault::GzipBomb) => {
            let mut response = answer(looks.content_type, bomb(looks.endless));
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Err(response)
        }
        Some(Fault::RepeatFinals | Fault::SwapFinals | Fault::Unanswered) | None => Ok(None),
    }
}

fn refuse(world: &World, looks: &Looks, status: u16, retry_after: Option<u32>) -> Response {
    world.tally.count(|counts| counts.refused += 1);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (looks.refusal)(status);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// A good answer.
pub(crate) fn answer(content_type: &'static str, body: Body) -> Response {
    ([(CONTENT_TYPE, content_type)], body).into_response()
}

fn flood((begin, filler): (&'static [u8], u8), most: u64) -> Body {
    let piece = Bytes::from(vec![filler; 64 << 10]);
    let pieces = most.div_ceil(piece.len() as u64) as usize;
    let begin = std::iter::once(Bytes::from_static(begin));
    let all = begin.chain(std::iter::repeat_n(piece, pieces)).map(Ok::<_, io::Error>);
    Body::from_stream(stream::iter(all))
}

/// Compressed pieces, one after the other, are a compressed whole.
fn bomb((begin, filler): (&'static [u8], u8)) -> Body {
    let piece = Bytes::from(compressed(&vec![filler; 1 << 20]));
    let begin = Bytes::from(compressed(begin));
    let all = std::iter::once(begin).chain(std::iter::repeat_n(piece, BOMB_MIB)).map(Ok::<_, io::Error>);
    Body::from_stream(stream::iter(all))
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    io::Write::write_all(&mut encoder, bytes).and_then(|()| encoder.finish()).unwrap_or_default()
}

/// How many bytes of 16 bit mono are heard in `time`.
pub(crate) fn bytes_in(time: Duration, rate: u32) -> usize {
    (time.as_secs_f64() * f64::from(rate)) as usize * 2
}

/// `head` and then `speech` as it is spoken, not before `begin`; cut off where `cut` says. `kept` is dropped at the end.
pub(crate) fn spoken<K: Send + 'static>(
    head: &'static [u8],
    speech: Vec<u8>,
    rate: u32,
    begin: Instant,
    cut: Option<Duration>,
    kept: K,
) -> Body {
    let piece = bytes_in(PIECE, rate);
    let cut = cut.map(|cut| bytes_in(cut, rate)).filter(|cut| *cut < speech.len());
    let end = cut.unwrap_or(speech.len());
    let mut pieces: Vec<_> = (0..end).step_by(piece).map(|at| Ok(at..(at + piece).min(end))).collect();
    pieces.extend(cut.map(|_| Err(io::ErrorKind::ConnectionReset)));
    let speech = Bytes::from(speech);
    let samples = stream::unfold(
        (pieces.into_iter(), begin.max(Instant::now()), kept),
        move |(mut pieces, due, kept)| {
            let speech = speech.clone();
            async move {
                let next = pieces.next()?;
                sleep_until(due).await;
                let next = next.map(|piece| speech.slice(piece)).map_err(io::Error::from);
                Some((next, (pieces, due + PACE, kept)))
            }
        },
    );
    let head = (!head.is_empty()).then(|| Ok(Bytes::from_static(head)));
    Body::from_stream(stream::iter(head).chain(samples))
}
