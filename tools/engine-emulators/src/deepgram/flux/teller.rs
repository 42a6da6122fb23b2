//! Finds the words of what was heard, and tells the turns.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::super::admission::Wishes;
use super::super::ear::{HEAR_EVERY, Heard, Window, seconds};
use super::super::line::{Mouth, Say};
use super::super::uuid;
use crate::{Voices, World};

/// What is told, in this order.
pub(super) enum Job {
    /// How sure it is that the turn is over, and whether that is to be told before it is certain.
    Update {
        window: Window,
        due: Instant,
        sure: f64,
        eager: bool,
    },
    End {
        window: Window,
        due: Instant,
        trigger: &'static str,
    },
    Error(Value),
    Close(u16, String),
}

/// Takes jobs until the client has gone.
pub(super) fn start(world: Arc<World>, wishes: &Wishes, mouth: Mouth) -> UnboundedSender<Job> {
    let (jobs, queue) = unbounded_channel();
    let multi = wishes.get("model") == Some("flux-general-multi");
    let hints = wishes.all("language_hint").map(str::to_owned).collect();
    let teller = Teller {
        world,
        mouth,
        id: uuid(),
        languages: if multi { hints } else { vec!["en".into()] },
        multi,
        sequence: 0,
        turn: 0,
        state: Turn::Ready,
        heard: Heard::default(),
        heard_until: 0,
    };
    tokio::spawn(teller.tell(queue));
    jobs
}

#[derive(PartialEq)]
enum Turn {
    Ready,
    Speaking,
    AwaitingEnd,
}

struct Teller {
    world: Arc<World>,
    mouth: Mouth,
    id: String,
    languages: Vec<String>,
    multi: bool,
    sequence: u64,
    turn: u64,
    state: Turn,
    heard: Heard,
    /// Where the audio ended in which that was heard, in samples.
    heard_until: u64,
}

impl Teller {
    async fn tell(mut self, mut jobs: UnboundedReceiver<Job>) {
        let mut connected = json!({"type": "Connected", "request_id": self.id});
        self.number(&mut connected);
        self.mouth.say(Instant::now(), Say::Json(connected));
        while let Some(job) = jobs.recv().await {
            match job {
                Job::Update { window, due, sure, eager } => self.update(&window, due, sure, eager).await,
                Job::End { window, due, trigger } => self.end(&window, due, trigger).await,
                Job::Error(mut error) => {
                    self.number(&mut error);
                    self.mouth.say(Instant::now(), Say::Json(error));
                }
                Job::Close(code, reason) => self.mouth.say(Instant::now(), Say::Close(code, reason)),
            }
        }
    }

    async fn update(&mut self, window: &Window, due: Instant, sure: f64, eager: bool) {
        let scripted = matches!(self.world.voices, Voices::Scripted { .. });
        if window.voice.is_some() && (scripted || window.span.end >= self.heard_until + HEAR_EVERY) {
            self.heard = self.hear(window).await;
            self.heard_until = window.span.end;
        }
        let event = match self.state {
            Turn::Ready if self.heard.text.is_empty() => "Update",
            Turn::Ready => {
                self.state = Turn::Speaking;
                "StartOfTurn"
            }
            Turn::Speaking if eager => {
                self.state = Turn::AwaitingEnd;
                "EagerEndOfTurn"
            }
            Turn::AwaitingEnd if !eager => {
                self.state = Turn::Speaking;
                "TurnResumed"
            }
            _ => "Update",
        };
        let info = self.info(event, window, sure);
        self.mouth.say(due, Say::Json(info));
    }

    async fn end(&mut self, window: &Window, due: Instant, trigger: &str) {
        self.heard = self.hear(window).await;
        if self.heard.text.is_empty() && self.state == Turn::Ready {
            // A noise: no turn began, so none ends.
            let info = self.info("Update", window, 0.0);
            return self.mouth.say(due, Say::Final(info));
        }
        if self.state == Turn::Ready {
            let info = self.info("StartOfTurn", window, 0.5);
            self.mouth.say(due, Say::Json(info));
        }
        let mut info = self.info("EndOfTurn", window, 0.9);
        info["trigger"] = trigger.into();
        self.mouth.say(due, Say::Final(info));
        self.state = Turn::Ready;
        self.turn += 1;
        self.heard = Heard::default();
        self.heard_until = window.span.end;
    }

    async fn hear(&self, window: &Window) -> Heard {
        let languages: Vec<&str> = self.languages.iter().map(String::as_str).collect();
        window.hear(&self.world, &languages).await
    }

    fn info(&mut self, event: &str, window: &Window, sure: f64) -> Value {
        let mut info = json!({
            "type": "TurnInfo",
            "request_id": self.id,
            "event": event,
            "turn_index": self.turn,
            "audio_window_start": seconds(window.span.start),
            "audio_window_end": seconds(window.span.end),
            "transcript": self.heard.text,
            "words": self.heard.words_json(false),
            "end_of_turn_confidence": sure,
        });
        if self.multi {
            info["languages"] = self.heard.language.iter().map(String::as_str).collect();
            info["languages_hinted"] = self.languages.iter().map(String::as_str).collect();
        }
        self.number(&mut info);
        info
    }

    fn number(&mut self, message: &mut Value) {
        message["sequence_id"] = self.sequence.into();
        self.sequence += 1;
    }
}
