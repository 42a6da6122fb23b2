//! The cores of crate `engines` against the emulator of Deepgram, with recorded human speech and scripted texts.

use std::sync::Arc;
use std::time::Duration;

use engine_emulators::{Delay, Delays, Emulator, Fault, Voices, World, deepgram};
use engines::asr::{Heard, Word, deepgram_flux as flux, deepgram_listen as listen};
use engines::tts::{Spoken, deepgram_aura as aura};
use engines::websocket::{Handshake, Message};
use engines::{Failure, FailureKind};
use futures_util::{SinkExt, StreamExt};
use lab::cache::Cache;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

const KEY: &str = "the-key";
const TEXT: &str = "The ten of clubs.";
/// 20 ms.
const FRAME: usize = 320;
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const MS: fn(u64) -> Duration = Duration::from_millis;

/// A sentence as somebody read it, 16 kHz.
fn recording() -> Vec<i16> {
    let cache = Cache::locate().expect("a cache");
    let all = lab::speech::english(&cache).expect("speech: run `cargo xtask setup`");
    let cards = all.iter().find(|utterance| utterance.text == "ten of clubs").expect("playing cards");
    let mut wav = hound::WavReader::open(&cards.wav).expect("a recording");
    let samples = wav.samples::<i16>().map(|sample| sample.expect("samples"));
    // Before that is noise, which may be taken for voice or not.
    samples.skip(16_000 / 5).collect()
}

async fn emulator(heard: &[&str], delays: Delays) -> Emulator {
    let voices = Voices::scripted(heard.iter().copied(), []);
    deepgram::start(Arc::new(World::new(KEY, voices, delays, 1)), 0).await.expect("a free port")
}

/// Text that cannot be a client's: no core makes it.
fn raw(text: &str) -> Message {
    Message::Text(text.to_owned())
}

/// A connection, and how it ended.
struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    closed: Option<(u16, String)>,
}

impl Client {
    async fn connect(handshake: Handshake) -> Result<Self, Error> {
        let mut request = handshake.url.into_client_request()?;
        for (name, value) in handshake.headers {
            request.headers_mut().insert(name, value.parse().expect("a header"));
        }
        let config = WebSocketConfig::default().max_message_size(Some(1 << 20)).max_frame_size(Some(1 << 20));
        let (socket, _) = connect_async_with_config(request, Some(config), true).await?;
        Ok(Self { socket, closed: None })
    }

    async fn send(&mut self, message: Message) {
        let message = match message {
            Message::Text(text) => tungstenite::Message::text(text),
            Message::Binary(bytes) => tungstenite::Message::binary(bytes),
        };
        // A server that has hung up is noticed when it is listened to.
        drop(self.socket.send(message).await);
    }

