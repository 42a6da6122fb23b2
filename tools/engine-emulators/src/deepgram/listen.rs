//! `/v1/listen`: interims while somebody speaks, finals at pauses and on request.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::admission::{Kind, Wishes, admit};
use super::ear::{Ear, Heard, RATE, Window, seconds};
use super::line::{Event, Line, Mouth, Say};
use super::uuid;
use crate::{Fault, Voices, World};

const KNOWN: [(&str, Kind); 32] = [
    ("callback", Kind::Text),
    ("callback_method", Kind::One(&["POST", "GET", "PUT", "DELETE"])),
    ("channels", Kind::One(&["1"])),
    ("detect_entities", Kind::Flag),
    ("diarize", Kind::Flag),
    ("diarize_model", Kind::One(&["latest", "v1"])),
    ("dictation", Kind::Flag),
    ("encoding", Kind::One(&["linear16"])),
    ("endpointing", Kind::Pause),
    ("extra", Kind::Text),
    ("filler_words", Kind::Flag),
    ("interim_results", Kind::Flag),
    ("keyterm", Kind::Text),
    ("keywords", Kind::Text),
    ("language", Kind::Text),
    ("language_hint", Kind::Text),
    ("mip_opt_out", Kind::Flag),
    ("model", Kind::Prefix("nova")),
    ("multichannel", Kind::Flag),
    ("no_delay", Kind::Flag),
    ("numerals", Kind::Flag),
    ("profanity_filter", Kind::Flag),
    ("punctuate", Kind::Flag),
    ("redact", Kind::Text),
    ("replace", Kind::Text),
    ("sample_rate", Kind::Number(8_000.0, 48_000.0)),
    ("search", Kind::Text),
    ("smart_format", Kind::Flag),
    ("tag", Kind::Text),
    ("utterance_end_ms", Kind::Number(1_000.0, 5_000.0)),
    ("vad_events", Kind::Flag),
    ("version", Kind::Text),
];
/// What is told apart where a client asks for several languages: those of the device.
const MULTI: [&str; 6] = ["en", "es", "fr", "de", "it", "pt"];
pub(super) const IDLE_AT_MOST: Duration = Duration::from_secs(10);
pub(super) const IDLE: &str = "NET-0001: Deepgram did not receive audio data or a text message within the timeout window. \
                               See https://dpgr.am/net0001";
pub(super) const NO_AUDIO: &str = "DATA-0000: the payload cannot be decoded as audio";
/// What one look at the audio takes in.
pub(super) const PIECE_MS: u32 = 100;
/// An utterance gives a final at least this often, silence too.
const SPEECH_AT_MOST: u64 = 10 * RATE;
const SILENCE_AT_MOST: u64 = 4 * RATE;
/// Speech on the device is heard anew this often.
pub(super) const HEAR_EVERY: u64 = RATE;

pub(super) async fn upgrade(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
    socket: WebSocketUpgrade,
) -> Response {
    match admit(&world, &headers, query, &KNOWN) {
        Err(refusal) => *refusal,
        Ok((wishes, fault)) => socket.on_upgrade(move |socket| serve(socket, world, wishes, fault)),
    }
}

async fn serve(socket: WebSocket, world: Arc<World>, wishes: Wishes, fault: Option<Fault>) {
    let mut line = Line::open(socket, &world, fault);
    let mut session = Session::new(Arc::clone(&world), &wishes, line.mouth());
    loop {
        match line.next(session.idle).await {
            Event::Gone => break,
            _ if session.closing => (),
            Event::Idle => session.idle(),
            Event::Text(text) => session.text(&text),
            Event::Audio(bytes) => {
                session.binary(&bytes).await;
                if let Some((code, reason)) = line.breaks(session.audio()) {
                    line.hang_up(code, &reason).await;
                    break;
                }
            }
        }
    }
    if let Some(unsaid) = session.ear.unsaid() {
        world.voices.put_back(&unsaid);
    }
}

/// What is answered, in this order.
enum Job {
    Interim(Window),
    Final { window: Window, due: Instant, speech_final: bool, from_finalize: bool },
    Say(Say),
}

struct Session {
    world: Arc<World>,
    ear: Ear,
    jobs: UnboundedSender<Job>,
    id: String,
    piece: usize,
    /// Bytes a second.
    rate: u64,
    received: u64,
    interims: bool,
    vad_events: bool,
    endpointing: Option<u64>,
    utterance_end: Option<u64>,
    /// The end of the last speech, until it was told that its utterance is over.
    last_voice: Option<u64>,
    /// What the last interim was made of: words, or samples.
    guessed: u64,
    idle: Instant,
    closing: bool,
}

