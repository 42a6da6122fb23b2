//! Finds the words of what was heard, and says them.

use std::pin::pin;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::super::admission::Wishes;
use super::super::ear::{Heard, Window, seconds};
use super::super::line::{Mouth, Say};
use super::super::uuid;
use crate::World;

/// What is told apart where a client asks for several languages: those of the device.
const MULTI: [&str; 6] = ["en", "es", "fr", "de", "it", "pt"];

/// What is answered, in this order.
pub(super) enum Job {
    Interim { window: Window, due: Instant },
    Final { window: Window, due: Instant, speech_final: bool, from_finalize: bool },
    Say(Say),
}

/// Takes jobs until the client has gone.
pub(super) fn start(world: Arc<World>, wishes: &Wishes, mouth: Mouth, id: &str) -> UnboundedSender<Job> {
    let (jobs, queue) = unbounded_channel();
    let metadata = metadata(id, wishes.get("model").unwrap_or_default());
    let language = wishes.get("language").unwrap_or("en").to_owned();
    tokio::spawn(Speaker { world, mouth, metadata, language, known: None }.answer(queue));
    jobs
}

struct Speaker {
    world: Arc<World>,
    mouth: Mouth,
    metadata: Value,
    language: String,
    /// What the utterance is in, once that was told apart: asking again would take as long as hearing.
    known: Option<String>,
}

impl Speaker {
    async fn answer(mut self, mut jobs: UnboundedReceiver<Job>) {
        let mut next = jobs.recv().await;
        while let Some(job) = next.take() {
            match job {
                Job::Say(say) => self.mouth.say(Instant::now(), say),
                Job::Interim { window, due } => {
                    let (heard, newer) = self.hear_unless_late(&window, &mut jobs).await;
                    if let Some(heard) = heard {
                        self.mouth.say(due, Say::Json(self.results(&window, &heard, [false; 3])));
                        self.known = self.known.take().or(heard.language);
                    }
                    if newer.is_some() {
                        next = newer;
                        continue;
                    }
                }
                Job::Final { window, due, speech_final, from_finalize } => {
                    let heard = self.hear(&window).await;
                    self.known.take_if(|_| speech_final || from_finalize);
                    let flags = [true, speech_final, from_finalize];
                    self.mouth.say(due, Say::Final(self.results(&window, &heard, flags)));
                }
            }
            next = jobs.recv().await;
        }
    }

    /// Hears what is only a guess, and what is to be told next where that makes it too late. Another guess does not:
    /// where hearing takes longer than speaking, none would ever be told.
    async fn hear_unless_late(
        &self,
        window: &Window,
        jobs: &mut UnboundedReceiver<Job>,
    ) -> (Option<Heard>, Option<Job>) {
        let mut heard = pin!(self.hear(window));
        loop {
            tokio::select! {
                biased;
                heard = &mut heard => return (Some(heard), None),
                newer = jobs.recv() => match newer {
                    Some(Job::Interim { .. }) => {}
                    newer => return (None, newer),
                },
            }
        }
    }

    async fn hear(&self, window: &Window) -> Heard {
        let language = self.language.split('-').next().unwrap_or_default();
        let languages: &[&str] = match &self.known {
            Some(known) => &[known],
            None if language == "multi" => &MULTI,
            None => &[language],
        };
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
