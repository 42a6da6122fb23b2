//! What a program asks: one JSON object a message.

use audio_path::SAMPLE_RATE;
use serde::Deserialize;
use serde_json::{Value, json};
use session::Language;

/// Longest message of a program, bytes.
pub(super) const LONGEST: usize = 8 << 10;
/// Longest text that is said at once, bytes: half a minute of speech.
const LONGEST_TEXT: usize = 600;
/// Longest sound, bytes: twenty seconds.
const LONGEST_SOUND: usize = 20 * BYTES_PER_SECOND;
const BYTES_PER_SECOND: usize = 2 * SAMPLE_RATE as usize;
/// Longest name of a room.
const LONGEST_ROOM: usize = 64;
/// All rooms.
const ALL: &str = "*";

/// A request, and the number that its answer shall have.
#[derive(Debug, PartialEq)]
pub struct Asked {
    /// As the program gave it.
    pub id: Option<u64>,
    /// What.
    pub request: Request,
}

/// What a program wants.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// To know which rooms there are.
    Rooms,
    /// To hear of a room, of all where it is `None`.
    Subscribe(Option<String>, Wants),
    /// Not to hear of it any more.
    Unsubscribe(Option<String>),
    /// That a text is said to everybody in a room.
    Speak {
        /// By its key, or as it is dialled.
        room: String,
        /// What is to be said.
        text: String,
        /// Its language.
        language: Language,
        /// How many bytes of sound follow in which it is said already.
        sound: Option<usize>,
    },
}

/// What of a room somebody wants to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Wants {
    /// Who comes and goes, and what happens.
    #[serde(default)]
    pub events: bool,
    /// What is said, and its translations, in words.
    #[serde(default)]
    pub transcripts: bool,
    /// The same as sound.
    #[serde(default)]
    pub audio: bool,
}

/// Why a message is no request.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// As the program gave it, as far as that can be told.
    pub id: Option<u64>,
    /// What is wrong, in one line.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Message {
    Rooms {
        id: Option<u64>,
    },
    Subscribe {
        id: Option<u64>,
        room: String,
        #[serde(default)]
        events: bool,
        #[serde(default)]
        transcripts: bool,
        #[serde(default)]
        audio: bool,
    },
    Unsubscribe {
        id: Option<u64>,
        room: String,
    },
    Speak {
        id: Option<u64>,
        room: String,
        text: String,
        language: String,
        sound: Option<usize>,
    },
}

/// Reads a message.
///
/// # Errors
/// Where it asks nothing that there is.
pub fn parse(message: &str) -> Result<Asked, Refused> {
    if message.len() > LONGEST {
        return Err(Refused { id: None, reason: format!("a message has at most {LONGEST} bytes") });
    }
    let refused = |reason: String| Refused { id: number(message), reason: one_line(&reason) };
    let read = serde_json::from_str(message).map_err(|error| refused(error.to_string()))?;
    let (id, request) = checked(read).map_err(|reason| refused(reason.to_owned()))?;
    Ok(Asked { id, request })
}

fn checked(message: Message) -> Result<(Option<u64>, Request), &'static str> {
    Ok(match message {
        Message::Rooms { id } => (id, Request::Rooms),
        Message::Subscribe { id, room, events, transcripts, audio } => {
            let wants = Wants { events, transcripts, audio };
            if wants == Wants::default() {
                return Err("room: say what of it: set events, transcripts or audio to true");
            }
            (id, Request::Subscribe(some_or_all(room)?, wants))
        }
        Message::Unsubscribe { id, room } => (id, Request::Unsubscribe(some_or_all(room)?)),
        Message::Speak { id, room, text, language, sound } => {
            let language = language.parse().map_err(|_| "language: write two letters, such as \"en\"")?;
            if sound.is_some_and(|bytes| bytes == 0 || bytes > LONGEST_SOUND || !bytes.is_multiple_of(2)) {
                return Err("sound: how many bytes of 16 kHz mono s16le follow, at most 640000");
            }
            (id, Request::Speak { room: name(room)?, text: words(&text)?, language, sound })
        }
    })
}

fn some_or_all(room: String) -> Result<Option<String>, &'static str> {
    if room == ALL { Ok(None) } else { name(room).map(Some) }
}

fn name(room: String) -> Result<String, &'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if room.is_empty() || room.len() > LONGEST_ROOM || !room.chars().all(is_plain) {
        return Err("room: write its key, or its number as it is dialled");
    }
    Ok(room)
}