impl Session {
    fn new(world: Arc<World>, wishes: &Wishes, mouth: Mouth) -> Self {
        let rate = wishes.number("sample_rate").unwrap_or(16_000.0) as u32;
        let samples = |ms: f64| (ms / 1_000.0 * RATE as f64) as u64;
        let endpointing = match wishes.get("endpointing") {
            Some("false") => None,
            _ => Some(samples(wishes.number("endpointing").unwrap_or(10.0))),
        };
        let interims = wishes.is("interim_results");
        let id = uuid();
        let (jobs, queue) = unbounded_channel();
        let speaker = Speaker {
            world: Arc::clone(&world),
            mouth,
            metadata: metadata(&id, wishes.get("model").unwrap_or_default()),
            language: wishes.get("language").unwrap_or("en").to_owned(),
        };
        tokio::spawn(speaker.answer(queue));
        Self {
            world,
            ear: Ear::new(rate),
            jobs,
            id,
            piece: (rate * 2 * PIECE_MS / 1_000) as usize & !1,
            rate: u64::from(rate) * 2,
            received: 0,
            interims,
            vad_events: wishes.is("vad_events"),
            endpointing,
            utterance_end: wishes.number("utterance_end_ms").filter(|_| interims).map(samples),
            last_voice: None,
            guessed: 0,
            idle: Instant::now() + IDLE_AT_MOST,
            closing: false,
        }
    }

    /// Audio that came so far.
    fn audio(&self) -> Duration {
        Duration::from_millis(self.received * 1_000 / self.rate)
    }

    fn job(&self, job: Job) {
        // Nobody takes jobs once the client has gone.
        drop(self.jobs.send(job));
    }

    fn idle(&mut self) {
        self.end(1011, IDLE);
    }

    fn end(&mut self, code: u16, reason: &str) {
        self.closing = true;
        let duration = seconds(self.ear.position());
        let metadata = json!({
            "type": "Metadata", "transaction_key": "deprecated", "request_id": self.id, "sha256": "incomplete",
            "created": "2026-01-01T00:00:00.000Z", "duration": duration, "channels": 1,
        });
        self.job(Job::Say(Say::Json(metadata)));
        self.job(Job::Say(Say::Close(code, reason.to_owned())));
    }

    fn text(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match message["type"].as_str() {
            Some("KeepAlive") => {
                self.world.tally.count(|counts| counts.keep_alives += 1);
                if self.received > 0 {
                    self.idle = Instant::now() + IDLE_AT_MOST;
                }
            }
            Some("Finalize") => self.settle(true, true),
            Some("CloseStream") => self.close(),
            _ => {
                self.world.tally.violation("a text message that Deepgram does not know");
                let description = "Could not deserialize last text message: unknown type or no JSON";
                let error = json!({
                    "type": "Error", "variant": "SchemaError", "description": description, "message": text,
                });
                self.job(Job::Say(Say::Json(error)));
            }
        }
    }

    fn close(&mut self) {
        self.settle(true, false);
        self.end(1000, "");
    }

