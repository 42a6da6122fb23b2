//! What readers of the control socket may ask: one JSON object a line.

use std::net::SocketAddr;

use audio_path::LegId;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use session::Language;
use tokio::task::block_in_place;

use crate::hub::{Hub, Wish, now};
use crate::report::Report;
use crate::web::offers::{LIFETIME, Newcomer};

/// Longest line, bytes.
const LONGEST: usize = 8 << 10;

/// Bytes that were read and are no whole line yet.
#[derive(Default)]
pub(super) struct Lines(Vec<u8>);

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
enum Command {
    /// A speaker wants to be heard in his own voice, or does not.
    Consent { leg: u32, language: String, answer: Consent },
    /// A key of the phone, as if it had been pressed.
    Key { leg: u32, key: char },
    /// Who can be called was changed in the configuration.
    Reload,
    /// What a new phone is to read, once, and what is told to who sets it up.
    Offer { document: String, extension: String, name: String, language: String, at: SocketAddr },
}

/// What a line asks.
#[derive(Debug)]
pub enum Asked {
    /// Something of a leg.
    Wish(LegId, Wish),
    /// To hand a phone's account out, once.
    Offer(Newcomer, SecretString),
    /// To read anew who can be called.
    Reload,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Consent {
    Yes,
    No,
}

impl Lines {
    /// Takes what was read, and does what whole lines of it ask. What it answers to them.
    pub(super) fn take(&mut self, bytes: &[u8], hub: &Hub) -> Vec<Report> {
        let mut answers = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' => answers.push(obey(&std::mem::take(&mut self.0), hub)),
                _ if self.0.len() <= LONGEST => self.0.push(*byte),
                _ => {}
            }
        }
        answers
    }
}

fn obey(line: &[u8], hub: &Hub) -> Report {
    let answer = parse(line).and_then(|asked| match asked {
        Asked::Wish(leg, wish) => hub.wish(leg, wish).map(|()| Report::new("obeyed", json!({}))),
        // A disk that stalls holds no other task up.
        Asked::Reload => {
            block_in_place(|| hub.reload()).map(|phones| Report::new("reloaded", json!({ "phones": phones })))
        }
        Asked::Offer(newcomer, account) => hub.offers.offer(newcomer, account, now()).map(|tokens| {
            let [path, page] = [format!("/provision/{}", tokens.account), format!("/phones/{}", tokens.page)];
            Report::new("offered", json!({ "path": path, "page": page, "seconds": LIFETIME.as_secs() }))
        }),
    });
    answer.unwrap_or_else(|reason| Report::error("control", &reason))
}

/// What a line asks, or why it is no command.
///
/// # Errors
/// Where it is none.
pub fn parse(line: &[u8]) -> Result<Asked, String> {
    if line.len() > LONGEST {
        return Err(format!("a command has at most {LONGEST} bytes"));
    }
    match serde_json::from_slice(line).map_err(|error| format!("this is no command: {error}"))? {
        Command::Consent { leg, language, answer } => {
            let language = spoken(&language)?;
            let yes = matches!(answer, Consent::Yes);
            Ok(Asked::Wish(LegId(leg), Wish::Consent { language, yes }))
        }
        Command::Key { leg, key } => Ok(Asked::Wish(LegId(leg), Wish::Key(key))),
        Command::Reload => Ok(Asked::Reload),
        Command::Offer { document, extension, name, language, at } => {
            let newcomer = Newcomer { extension, name, language: spoken(&language)?, at };
            Ok(Asked::Offer(newcomer, document.into()))
        }
    }
}

fn spoken(language: &str) -> Result<Language, String> {
    language.parse().map_err(|error| format!("language: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_or_told_why_not() {
        let consent = br#"{"command":"consent","leg":3,"language":"en-US","answer":"yes"}"#;
        let wish = Wish::Consent { language: "en".parse().unwrap(), yes: true };
        let wished = |line: &[u8]| match parse(line) {
            Ok(Asked::Wish(leg, wish)) => (leg, wish),
            other => panic!("{other:?}"),
        };
        assert_eq!(wished(consent), (LegId(3), wish));
        assert_eq!(wished(br#"{"command":"key","leg":3,"key":"1"}"#), (LegId(3), Wish::Key('1')));
        let offer = parse(
            br#"{"command":"offer","document":"<secret/>","extension":"102","name":"Door","language":"es","at":"[::1]:80"}"#,
        );
        assert!(matches!(offer, Ok(Asked::Offer(..))) && !format!("{offer:?}").contains("secret/"));
        let long = [b'x'; LONGEST + 1];
        let refused: [&[u8]; 7] = [
            b"",
            b"\xff",
            br#"{"command":"hang-up","leg":3}"#,
            br#"{"command":"key","leg":3,"key":"12"}"#,
            br#"{"command":"consent","leg":3,"language":"x","answer":"yes"}"#,
            br#"{"command":"offer","document":"x","extension":"1","name":"D","language":"es","at":"a.example:80"}"#,
            &long,
        ];
        for line in refused {
            assert!(parse(line).is_err(), "{}", String::from_utf8_lossy(line));
        }
    }
}
