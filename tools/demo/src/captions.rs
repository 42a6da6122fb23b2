//! The daemon's events: shown as they come, and kept.

use std::io::{IsTerminal, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use lab::daemon::Listener;
use say::say;
use serde_json::Value;

/// A thread that reads the control socket.
pub(crate) struct Captions {
    stop: Arc<AtomicBool>,
    reader: JoinHandle<Result<Vec<Value>>>,
}

impl Captions {
    pub(crate) fn start(listener: Listener) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        Self { stop, reader: thread::spawn(move || read(listener, &told)) }
    }

    /// All events until now.
    pub(crate) fn finish(self) -> Result<Vec<Value>> {
        self.stop.store(true, Ordering::Relaxed);
        self.reader.join().map_err(|_| anyhow!("the captions' thread has died"))?
    }
}

/// Reads until it is told to stop and nothing has come for a while: what follows a hangup is still wanted.
fn read(mut listener: Listener, stop: &AtomicBool) -> Result<Vec<Value>> {
    let mut screen = Screen { started: Instant::now(), growing: false, spoken: Vec::new() };
    let mut events = Vec::new();
    loop {
        match listener.next_within(Duration::from_millis(500))? {
            Some(event) => {
                screen.show(&event);
                events.push(event);
            }
            None if stop.load(Ordering::Relaxed) => return Ok(events),
            None => {}
        }
    }
}

/// Partial captions grow in place on a terminal, and are left out elsewhere.
struct Screen {
    started: Instant,
    growing: bool,
    /// Segments that are translations, not the announcement or a cue.
    spoken: Vec<Value>,
}

impl Screen {
    fn show(&mut self, event: &Value) {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        match event["type"].as_str().unwrap_or_default() {
            "partial" => self.grow(&format!("hears   {} …", text("text"))),
            "final" => self.line(&format!("heard   {} ({})", text("text"), text("language"))),
            "translation" => {
                self.spoken.push(event["segment"].clone());
                self.line(&format!("says    {} ({})", text("text"), text("target_lang")));
            }
            "playback_started" if self.spoken.contains(&event["segment"]) => self.line("speaks"),
            "error" => self.line(&format!("error   {}: {}", text("component"), text("message"))),
            _ => {}
        }
    }

    fn line(&mut self, words: &str) {
        self.clear();
        say!("{}{words}", self.time());
    }

    fn grow(&mut self, words: &str) {
        if stdout().is_terminal() {
            self.clear();
            say::write(format_args!("{}{words}", self.time()));
            self.growing = true;
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.growing) {
            say::write(format_args!("\r\x1b[2K"));
        }
    }

    fn time(&self) -> String {
        format!("{:7.2} s  ", self.started.elapsed().as_secs_f32())
    }
}
