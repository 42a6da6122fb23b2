//! What a client may send, and when it is spoken.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Map, Value};

/// How much text is waited for before each piece of speech; the last holds for all after it.
const USUAL_SCHEDULE: [usize; 4] = [120, 160, 250, 290];
/// `try_trigger_generation` does nothing for less text.
const TRIGGERS: usize = 50;

/// What is to be done.
pub(super) enum Order {
    /// Nothing yet.
    Wait,
    Say(String),
    /// Say it, and then no more.
    End(String),
    Refuse(Refusal),
}

/// An error's name and words.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: &'static str,
    pub(super) words: String,
}

impl Refusal {
    pub(super) fn new(error: &'static str, words: impl Into<String>) -> Self {
        Self { error, words: words.into() }
    }

    pub(super) fn unreadable() -> Self {
        let words = "Could not parse input message, make sure it is a json and follows the schema outlined in protocol.";
        Self::new("invalid_input_message", words)
    }

    pub(super) fn late(patience: Duration) -> Self {
        let words = format!(
            "Have not received a new text input within the timeout of {} seconds. Streaming input terminated. \
             Please make sure to either feed the input in the timely manner, or to send the end of input text \
             (empty string \"\") when done.",
            patience.as_secs()
        );
        Self::new("input_timeout_exceeded", words)
    }
}

/// The text that came and is not yet spoken.
pub(super) struct Input {
    wanted_key: String,
    key: Option<String>,
    auto: bool,
    opened: bool,
    settings: Option<Value>,
    schedule: VecDeque<usize>,
    text: String,
}

impl Input {
    pub(super) fn new(wanted_key: &str, key: Option<String>, auto: bool) -> Self {
        let schedule = USUAL_SCHEDULE.into();
        Self {
            wanted_key: wanted_key.to_owned(),
            key,
            auto,
            opened: false,
            settings: None,
            schedule,
            text: String::new(),
        }
    }

    /// Whether a message only keeps the connection open.
    pub(super) fn keeps_alive(&self, message: &str) -> bool {
        let fields = serde_json::from_str::<Map<String, Value>>(message).unwrap_or_default();
        self.opened && fields.get("text").is_some_and(|text| text == " ") && !is_true(&fields, "flush")
    }

    /// Reads a message.
    pub(super) fn read(&mut self, message: &str) -> Result<Order, Refusal> {
        let fields: Map<String, Value> = serde_json::from_str(message).map_err(|_| Refusal::unreadable())?;
        let text = fields.get("text").and_then(Value::as_str).ok_or_else(Refusal::unreadable)?;
        let settings = fields.get("voice_settings").filter(|settings| !settings.is_null());
        if !self.opened {
            return self.open(&fields, text, settings);
        }
        if settings.is_some() && settings != self.settings.as_ref() {
            let words = "voice_settings field must be provided in the first message and then either be not provided \
                         or not change.";
            return Err(Refusal::new("invalid_voice_settings", words));
        }
        if text.is_empty() {
            return Ok(Order::End(std::mem::take(&mut self.text)));
        }
        self.text.push_str(text);
        let triggers = is_true(&fields, "try_trigger_generation") && self.text.len() >= TRIGGERS;
        Ok(self.due(self.auto || is_true(&fields, "flush") || triggers))
    }

    fn open(
        &mut self,
        fields: &Map<String, Value>,
        text: &str,
        settings: Option<&Value>,
    ) -> Result<Order, Refusal> {
        let named =
            ["xi_api_key", "xi-api-key"].iter().find_map(|name| fields.get(*name).and_then(Value::as_str));
        if named.or(self.key.as_deref()) != Some(&self.wanted_key) {
            return Err(Refusal::new("invalid_api_key", "Invalid API key"));
        }
        if text != " " && settings.is_none() {
            return Err(Refusal::unreadable());
        }
        if settings.is_some_and(|settings| {
            !settings["stability"].is_number() || !settings["similarity_boost"].is_number()
        }) {
            return Err(Refusal::unreadable());
        }
        if let Some(config) = fields.get("generation_config").filter(|config| !config.is_null()) {
            self.schedule = schedule(&config["chunk_length_schedule"]).ok_or_else(Refusal::unreadable)?;
        }
        self.opened = true;
        self.settings = settings.cloned();
        self.text.push_str(text.trim_start());
        Ok(self.due(false))
    }

    /// Says what there is, when it is enough or must be.
    fn due(&mut self, must: bool) -> Order {
        let enough = self.schedule.front().is_some_and(|least| self.text.len() >= *least);
        if self.text.trim().is_empty() || !(must || enough) {
            return Order::Wait;
        }
        if self.schedule.len() > 1 {
            self.schedule.pop_front();
        }
        Order::Say(std::mem::take(&mut self.text))
    }
}

fn is_true(fields: &Map<String, Value>, name: &str) -> bool {
    fields.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// Numbers from 50 to 500, at least one.
fn schedule(value: &Value) -> Option<VecDeque<usize>> {
    let length = |value: &Value| {
        value.as_u64().filter(|length| (50..=500).contains(length)).map(|length| length as usize)
    };
    let lengths: VecDeque<usize> = value.as_array()?.iter().map(length).collect::<Option<_>>()?;
    (!lengths.is_empty()).then_some(lengths)
}
