//! A program that nobody here wrote the WebSocket of: Python's `websockets`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use lab::cache::Cache;
use lab::programs;
use serde_json::{Value, json};

use super::Rig;

const SET_UP: &str = "the vendors' clients are not installed: run `cargo xtask test`";

pub(super) struct Program {
    child: Child,
    words: Option<ChildStdin>,
    told: Receiver<Value>,
    /// What it was told so far.
    pub(super) seen: Vec<Value>,
}

/// A frame that it heard.
pub(super) struct Sound {
    pub(super) place: u64,
    pub(super) at_ms: u64,
    pub(super) samples: String,
}

impl Program {
    /// Connects, with the right token.
    pub(super) fn start(of: &Rig) -> Self {
        let mut program = Self::with_token(of, &of.token());
        let hello = program.wait_for("hello");
        assert_eq!(hello["protocol"], "dragoman.v1");
        program
    }

    /// Connects with this token.
    pub(super) fn with_token(of: &Rig, token: &str) -> Self {
        let python = Cache::locate().expect("a cache").vendor_python();
        let mut child = Command::new(python)
            .arg(programs::in_repository("tests/callers/app_client.py"))
            .args([format!("ws://{}/api/v1/stream", of.address()), token.to_owned()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect(SET_UP);
        let words = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (sender, told) = channel();
        thread::spawn(move || {
            let values = lines.map_while(Result::ok).map(|line| serde_json::from_str(&line).expect("JSON"));
            values.into_iter().try_for_each(|value| sender.send(value))
        });
        Self { child, words, told, seen: Vec::new() }
    }

    pub(super) fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string());
    }

    pub(super) fn say_text(&mut self, message: &str) {
        let words = self.words.as_mut().expect("it is connected");
        writeln!(words, "{message}").expect("it is there");
    }

    /// Sends it in pieces.
    pub(super) fn send_sound(&mut self, samples: &[i16]) {
        self.say_text(&format!("sound {}", Self::hexadecimal(samples)));
    }

    /// Sound as it is told in lines.
    pub(super) fn hexadecimal(samples: &[i16]) -> String {
        let words = samples.iter().map(|sample| format!("{:04x}", sample.swap_bytes().cast_unsigned()));
        words.collect::<Vec<_>>().concat()
    }

    /// Wants to hear all of a room.
    pub(super) fn subscribe(&mut self, room: &str) {
        self.say(&json!({
            "type": "subscribe", "id": 1, "room": room, "events": true, "transcripts": true, "audio": true,
        }));
        assert_eq!(self.wait_for("subscribed"), json!({ "type": "subscribed", "id": 1, "room": room }));
    }

    /// What it is told of this type, which it was not told before.
    pub(super) fn wait_for(&mut self, kind: &str) -> Value {
        self.wait_until(&format!("a message of type {kind}"), |value| value["type"] == kind)
    }

    /// The next message that is as wanted.
    pub(super) fn wait_until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(value) = self.told.recv_timeout(left) else {
                panic!("no {what}: {:#?}", self.words_told());
            };
            self.seen.push(value.clone());
            if wanted(&value) {
                return value;
            }
        }
    }

    /// Takes what it was told by now.
    pub(super) fn catch_up(&mut self) {
        self.seen.extend(self.told.try_iter());
    }

    /// Everything but sound.
    pub(super) fn words_told(&self) -> Vec<&Value> {
        self.seen.iter().filter(|value| value["type"] != "sound").collect()
    }

    /// Events of rooms, and what was said there.
    pub(super) fn events(&self) -> impl Iterator<Item = &Value> {
        let told = self.seen.iter().filter(|value| value["type"] == "event" || value["type"] == "transcript");
        told.map(|value| &value["event"])
    }

    /// Streams that were announced: their numbers, and what they are.
    pub(super) fn streams(&self, of: &str) -> Vec<&Value> {
        let told = self.seen.iter().filter(|value| value["type"] == "audio" && value["of"] == of);
        told.collect()
    }

    /// What it heard of a stream.
    pub(super) fn heard(&self, stream: &Value) -> Vec<Sound> {
        let sounds =
            self.seen.iter().filter(|value| value["type"] == "sound" && value["stream"] == stream["stream"]);
        let number = |value: &Value| value.as_u64().expect("a number");
        let sound = |value: &Value| Sound {
            place: number(&value["place"]),
            at_ms: number(&value["at_ms"]),
            samples: value["samples"].as_str().expect("samples").to_owned(),
        };
        sounds.map(sound).collect()
    }

    /// Leaves.
    pub(super) fn leave(&mut self) {
        self.words = None;
        self.wait_for("end");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(|_| ()).unwrap_or_default();
    }
}
