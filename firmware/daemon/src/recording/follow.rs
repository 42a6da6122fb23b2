//! One room on its way into its recording: what is told of it becomes records.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use audio_path::{Frame, LegId, SAMPLE_RATE, SAMPLES_PER_FRAME, SegmentId, Timestamp};
use serde_json::{Value, json};
use session::{Event, Language};
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;

use super::Counts;
use super::format::{LONGEST, Record, Title, What};
use super::writer::Job;
use crate::config::Phone;
use crate::leg_name::LegName;
use crate::report::Report;
use crate::tap::{Joined, RoomName, Tap, Tapped};

/// A piece of speech is no longer: a second.
const LONGEST_PIECE: usize = SAMPLE_RATE as usize;
/// Between attempts to tell the writer of a beginning or an end, and how many there are: a minute's worth.
const ASK_EVERY: Duration = Duration::from_millis(100);
const MOST_ATTEMPTS: u32 = 600;

/// What records one room.
pub(super) struct Follower {
    pub(super) recording: u64,
    pub(super) room: RoomName,
    pub(super) phones: Vec<Phone>,
    pub(super) jobs: SyncSender<Job>,
    pub(super) counts: Arc<Counts>,
}

/// What it knows of the room.
#[derive(Default)]
struct Known {
    /// When the recording began, once it did.
    began: Option<Timestamp>,
    /// Who is in the room.
    legs: BTreeMap<LegId, Value>,
    /// Translations that are heard.
    heard: HashSet<SegmentId>,
}

impl Follower {
    /// Records until the room is closed. It begins when the first caller was told of it.
    pub(super) async fn follow(self, mut taps: Receiver<Arc<Tap>>) {
        let mut known = Known::default();
        let mut is_closed = false;
        while let Some(tap) = taps.recv().await {
            let told = matches!(&tap.what, Tapped::Event { event: Event::ToldOfRecording, .. });
            if told && known.began.is_none() {
                let title = self.title();
                if !self.insist(|| Job::Begin { recording: self.recording, title: title.clone() }).await {
                    break;
                }
                known.began = Some(tap.at);
                known.legs.values().for_each(|joined| self.write(tap.at, tap.at, What::Told(joined.clone())));
            }
            is_closed = tap.what == Tapped::Closed;
            if is_closed {
                break;
            }
            self.take(&mut known, &tap);
        }
        if !is_closed {
            self.counts.failed(
                "the recorder could not keep up; the disk is too slow, or the box too busy".to_owned(),
            );
        }
        if known.began.is_some() {
            self.insist(|| Job::End { recording: self.recording }).await;
        }
    }

    fn title(&self) -> Title {
        let (room, kind) = (self.room.dialled.clone(), self.room.kind.to_owned());
        Title {
            dragoman_recording: 1,
            room,
            kind,
            began: jiff::Timestamp::now().strftime("%FT%TZ").to_string(),
        }
    }

    /// What must not be lost waits for the writer. Answers whether it took it.
    async fn insist(&self, job: impl Fn() -> Job) -> bool {
        for _ in 0..MOST_ATTEMPTS {
            match self.jobs.try_send(job()) {
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(_)) => sleep(ASK_EVERY).await,
            }
        }
        false
    }

    fn take(&self, known: &mut Known, tap: &Tap) {
        match &tap.what {
            Tapped::Joined(joined) => {
                let joined_as = self.joined(joined);
                known.legs.insert(joined.leg, joined_as.clone());
                self.tell(known, tap.at, joined_as);
            }
            Tapped::Speaks { leg, language } => {
                let language = language.to_string();
                known.legs.entry(*leg).and_modify(|joined| joined["language"] = json!(language));
                self.tell(known, tap.at, json!({ "type": "speaks", "leg": leg.0, "language": language }));
            }
            Tapped::Left { leg } => {
                known.legs.remove(leg);
                self.tell(known, tap.at, json!({ "type": "left", "leg": leg.0 }));
            }
            Tapped::Event { leg, event } => {
                if let Event::PlaybackEnded { segment } = event {
                    known.heard.remove(segment);
                }
                if is_of_use(event) {
                    self.tell(known, tap.at, Report::session(*leg, event).into_value());
                }
            }
            Tapped::Said { leg, frame } => self.said(known, tap.at, *leg, frame),
            Tapped::Spoken { leg, segment, language, samples } => {
                known.heard.insert(*segment);
                self.spoken(known, tap.at, (*leg, *segment, *language), samples);
            }
            Tapped::Cut { segment } => {
                if let Some(began) = known.began.filter(|_| known.heard.remove(segment)) {
                    self.write(began, tap.at, What::Cut { segment: *segment });
                }
            }
            Tapped::Closed => {}
        }
    }

    fn joined(&self, Joined { leg, id, language }: &Joined) -> Value {
        let number = LegName::parse(id).ok().and_then(|name| name.phone);
        let phone = self.phones.iter().find(|phone| Some(&*phone.extension) == number);
        json!({
            "type": "joined", "leg": leg.0, "id": id, "phone": number, "name": phone.map(|phone| &phone.name),
            "language": language.map(|language| language.to_string()),
        })
    }

    fn tell(&self, known: &Known, at: Timestamp, what: Value) {
        if let Some(began) = known.began {
            self.write(began, at, What::Told(what));
        }
    }

    /// Silence is what there is between records.
    fn said(&self, known: &Known, at: Timestamp, leg: LegId, frame: &Frame) {
        if let Some(began) = known.began.filter(|_| *frame != Frame::SILENCE) {
            self.write(began, at, What::Said { leg, samples: frame.0.to_vec() });
        }
    }

    fn spoken(
        &self,
        known: &Known,
        at: Timestamp,
        (leg, segment, language): (LegId, SegmentId, Language),
        samples: &[i16],
    ) {
        let Some(began) = known.began else { return };
        for piece in samples.chunks(LONGEST_PIECE) {
            self.write(began, at, What::Spoken { leg, segment, language, samples: piece.to_vec() });
        }
    }

    fn write(&self, began: Timestamp, at: Timestamp, what: What) {
        let frames = match &what {
            What::Said { samples, .. } | What::Spoken { samples, .. } => {
                samples.len().div_ceil(SAMPLES_PER_FRAME)
            }
            _ => 0,
        };
        let at_ms = at.since(began).as_millis().try_into().unwrap_or(u32::MAX);
        let record = Record { at_ms, what }.to_bytes();
        let is_readable = record.len() <= LONGEST;
        let job = Job::Record { recording: self.recording, record, frames: frames as u64 };
        if !is_readable || self.jobs.try_send(job).is_err() {
            self.counts.lose(frames as u64);
        }
    }
}

/// Whether a transcript is made of it.
fn is_of_use(event: &Event) -> bool {
    matches!(
        event,
        Event::ToldOfRecording
            | Event::SpeechStarted { .. }
            | Event::SpeechEnded { .. }
            | Event::Final { .. }
            | Event::Translation { .. }
    )
}