    async fn binary(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.world.tally.violation("an empty message, which ends the stream");
            return self.close();
        }
        if bytes.starts_with(b"{\"") {
            self.world.tally.violation("JSON in a binary message, which is taken for audio");
        }
        if !bytes.len().is_multiple_of(2) {
            self.world.tally.violation("half a sample");
            return self.end(1008, NO_AUDIO);
        }
        self.idle = Instant::now() + IDLE_AT_MOST;
        let before = self.audio();
        self.received += bytes.len() as u64;
        let came = self.audio().saturating_sub(before);
        self.world.tally.count(|counts| counts.audio_ms += came.as_millis() as u64);
        for piece in bytes.chunks(self.piece) {
            self.hear(piece).await;
        }
    }

    async fn hear(&mut self, piece: &[u8]) {
        if self.ear.push(piece) {
            self.speech_begins().await;
        }
        if let Some(voice) = self.ear.voice() {
            self.last_voice = Some(voice.end);
        }
        match (self.ear.silence(), self.endpointing) {
            (Some(silence), Some(pause)) if silence >= pause => self.settle(true, false),
            (Some(_), _) if self.ear.waiting() >= SPEECH_AT_MOST => self.settle(false, false),
            (None, _) if self.ear.waiting() >= SILENCE_AT_MOST => self.settle(false, false),
            _ => self.guess(),
        }
        self.utterance_end();
    }

    async fn speech_begins(&mut self) {
        if !self.ear.is_scripted() && matches!(self.world.voices, Voices::Scripted { .. }) {
            // Scripted texts are there at once.
            let text = self.world.voices.hear(&[], None).await.unwrap_or_default();
            self.ear.script(&text);
        }
        self.guessed = 0;
        if self.vad_events {
            let at = self.ear.voice().map_or(0, |voice| voice.start);
            let started = json!({"type": "SpeechStarted", "channel": [0, 1], "timestamp": seconds(at)});
            self.job(Job::Say(Say::Json(started)));
        }
    }

    fn guess(&mut self) {
        let made_of = match self.ear.voice() {
            None => self.ear.waiting() / RATE,
            Some(_) if self.ear.is_scripted() => self.ear.said() as u64,
            Some(voice) => (self.ear.position() - voice.start) / HEAR_EVERY,
        };
        if self.interims && made_of > self.guessed {
            self.job(Job::Interim(self.ear.peek()));
        }
        self.guessed = made_of;
    }

    fn settle(&mut self, speech_final: bool, from_finalize: bool) {
        if self.ear.waiting() == 0 {
            return;
        }
        let due = Instant::now() + self.world.draw(self.world.delays.asr);
        let speech_final = speech_final && self.ear.voice().is_some();
        let goes_on = !speech_final && self.ear.voice().is_some();
        let window = self.ear.take(goes_on);
        self.guessed = 0;
        self.job(Job::Final { window, due, speech_final, from_finalize });
    }

    fn utterance_end(&mut self) {
        let Some((end, pause)) = self.last_voice.zip(self.utterance_end) else { return };
        if self.ear.voice().is_none() && self.ear.position() >= end + pause {
            self.last_voice = None;
            let told = json!({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": seconds(end)});
            self.job(Job::Say(Say::Json(told)));
        }
    }
}

/// Finds the words and says them.
struct Speaker {
    world: Arc<World>,
    mouth: Mouth,
    metadata: Value,
    language: String,
}

impl Speaker {
    async fn answer(self, mut jobs: UnboundedReceiver<Job>) {
        let mut next = jobs.recv().await;
        while let Some(job) = next.take() {
            match job {
                Job::Say(say) => self.mouth.say(Instant::now(), say),
                Job::Interim(window) => tokio::select! {
                    biased;
                    heard = self.hear(&window) => {
                        self.mouth.say(Instant::now(), Say::Json(self.results(&window, &heard, [false; 3])));
                    }
                    // Something newer is to be told: this comes too late.
                    newer = jobs.recv() => {
                        next = newer;
                        continue;
                    }
                },
                Job::Final { window, due, speech_final, from_finalize } => {
                    let heard = self.hear(&window).await;
                    let flags = [true, speech_final, from_finalize];
                    self.mouth.say(due, Say::Final(self.results(&window, &heard, flags)));
                }
            }
            next = jobs.recv().await;
        }
    }

    async fn hear(&self, window: &Window) -> Heard {
        let language = self.language.split('-').next().unwrap_or_default();
        let languages: &[&str] = if language == "multi" { &MULTI } else { &[language] };
        window.hear(&self.world, languages).await
    }

    fn results(
        &self,
        window: &Window,
        heard: &Heard,
        [is_final, speech_final, from_finalize]: [bool; 3],
    ) -> Value {
        let confidence = if heard.text.is_empty() { 0.0 } else { 0.98 };
        let mut alternative =
            json!({"transcript": heard.text, "confidence": confidence, "words": heard.words_json(true)});
        if let Some(language) = heard.language.as_ref().filter(|_| self.language == "multi") {
            alternative["languages"] = json!([language]);
        }
        json!({
            "type": "Results",
            "channel_index": [0, 1],
            "start": seconds(window.span.start),
            "duration": seconds(window.span.end - window.span.start),
            "is_final": is_final,
            "speech_final": speech_final,
            "from_finalize": from_finalize,
            "channel": {"alternatives": [alternative]},
            "metadata": self.metadata,
        })
    }
}

fn metadata(id: &str, model: &str) -> Value {
    let info = json!({"name": format!("general-{model}"), "version": "2026-01-01.0", "arch": model});
    json!({"request_id": id, "model_info": info, "model_uuid": uuid()})
}
