//! What people and programs see of a call.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

use crate::phone::Event;
use crate::{CallReport, EndedBy, TurnReport};

/// A thread that shows events as they come.
pub(super) struct Display(JoinHandle<()>);

impl Display {
    /// Waits until all has been shown; the phone must be gone.
    pub(super) fn finish(self) {
        // A panic there has been printed already and does not concern the call.
        let _ = self.0.join();
    }
}

/// Shows events: for people on standard error, as JSON on standard output.
pub(super) fn start(events: Receiver<Event>, as_json: bool) -> Display {
    let start = Instant::now();
    Display(thread::spawn(move || {
        for event in events {
            let at = start.elapsed();
            if as_json {
                say::say!("{}", event_json(&event, at.as_millis() as u64));
            } else if let Some(words) = words(&event) {
                eprintln!("{:7.2} s  {words}", at.as_secs_f64());
            }
        }
    }))
}

fn event_json(event: &Event, at_ms: u64) -> Value {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let Value::Object(object) = &mut value {
        object.insert("at_ms".into(), at_ms.into());
    }
    value
}

/// `None` for what is told at the end in any case.
fn words(event: &Event) -> Option<String> {
    Some(match event {
        Event::Registered { expires_s } => format!("registered for {expires_s} s"),
        Event::Ringing { code: 183 } => "the other side announces something".into(),
        Event::Ringing { .. } => "ringing".into(),
        Event::Incoming { from } => format!("{from} calls"),
        Event::Connected { codec } => format!("connected, {codec}"),
        Event::MediaChanged { on_hold: true } => "on hold".into(),
        Event::MediaChanged { on_hold: false } => "the other side has changed the stream".into(),
        Event::PlayStarted { name } => format!("saying {name}"),
        Event::Spoken => "said".into(),
        Event::ReplyStarted { arrived_ms, at_ear_ms } => {
            format!("reply begins, {arrived_ms} ms after the last word ({at_ear_ms} ms at the ear)")
        }
        Event::ReplyEnded => "reply is over".into(),
        Event::GaveUpWaiting { what } => format!("waited in vain for {what}"),
        Event::Key { key } => format!("the other side pressed {key}"),
        Event::Ended { by: EndedBy::Remote } => "the other side hung up".into(),
        Event::Ended { by: EndedBy::Local } => "hung up".into(),
        Event::Ended { by: EndedBy::Timeout } => "the other side no longer answers".into(),
        Event::Failed { .. } | Event::RegistrationFailed { .. } => return None,
    })
}

/// The report as one line of JSON.
pub(super) fn report_json(report: &CallReport, recording: Option<&Path>) -> Result<Value> {
    let mut value = serde_json::to_value(report)?;
    if let Value::Object(object) = &mut value {
        object.insert("event".into(), "report".into());
        object.insert("recording".into(), json!(recording));
    }
    Ok(value)
}

/// The report for people.
pub(super) fn report_text(report: &CallReport, recording: Option<&Path>) -> String {
    let frames = &report.frames;
    let received = &frames.received;
    let mut text = format!(
        "{} over {}: {:.1} s, answered after {} ms\n\
         sent {}, received {}, lost {}, late {}, underruns {}, from strangers {}\n\
         tick {}, latest {:.1} ms\n",
        report.target,
        report.codec,
        report.duration_ms as f64 / 1000.0,
        report.setup_ms,
        frames.sent,
        received.received,
        received.lost,
        received.late,
        received.underrun,
        frames.strangers,
        report.clock.policy,
        report.clock.late_max_us as f64 / 1000.0,
    );
    for turn in &report.turns {
        text.push_str(&turn_text(turn));
    }
    if let Some(path) = recording {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "recording: {}", path.display());
    }
    text
}

fn turn_text(turn: &TurnReport) -> String {
    match (turn.reply_arrived_ms, turn.reply_at_ear_ms) {
        (Some(arrived), Some(at_ear)) => {
            format!("{}: reply {arrived} ms after the last word, {at_ear} ms at the ear\n", turn.played)
        }
        _ => format!("{}: no reply was heard\n", turn.played),
    }
}
