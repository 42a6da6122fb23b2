use std::time::Duration;

use audio_path::{Captured, Frame, SegmentId};

use crate::Language;
use crate::phrases::Phrase;
use crate::room::Pace;

/// Names what one speaker says between pauses; unique within the leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtteranceId(pub u32);

/// What happened outside, as told to [`Interpreter::handle`](crate::Interpreter::handle).
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each variant's text tells its fields")]
pub enum Input<'a> {
    /// The leg is connected. Before this, nothing is played and no frame is listened to.
    Connected,
    /// A frame arrived from the phone.
    Captured(&'a Captured),
    /// A frame was handed to the phone's ring: what its echo will be made of.
    Rendered(&'a Frame),
    /// The recogniser is certain of more text: `delta` continues what it reported before and is not taken back.
    Partial { utterance: UtteranceId, delta: &'a str, language: Option<Language> },
    /// What the recogniser takes to follow the text it is certain of, made of the utterance's audio up to `heard`.
    Interim { utterance: UtteranceId, text: &'a str, heard: Duration, language: Option<Language> },
    /// The recogniser's whole text of a finished utterance.
    Final { utterance: UtteranceId, text: &'a str, language: Option<Language> },
    /// The recogniser gave up on the utterance.
    RecognitionFailed { utterance: UtteranceId, reason: &'a str },
    /// The translation of a segment.
    Translated { segment: SegmentId, text: &'a str },
    /// The translator gave up on the segment.
    TranslationFailed { segment: SegmentId, reason: &'a str },
    /// The first audio of a segment is there, ready for [`Action::Play`].
    SpeechReady { segment: SegmentId },
    /// The speech engine gave up on the segment; audio that was delivered before may be played to its end.
    SpeechFailed { segment: SegmentId, reason: &'a str },
    /// The first frame of a segment or cue was written to the phone.
    PlaybackStarted { segment: SegmentId },
    /// The last frame of a segment or cue was written to the phone.
    PlaybackEnded { segment: SegmentId },
    /// Whether any engine of a stage answers, as far as is known: told when that changes.
    Served { component: Component, served: bool },
    /// Time passed: a deadline is due.
    Tick,
}

/// A sound of the interpreter itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cue {
    /// Soft: the translation takes a while, or nobody else is there yet.
    Wait,
    /// Something that was said could not be translated.
    Error,
    /// Soft: somebody came to the conference.
    Joined,
    /// Soft: somebody left it.
    Left,
    /// Spoken in this language: there is no translation now.
    Unavailable(Language),
    /// Spoken in this language: there is a translation again.
    Available(Language),
}

impl Cue {
    /// What is said to a caller who speaks `language`: that there is no translation, or that there is one again.
    pub fn notice(unavailable: bool, language: Language) -> Self {
        let (_, spoken_in) = Phrase::Unavailable.words(language);
        if unavailable { Self::Unavailable(spoken_in) } else { Self::Available(spoken_in) }
    }

    /// The cue as reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Error => "error",
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Unavailable(_) => "unavailable",
            Self::Available(_) => "available",
        }
    }

    /// Whether it is a notice in words, and in which.
    pub fn words(self) -> Option<(&'static str, Language)> {
        match self {
            Self::Wait | Self::Error | Self::Joined | Self::Left => None,
            Self::Unavailable(language) => Some(Phrase::Unavailable.words(language)),
            Self::Available(language) => Some(Phrase::Available.words(language)),
        }
    }

    pub(crate) const fn is_spoken(self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Available(_))
    }
}

/// What the caller of [`Interpreter`](crate::Interpreter) is to do, in the order given.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's text tells its fields")]
pub enum Action {
    /// Open a recognition for speech in one of these languages; the same twice where there is but one.
    OpenAsr { utterance: UtteranceId, languages: [Language; 2] },
    /// Send the utterance's next 20 ms.
    SendAudio { utterance: UtteranceId, frame: Box<Frame> },
    /// The utterance is over: ask for its whole text.
    FinishAsr { utterance: UtteranceId },
    /// The answer is no longer wanted.
    CancelAsr { utterance: UtteranceId },
    /// Translate a clause; `context` is what was said before it in its language.
    Translate { segment: SegmentId, text: String, context: String, source: Language, target: Language },
    /// Make speech of a text and keep it until [`Action::Play`].
    Speak { segment: SegmentId, text: String, language: Language },
    /// Hand the segment's audio to the phone, what is there and what is still coming.
    Play { segment: SegmentId, pace: Pace },
    /// Play one of the interpreter's own sounds under this number.
    PlayCue { segment: SegmentId, cue: Cue },
    /// Forget the segment, what is asked of engines for it and its audio: it will not be played, or not further.
    Discard { segment: SegmentId },
    /// Tell whoever watches.
    Emit(Event),
}

/// Which part an [`Event::Error`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// Speech recognition.
    Asr,
    /// Translation.
    Mt,
    /// Speech synthesis.
    Tts,
    /// Playback to the phone.
    Playback,
}

impl Component {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Asr, Self::Mt, Self::Tts, Self::Playback];

    /// The component as reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asr => "asr",
            Self::Mt => "mt",
            Self::Tts => "tts",
            Self::Playback => "playback",
        }
    }
}

/// Where the time between a clause's last sample and the first sample of its translation went.
///
/// The stages are consecutive and add up to `total`. A clause that was committed while the speaker went on is spoken
/// after him: its time counts from his last sample before the playback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Last sample of the clause → end of speech decided, or clause committed.
    pub commit: Duration,
    /// → its text is known.
    pub asr: Duration,
    /// → it is translated.
    pub mt: Duration,
    /// → the first audio of the translation is there.
    pub tts: Duration,
    /// → the first frame of it was written to the phone; waiting for its turn included.
    pub playout: Duration,
}

impl Latency {
    /// The whole time.
    pub fn total(&self) -> Duration {
        self.commit + self.asr + self.mt + self.tts + self.playout
    }
}

/// What happened, for the control socket, the log and the metrics.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's text tells its fields")]
pub enum Event {
    /// The announcement is over: from here on the caller is listened to.
    Listening,
    /// He was told that he is recorded.
    ToldOfRecording,
    /// Somebody began to speak.
    SpeechStarted { utterance: UtteranceId },
    /// He stopped.
    SpeechEnded { utterance: UtteranceId },
    /// The stable beginning of an utterance grew to `text`.
    Partial { utterance: UtteranceId, text: String, language: Option<Language> },
    /// The whole text of an utterance.
    Final { utterance: UtteranceId, text: String, language: Language },
    /// A clause of an utterance was translated.
    Translation {
        segment: SegmentId,
        utterance: UtteranceId,
        text: String,
        source: String,
        source_lang: Language,
        target_lang: Language,
    },
    /// The first frame of a translation was written to the phone.
    Latency { segment: SegmentId, stages: Latency },
    /// A segment, the announcement included, begins to be heard.
    PlaybackStarted { segment: SegmentId },
    /// It was heard to its end.
    PlaybackEnded { segment: SegmentId },
    /// One of the interpreter's own sounds is played.
    CuePlayed { cue: Cue },
    /// Something that was said will not be heard in translation, or only in part.
    Error { component: Component, message: String },
}