fn words(text: &str) -> Result<String, &'static str> {
    if text.len() > LONGEST_TEXT {
        return Err("text: at most 600 bytes at once");
    }
    if !text.contains(char::is_alphanumeric) {
        return Err("text: there are no words in it");
    }
    Ok(one_line(text))
}

/// The number of a message that is wrong otherwise.
fn number(message: &str) -> Option<u64> {
    serde_json::from_str::<Value>(message).ok()?.get("id")?.as_u64()
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ").trim().to_owned()
}

/// An answer of this type to the request with that number.
pub(super) fn answer(kind: &str, id: Option<u64>, mut fields: Value) -> String {
    fields["type"] = json!(kind);
    if let Some(id) = id {
        fields["id"] = json!(id);
    }
    fields.to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(message: &str) -> Refused {
        parse(message).expect_err(message)
    }

    #[test]
    fn requests_are_read() {
        let wants = Wants { transcripts: true, ..Wants::default() };
        let request = |message: &str| parse(message).map(|asked| (asked.id, asked.request));
        assert_eq!(request(r#"{"type":"rooms"}"#), Ok((None, Request::Rooms)));
        assert_eq!(
            request(r#"{"type":"subscribe","id":7,"room":"800","transcripts":true}"#),
            Ok((Some(7), Request::Subscribe(Some("800".into()), wants)))
        );
        assert_eq!(request(r#"{"type":"unsubscribe","room":"*"}"#), Ok((None, Request::Unsubscribe(None))));
        let (room, text) = ("1732.5".to_owned(), "Dinner  is served.".to_owned());
        let speak = Request::Speak { room, text, language: Language::ENGLISH, sound: Some(640_000) };
        let message = r#"{"type":"speak","room":"1732.5","text":" Dinner\r\nis served.","language":"en-GB","sound":640000}"#;
        assert_eq!(request(message), Ok((None, speak)));
    }

    #[test]
    fn refusals_say_what_is_wrong_of_which_request() {
        let long =
            format!(r#"{{"type":"speak","id":1,"room":"8","text":"{}","language":"en"}}"#, "é".repeat(301));
        let cases = [
            ("", None, "EOF"),
            ("[]", None, "type"),
            (r#"{"id":3}"#, Some(3), "type"),
            (r#"{"id":3,"type":"dance"}"#, Some(3), "subscribe"),
            (r#"{"id":3,"type":"rooms","room":"1"}"#, Some(3), "room"),
            (r#"{"id":-3,"type":"rooms"}"#, None, "-3"),
            (r#"{"id":3,"type":"subscribe","room":"800"}"#, Some(3), "events"),
            (r#"{"id":3,"type":"subscribe","room":"","audio":true}"#, Some(3), "room"),
            (r#"{"id":3,"type":"subscribe","room":"8","audio":1}"#, Some(3), "boolean"),
            (r#"{"type":"speak","room":"*","text":"a","language":"en"}"#, None, "room"),
            (r#"{"type":"speak","room":"8","text":"?!","language":"en"}"#, None, "no words"),
            (r#"{"type":"speak","room":"8","text":"a","language":"x"}"#, None, "language"),
            (&long, Some(1), "600"),
            (r#"{"type":"speak","room":"8","text":"a","language":"en","sound":640002}"#, None, "640000"),
            (r#"{"type":"speak","room":"8","text":"a","language":"en","sound":3}"#, None, "sound"),
            (r#"{"type":"speak","room":"8","text":"a","language":"en","sound":0}"#, None, "sound"),
            (r#"{"type":"speak","room":"8","text":"a","language":"en","sound":-2}"#, None, "-2"),
        ];
        for (message, id, words) in cases {
            let refused = refusal(message);
            assert!(refused.id == id && refused.reason.contains(words), "{message}: {refused:?}");
        }
        assert!(refusal(&"x".repeat(LONGEST + 1)).reason.contains("bytes"));
    }

    proptest! {
        #[test]
        fn anything_is_answered_in_one_line(message in "\\PC*|(?s).{0,40}|\\{\"type\":\"(speak|rooms)\".{0,60}\\}") {
            match parse(&message) {
                Ok(Asked { request: Request::Speak { text, .. }, .. }) => {
                    prop_assert!(!text.contains(char::is_control));
                }
                Ok(_) => {}
                Err(refused) => prop_assert!(!refused.reason.contains(char::is_control)),
            }
        }
    }
}
