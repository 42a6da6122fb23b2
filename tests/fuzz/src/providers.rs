use std::time::Duration;

use engines::Failure;
use engines::asr::{Heard, deepgram_flux, deepgram_listen};
use engines::emotion::hume;
use engines::mt::deepl::glossary;
use engines::mt::{deepl, libretranslate};
use engines::speech::{Interpreted, Next, deepl_voice, openai_translations};
use engines::tts::{deepgram_aura, elevenlabs, openai_speech, xtts};

use crate::pieces::{cut, http, messages};

/// A refusal stays one short line, whatever the service said.
fn check(failure: &Failure) {
    assert!(failure.detail.chars().count() <= 200 && !failure.detail.contains('\n'), "{failure:?}");
}

pub(crate) fn libretranslate(input: &[u8]) -> bool {
    let Some((status, _, body)) = http(input) else { return false };
    libretranslate::read_answer(status, body).is_ok()
}

pub(crate) fn deepl(input: &[u8]) -> bool {
    let Some((status, retry_after, body)) = http(input) else { return false };
    let results = [1, 2].map(|texts| deepl::read_answer(status, retry_after, body, texts));
    results.iter().filter_map(|result| result.as_ref().err()).for_each(check);
    results.iter().any(Result::is_ok) || glossaries(status, retry_after, body) || status != 200
}

fn glossaries(status: u16, retry_after: Option<&str>, body: &[u8]) -> bool {
    let listed = glossary::read_list(status, retry_after, body);
    let created = glossary::read_created(201, retry_after, body);
    let deleted = glossary::read_deleted(status, retry_after, body);
    let terms = glossary::Dictionary { source: "en", target: "es", terms: &[("box", "caja")] };
    if let (Ok(listed), Ok(wanted)) = (&listed, glossary::Glossary::new("b", &[terms])) {
        let plan = wanted.plan(listed);
        assert!(plan.present.is_none_or(|id| !plan.stale.contains(&id)), "the wanted one is not stale");
    }
    let failures = [listed.as_ref().err(), created.as_ref().err(), deleted.as_ref().err()];
    failures.into_iter().flatten().for_each(check);
    listed.is_ok() || created.is_ok()
}

pub(crate) fn openai_speech(input: &[u8]) -> bool {
    let Some((status, retry_after, body)) = http(input) else { return false };
    let failure = openai_speech::refused(status, retry_after, body);
    check(&failure);
    // The vendor's reason was found.
    failure != Failure::of_status(status, retry_after)
}

/// A studio of which the first two voices are wanted.
fn studio<'a>(mut pieces: impl Iterator<Item = &'a [u8]>) -> Result<xtts::Studio, Failure> {
    let mut reader = xtts::StudioReader::new(Vec::new(), 2);
    pieces.try_for_each(|piece| reader.push(piece))?;
    reader.finish()
}

/// The server's JSON answers, and the WAV file that it streams.
pub(crate) fn xtts(input: &[u8]) -> bool {
    let Some((status, _, body)) = http(input) else { return false };
    let speaker = xtts::read_speaker(status, body);
    let (at_once, in_pieces) = (studio([body].into_iter()), studio(cut(body)));
    assert!(at_once.is_ok() == in_pieces.is_ok(), "voices depend on the cut");
    if let (Ok(at_once), Ok(in_pieces)) = (&at_once, &in_pieces) {
        assert!(
            at_once.names == in_pieces.names && at_once.voices == in_pieces.voices,
            "voices depend on the cut"
        );
    }
    let languages = xtts::read_languages(status, body);
    let mut understood = speaker.is_ok() || at_once.is_ok() || languages.is_ok();
    check(&xtts::refused(status, body));
    if let Ok(speaker) = speaker {
        xtts::speak("http://h", &speaker, "Hola.", "es");
    }
    let (mut audio, mut whole) = (xtts::Audio::default(), xtts::Audio::default());
    let at_once = whole.push(body);
    let in_pieces: Result<Vec<_>, _> = cut(body).map(|piece| audio.push(piece)).collect();
    if let (Ok(at_once), Ok(in_pieces)) = (&at_once, &in_pieces) {
        assert!(*at_once == in_pieces.concat(), "samples depend on the cut");
        understood |= !at_once.is_empty();
    }
    understood
}

/// Whether what an interpreter said was understood; samples stay whole.
fn interpreted(said: Result<Vec<Interpreted>, Failure>) -> bool {
    match said {
        Ok(told) => {
            for interpreted in &told {
                match interpreted {
                    Interpreted::Audio(samples) => assert!(samples.len().is_multiple_of(2), "half a sample"),
                    Interpreted::Failed(failure) => check(failure),
                    _ => {}
                }
            }
            !told.is_empty()
        }
        Err(failure) => {
            check(&failure);
            false
        }
    }
}