    /// The next message; none when the connection has ended.
    async fn next(&mut self) -> Option<Message> {
        loop {
            let next = timeout(ANSWER_WITHIN, self.socket.next()).await.expect("an answer in time");
            match next {
                Some(Ok(tungstenite::Message::Text(text))) => return Some(Message::Text(text.to_string())),
                Some(Ok(tungstenite::Message::Binary(bytes))) => {
                    return Some(Message::Binary(bytes.to_vec()));
                }
                Some(Ok(tungstenite::Message::Close(frame))) => {
                    self.closed = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(_)) => (),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The code and reason with which the server hangs up.
    async fn ending(&mut self) -> (u16, String) {
        while self.next().await.is_some() {}
        self.closed.clone().expect("a close frame")
    }
}

fn base(emulator: &Emulator) -> String {
    format!("ws://{}", emulator.address)
}

fn english(before: Duration) -> listen::Stream {
    listen::Stream::new(listen::Options::new(vec!["en".into()]), before)
}

async fn connect(emulator: &Emulator, stream: &listen::Stream) -> Client {
    Client::connect(stream.handshake(&base(emulator), KEY)).await.expect("a connection")
}

async fn say(client: &mut Client, stream: &mut listen::Stream, samples: &[i16]) {
    for frame in samples.chunks(FRAME) {
        client.send(stream.audio(frame)).await;
    }
}

/// What is heard until `last` comes, or the connection ends.
async fn hear(client: &mut Client, stream: &mut listen::Stream, last: &Heard) -> Vec<Heard> {
    let mut all = Vec::new();
    while !all.contains(last) {
        let Some(message) = client.next().await else { break };
        all.extend(stream.receive(&message).expect("a message that can be read"));
    }
    all
}

fn segments(heard: &[Heard]) -> Vec<&str> {
    let mut texts = Vec::new();
    for heard in heard {
        if let Heard::Segment { text, .. } = heard {
            texts.extend((!text.is_empty()).then_some(text.as_str()));
        }
    }
    texts
}

#[tokio::test]
async fn nova_hears_while_somebody_speaks_and_finishes_when_asked() {
    let delays = Delays { asr: Delay::Fixed(MS(150)), ..Delays::NONE };
    let emulator = emulator(&[TEXT], delays).await;
    let mut stream = english(MS(3_000));
    let mut client = connect(&emulator, &stream).await;
    let speech = recording();
    say(&mut client, &mut stream, &speech).await;
    let asked = Instant::now();
    client.send(stream.finish().expect("something to finish")).await;
    let heard = hear(&mut client, &mut stream, &Heard::Finished).await;
    assert!(asked.elapsed() >= MS(150), "{:?}", asked.elapsed());
    assert_eq!(segments(&heard).concat(), TEXT);
    let guessed = |wanted: &str| {
        heard.iter().position(|heard| matches!(heard, Heard::Interim { text, .. } if text == wanted))
    };
    let (first, second) = (guessed("The"), guessed("The ten"));
    assert!(first.is_some() && first < second, "{heard:?}");
    let length = Duration::from_secs_f64(speech.len() as f64 / 16_000.0);
    assert_eq!(stream.until(), MS(3_000) + length);
    let words = heard.iter().find_map(|heard| match heard {
        Heard::Segment { words, .. } if !words.is_empty() => Some(words),
        _ => None,
    });
    let words = words.expect("words");
    assert!(words.iter().all(|word| word.start >= MS(3_000) && word.end <= stream.until()), "{words:?}");
    assert!(words.windows(2).all(|pair| pair[0].end <= pair[1].start + MS(1)), "{words:?}");
    client.send(stream.close()).await;
    assert_eq!(client.ending().await.0, 1000);
    let counts = emulator.world.tally.read();
    assert_eq!((counts.connections, counts.violations), (1, vec![]));
    assert_eq!(counts.audio_ms, length.as_millis() as u64);
}

#[tokio::test]
async fn pauses_end_turns_and_silence_is_answered() {
    let emulator = emulator(&[TEXT, "Another one."], Delays::NONE).await;
    let mut stream = english(Duration::ZERO);
    let mut client = connect(&emulator, &stream).await;
    let speech = recording();
    let mut heard = Vec::new();
    for _ in 0..2 {
        say(&mut client, &mut stream, &speech).await;
        say(&mut client, &mut stream, &vec![0; 24_000]).await;
        heard.extend(hear(&mut client, &mut stream, &Heard::TurnEnded).await);
    }
    assert_eq!(segments(&heard).join(" "), format!("{TEXT} Another one."));
    let answered = stream.until();
    say(&mut client, &mut stream, &vec![0; 5 * 16_000]).await;
    client.send(stream.finish().expect("silence to finish")).await;
    let silence = hear(&mut client, &mut stream, &Heard::Finished).await;
    assert!(segments(&silence).is_empty() && stream.until() >= answered + MS(5_000), "{silence:?}");
    // The turns were over before the vendor told so a second time.
    assert!(!silence.contains(&Heard::TurnEnded), "{silence:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_loses_no_word() {
    let emulator = emulator(&[TEXT], Delays::NONE).await;
    emulator.world.script.push(Fault::Close { code: 1011, reason: "NET-0000".into(), after: MS(600) });
    let speech = recording();
    let mut stream = english(Duration::ZERO);
    let mut client = connect(&emulator, &stream).await;
    say(&mut client, &mut stream, &speech).await;
    let (code, reason) = client.ending().await;
    assert_eq!(listen::Stream::closed(code, &reason).kind, FailureKind::Down);
    let replay = (stream.until().as_secs_f64() * 16_000.0) as usize;
    let mut stream = english(stream.until());
    let mut client = connect(&emulator, &stream).await;
    say(&mut client, &mut stream, &speech[replay..]).await;
    client.send(stream.finish().expect("something to finish")).await;
    let heard = hear(&mut client, &mut stream, &Heard::Finished).await;
    assert_eq!(segments(&heard).concat(), TEXT);
    assert_eq!(emulator.world.tally.read().connections, 2);
}

/// All words of `speech`, whatever happens to its connections: what is not answered is sent again.
async fn persist(emulator: &Emulator, speech: &[i16]) -> Vec<Word> {
    let (mut words, mut before) = (Vec::new(), Duration::ZERO);
    loop {
        let mut stream = english(before);
        let mut client = connect(emulator, &stream).await;
        let sent = (before.as_secs_f64() * 16_000.0).round() as usize;
        say(&mut client, &mut stream, &speech[sent..]).await;
        let Some(finish) = stream.finish() else { return words };
        client.send(finish).await;
        let heard = hear(&mut client, &mut stream, &Heard::Finished).await;
        let finished = heard.contains(&Heard::Finished);
        for heard in heard {
            if let Heard::Segment { words: more, .. } = heard {
                words.extend(more);
            }
        }
        if finished {
            return words;
        }
        before = stream.until();
    }
}

#[tokio::test]
async fn no_word_is_lost_moved_or_repeated_by_broken_connections() {
    let said = ["One two three.", "Four five six.", "Seven eight nine."];
    let utterance = [recording(), vec![0; 12_000]].concat();
    let speech = utterance.repeat(said.len());
    let expected = persist(&emulator(&said, Delays::NONE).await, &speech).await;
    assert_eq!(expected.len(), 9, "{expected:?}");
    let length = speech.len() as u64 / 16;
    let mut random = fastrand::Rng::with_seed(12);
    let mut broken = 0;
    for _ in 0..120 {
        let emulator = emulator(&said, Delays { asr: Delay::Fixed(MS(1)), ..Delays::NONE }).await;
        for code in [1011, 1006, 1011] {
            let after = MS(random.u64(1..length));
            emulator.world.script.push(Fault::Close { code, reason: "NET-0000".into(), after });
        }
        let words = persist(&emulator, &speech).await;
        let same = |(word, expected): (&Word, &Word)| {
            word.text == expected.text && word.start.abs_diff(expected.start) <= MS(100)
        };
        assert!(words.len() == 9 && words.iter().zip(&expected).all(same), "{words:?}, not {expected:?}");
        broken += emulator.world.tally.read().connections - 1;
    }
    assert!(broken >= 200, "{broken}");
}

#[tokio::test]
async fn finals_that_repeat_or_swap_are_heard_once() {
    for fault in [Fault::RepeatFinals, Fault::SwapFinals] {
        let emulator = emulator(&["One.", "Two.", "Three.", "Four."], Delays::NONE).await;
        emulator.world.script.push(fault.clone());
        let mut stream = english(Duration::ZERO);
        let mut client = connect(&emulator, &stream).await;
        let speech = recording();
        for _ in 0..4 {
            say(&mut client, &mut stream, &speech).await;
            say(&mut client, &mut stream, &vec![0; 16_000]).await;
        }
        client.send(stream.close()).await;
        let heard = hear(&mut client, &mut stream, &Heard::Finished).await;
        let mut once = segments(&heard);
        assert!(stream.dropped() > 0, "{fault:?}: {heard:?}");
        let said = once.len();
        once.dedup();
        assert_eq!(once.len(), said, "{fault:?}: {heard:?}");
        assert!(fault != Fault::RepeatFinals || said == 4, "{heard:?}");
    }
}

async fn refused(handshake: Handshake) -> (u16, Option<String>, String) {
    match Client::connect(handshake).await {
        Err(Error::Http(response)) => {
            let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
            assert!(header("dg-request-id").is_some() && header("dg-error").is_some());
            let body = String::from_utf8_lossy(response.body().as_deref().unwrap_or_default()).into_owned();
            (response.status().as_u16(), header("retry-after").map(str::to_owned), body)
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("let in"),
    }
}

#[tokio::test]
async fn refusals_come_at_the_upgrade() {
    let emulator = emulator(&[], Delays::NONE).await;
    let stream = english(Duration::ZERO);
    let (status, _, body) = refused(stream.handshake(&base(&emulator), "wrong")).await;
    assert_eq!(listen::Stream::refused(status, None).kind, FailureKind::Credential);
    assert!(body.contains("INVALID_AUTH"), "{body}");
    emulator.world.script.push(Fault::Refuse { status: 429, retry_after: Some(7) });
    let (status, retry_after, _) = refused(stream.handshake(&base(&emulator), KEY)).await;
    let failure = listen::Stream::refused(status, retry_after.as_deref());
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::RateLimited, Some(MS(7_000))));
    for bad in ["&endpointing=soon", "&utterance_end_ms=10", "&smart_formats=true"] {
        let mut handshake = stream.handshake(&base(&emulator), KEY);
        handshake.url += bad;
        let (status, _, body) = refused(handshake).await;
        assert!(status == 400 && body.contains("INVALID_QUERY_PARAMETER"), "{bad}: {status} {body}");
    }
    let counts = emulator.world.tally.read();
    assert_eq!((counts.requests, counts.refused, counts.connections), (5, 5, 0));
}

#[tokio::test]
async fn what_the_vendor_does_not_take_is_a_violation() {
    let emulator = emulator(&[], Delays::NONE).await;
    let stream = english(Duration::ZERO);
    let mut client = connect(&emulator, &stream).await;
    client.send(Message::Binary(br#"{"type":"KeepAlive"}"#.to_vec())).await;
    for unknown in ["no JSON", "{\"type\":\"Flush\"}", "[]", "{\"type\":3}"] {
        client.send(raw(unknown)).await;
        let Some(answer) = client.next().await else { panic!("the stream lives") };
        let Err(failure) = english(Duration::ZERO).receive(&answer) else { panic!("{answer:?}") };
        assert!(failure.detail.contains("SchemaError"), "{failure}");
    }
    client.send(Message::Binary(vec![0; 641])).await;
    let (code, reason) = client.ending().await;
    assert_eq!((code, listen::Stream::closed(code, &reason).kind), (1008, FailureKind::Refused));
    assert_eq!(emulator.world.tally.read().violations.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_hung_up_on() {
    let emulator = emulator(&[], Delays::NONE).await;
    let mut stream = english(Duration::ZERO);
    let mut client = connect(&emulator, &stream).await;
    for _ in 0..5 {
        let keep_alive = stream.keep_alive().expect("a message");
        client.send(keep_alive).await;
        tokio::time::sleep(listen::KEEP_ALIVE_EVERY).await;
    }
    let (code, reason) = client.ending().await;
    assert_eq!((code, listen::Stream::closed(code, &reason).kind), (1011, FailureKind::Network));
    assert!(reason.contains("NET-0001"), "{reason}");
    assert_eq!(emulator.world.tally.read().keep_alives, 4);
}

#[tokio::test]
async fn faults_are_met() {
    let emulator = emulator(&[TEXT, TEXT], Delays::NONE).await;
    let speech = recording();
    let script = &emulator.world.script;
    script.push(Fault::Garbage(vec![b"{\"type\":\"Results\",".to_vec()]));
    script.push(Fault::Flood { most: 3 << 20 });
    script.push(Fault::Late(MS(700)));

    let mut stream = english(Duration::ZERO);
    let mut client = connect(&emulator, &stream).await;
    say(&mut client, &mut stream, &speech).await;
    let garbage = client.next().await.expect("garbage");
    assert_eq!(stream.receive(&garbage).expect_err("garbage").kind, FailureKind::Protocol);
    client.send(stream.finish().expect("something to finish")).await;
    let heard = hear(&mut client, &mut stream, &Heard::Finished).await;
    assert_eq!(segments(&heard).concat(), TEXT);

    let mut stream = english(Duration::ZERO);
    let mut client = connect(&emulator, &stream).await;
    say(&mut client, &mut stream, &speech[..speech.len() / 2]).await;
    assert_eq!(client.next().await, None);
    drop(client);

    let mut stream = english(Duration::ZERO);
    let mut client = connect(&emulator, &stream).await;
    say(&mut client, &mut stream, &speech).await;
    let asked = Instant::now();
    client.send(stream.finish().expect("something to finish")).await;
    let heard = hear(&mut client, &mut stream, &Heard::Finished).await;
    assert!(asked.elapsed() >= MS(700) && segments(&heard).concat() == TEXT, "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_service_takes_all_and_answers_nothing() {
    let emulator = emulator(&[TEXT], Delays::NONE).await;
    emulator.world.script.push(Fault::Silence);
    let mut stream = english(Duration::ZERO);
    let mut client = connect(&emulator, &stream).await;
    say(&mut client, &mut stream, &recording()).await;
    client.send(stream.finish().expect("something to finish")).await;
    assert!(timeout(MS(5_000), client.next()).await.is_err());
    assert_eq!(stream.until(), Duration::ZERO);
}

#[tokio::test]
async fn connections_end_with_their_emulator() {
    let emulator = emulator(&[], Delays::NONE).await;
    let world = Arc::clone(&emulator.world);
    let mut client = connect(&emulator, &english(Duration::ZERO)).await;
    assert_eq!(world.tally.read().open, 1);
    drop(emulator);
    assert_eq!(client.next().await, None);
    assert_eq!(world.tally.read().open, 0);
}

#[tokio::test]
async fn flux_takes_turns() {
    let emulator = emulator(&[TEXT, "Another one."], Delays::NONE).await;
    let mut stream = flux::Stream::new(flux::Options::new(vec!["en".into()]), MS(1_000));
    let mut client = Client::connect(stream.handshake(&base(&emulator), KEY)).await.expect("a connection");
    let speech = recording();
    let mut turns = Vec::new();
    for by_itself in [true, false] {
        let silence = if by_itself { 16_000 } else { 0 };
        for frame in [&speech[..], &vec![0; silence]].concat().chunks(FRAME) {
            client.send(stream.audio(frame)).await;
        }
        let last = if by_itself { Heard::TurnEnded } else { Heard::Finished };
        if !by_itself {
            client.send(stream.finish().expect("a turn to end")).await;
        }
        let mut heard = Vec::new();
        while !heard.contains(&last) {
            let message = client.next().await.expect("a message");
            heard.extend(stream.receive(&message).expect("a message that can be read"));
        }
        assert!(heard.iter().any(|heard| matches!(heard, Heard::Interim { .. })), "{heard:?}");
        turns.extend(segments(&heard).into_iter().map(str::to_owned));
    }
    assert_eq!(turns, [TEXT, "Another one."]);
    client.send(raw("{\"type\":\"KeepAlive\"}")).await;
    let failure = loop {
        let message = client.next().await.expect("an error");
        if let Err(failure) = stream.receive(&message) {
            break failure;
        }
    };
    assert_eq!(failure.kind, FailureKind::Refused);
    assert_eq!(emulator.world.tally.read().violations.len(), 1);
}

/// What is said until `last` comes.
async fn listen_to(
    client: &mut Client,
    stream: &mut aura::Stream,
    last: &Spoken,
) -> Result<Vec<Spoken>, Failure> {
    let mut all = Vec::new();
    while !all.contains(last) {
        all.extend(stream.receive(&client.next().await.expect("a message"))?);
    }
    Ok(all)
}

fn milliseconds(spoken: &[Spoken]) -> usize {
    let bytes = spoken.iter().map(|spoken| if let Spoken::Audio(bytes) = spoken { bytes.len() } else { 0 });
    bytes.sum::<usize>() / 32
}

async fn voice(emulator: &Emulator) -> (Client, aura::Stream) {
    let stream = aura::Stream::new(aura::Options::new("aura-2-thalia-en".into()));
    (Client::connect(stream.handshake(&base(emulator), KEY)).await.expect("a connection"), stream)
}

#[tokio::test]
async fn aura_speaks_flushes_and_clears() {
    let delays = Delays { tts: Delay::Fixed(MS(250)), ..Delays::NONE };
    let emulator = emulator(&[], delays).await;
    let (mut client, mut stream) = voice(&emulator).await;
    let asked = Instant::now();
    client.send(stream.speak("Good morning,")).await;
    client.send(stream.speak("dear caller.")).await;
    client.send(stream.flush(MS(0)).expect("a flush")).await;
    let spoken = listen_to(&mut client, &mut stream, &Spoken::Flushed).await.expect("speech");
    assert!(asked.elapsed() >= MS(250));
    // Scripted speech is 50 ms a character.
    assert_eq!(milliseconds(&spoken), "Good morning, dear caller.".len() * 50);

    client.send(stream.speak(&"This is too long to be heard to its end. ".repeat(9))).await;
    client.send(stream.flush(MS(0)).expect("a flush")).await;
    let first = client.next().await.expect("audio");
    assert!(matches!(stream.receive(&first).expect("audio")[..], [Spoken::Audio(_)]));
    client.send(stream.clear()).await;
    let after = listen_to(&mut client, &mut stream, &Spoken::Cleared).await.expect("cleared");
    assert_eq!(after, [Spoken::Cleared]);
    client.send(stream.speak("Yes.")).await;
    client.send(stream.flush(MS(0)).expect("a flush")).await;
    let spoken = listen_to(&mut client, &mut stream, &Spoken::Flushed).await.expect("speech");
    assert_eq!(milliseconds(&spoken), 200);
    client.send(stream.close()).await;
    assert_eq!(client.ending().await.0, 1000);
    assert_eq!(emulator.world.tally.read().violations, Vec::<String>::new());
}

#[tokio::test]
async fn aura_refuses_what_the_vendor_refuses() {
    let emulator = emulator(&[], Delays::NONE).await;
    let (mut client, mut stream) = voice(&emulator).await;
    // A minute by the client's clock alone.
    for n in 0..21 {
        client.send(stream.flush(MS(4_000 * n)).expect("a flush")).await;
    }
    for _ in 0..20 {
        let flushed = listen_to(&mut client, &mut stream, &Spoken::Flushed).await.expect("flushed");
        assert_eq!(flushed, [Spoken::Flushed]);
    }
    let refused = listen_to(&mut client, &mut stream, &Spoken::Flushed).await;
    assert_eq!(refused.expect_err("one too many").kind, FailureKind::RateLimited);
    for (bad, code) in [
        (Message::Binary(vec![0; 2]), 1003),
        (raw("{\"type\":\"speak\"}"), 1008),
        (raw("no JSON"), 1008),
        (stream.speak(&"long ".repeat(500)), 1009),
    ] {
        let (mut client, _) = voice(&emulator).await;
        client.send(bad).await;
        let (closed, reason) = client.ending().await;
        assert_eq!((closed, aura::Stream::closed(closed, &reason).kind), (code, FailureKind::Refused));
    }
    assert_eq!(emulator.world.tally.read().violations.len(), 5);
}

#[tokio::test]
async fn speech_breaks_off_where_it_is_scripted_to() {
    let emulator = emulator(&[], Delays::NONE).await;
    emulator.world.script.push(Fault::Close { code: 1011, reason: "NET-0002".into(), after: MS(500) });
    let (mut client, mut stream) = voice(&emulator).await;
    client.send(stream.speak("A sentence of more than half a second.")).await;
    client.send(stream.flush(MS(0)).expect("a flush")).await;
    let mut spoken = Vec::new();
    while let Some(message) = client.next().await {
        spoken.extend(stream.receive(&message).expect("audio"));
    }
    assert_eq!(milliseconds(&spoken), 500);
    assert_eq!(client.closed, Some((1011, "NET-0002".into())));
}