/// The answer to the request for a session, and what is said in one.
pub(crate) fn deepl_voice(input: &[u8]) -> bool {
    let mut understood = false;
    if let Some((status, retry_after, body)) = http(input) {
        match deepl_voice::read_ticket(status, retry_after, body, "https://h") {
            Ok(ticket) => understood |= ticket.handshake().url.starts_with("wss://"),
            Err(failure) => check(&failure),
        }
    }
    let mut stream = deepl_voice::Stream::new(Duration::ZERO);
    for (number, message) in messages(input).enumerate() {
        stream.push(&[0; 320]);
        understood |= interpreted(stream.receive(&message));
        stream.poll(Duration::from_millis(50) * number as u32);
    }
    check(&deepl_voice::Stream::closed(1008, &String::from_utf8_lossy(input)));
    understood
}

pub(crate) fn openai_translations(input: &[u8]) -> bool {
    let options = openai_translations::Options { model: "m".into(), target: "es".into() };
    let mut stream = openai_translations::Stream::new(options);
    let mut understood = false;
    for (number, message) in messages(input).enumerate() {
        let now = Duration::from_millis(50) * number as u32;
        stream.push(&[0; 4_800]);
        while matches!(stream.poll(now), Next::Send(_) | Next::Tell(_)) {}
        understood |= interpreted(stream.receive(now, &message));
        if number % 4 == 3 {
            stream.finish();
        }
    }
    check(&openai_translations::Stream::closed(1008, &String::from_utf8_lossy(input)));
    understood
}

pub(crate) fn hume(input: &[u8]) -> bool {
    let mut stream = hume::Stream::new();
    let mut understood = false;
    for (number, message) in messages(input).enumerate() {
        stream.push(&[0; 1_600]);
        stream.poll(Duration::from_millis(50) * number as u32);
        match stream.receive(&message) {
            Ok(felt) => understood |= felt.is_some(),
            Err(failure) => check(&failure),
        }
    }
    check(&hume::Stream::closed(1008, &String::from_utf8_lossy(input)));
    understood
}

pub(crate) fn elevenlabs(input: &[u8]) -> bool {
    let options = elevenlabs::Options { voice: "v".into(), model: "m".into(), language: None };
    let mut stream = elevenlabs::Stream::new(options);
    stream.speak("Hola. ");
    let mut understood = false;
    for message in messages(input) {
        match stream.receive(&message) {
            Ok(spoken) => understood |= !spoken.is_empty(),
            Err(failure) => check(&failure),
        }
    }
    check(&elevenlabs::Stream::closed(1008, &String::from_utf8_lossy(input)));
    understood
}

/// What a recogniser may say of a leg of which it was sent all up to `sent`.
struct Hearing {
    sent: Duration,
    until: Duration,
    understood: bool,
}

impl Hearing {
    const BEFORE: Duration = Duration::from_secs(100);

    fn new() -> Self {
        Self { sent: Self::BEFORE, until: Self::BEFORE, understood: false }
    }

    /// What is answered grows, and never beyond what was sent: the rest is sent again after a reconnect.
    fn take(&mut self, said: Result<Vec<Heard>, Failure>, until: Duration) {
        assert!(self.until <= until && until <= self.sent, "{:?} {until:?} {:?}", self.until, self.sent);
        self.until = until;
        match said {
            Ok(heard) => self.understood |= !heard.is_empty(),
            Err(failure) => check(&failure),
        }
    }
}

pub(crate) fn deepgram_listen(input: &[u8]) -> bool {
    let options = deepgram_listen::Options::new(vec!["en".into(), "es".into()]);
    let mut stream = deepgram_listen::Stream::new(options, Hearing::BEFORE);
    let mut hearing = Hearing::new();
    for message in messages(input) {
        stream.audio(&[0; 160]);
        hearing.sent += Duration::from_millis(10);
        let said = stream.receive(&message);
        hearing.take(said, stream.until());
        stream.finish();
    }
    check(&deepgram_listen::Stream::closed(1008, &String::from_utf8_lossy(input)));
    hearing.understood
}

pub(crate) fn deepgram_flux(input: &[u8]) -> bool {
    let options = deepgram_flux::Options::new(vec!["en".into()]);
    let mut stream = deepgram_flux::Stream::new(options, Hearing::BEFORE);
    let mut hearing = Hearing::new();
    for message in messages(input) {
        stream.audio(&[0; 160]);
        hearing.sent += Duration::from_millis(10);
        let said = stream.receive(&message);
        hearing.take(said, stream.until());
        stream.finish();
    }
    check(&deepgram_flux::Stream::closed(1008, &String::from_utf8_lossy(input)));
    hearing.understood
}

pub(crate) fn deepgram_aura(input: &[u8]) -> bool {
    let mut stream = deepgram_aura::Stream::new(deepgram_aura::Options::new("aura-2".into()));
    let mut understood = false;
    for (number, message) in messages(input).enumerate() {
        stream.speak("Hola.");
        drop(stream.flush(Duration::from_secs(4) * number as u32));
        if number % 3 == 2 {
            stream.clear();
        }
        match stream.receive(&message) {
            Ok(spoken) => understood |= !spoken.is_empty(),
            Err(failure) => check(&failure),
        }
    }
    check(&deepgram_aura::Stream::closed(1008, &String::from_utf8_lossy(input)));
    understood
}
