//! What ARI says: events, and the list of channels.

use serde::Deserialize;

/// The longest text that is kept of what a message says.
const LONGEST: usize = 128;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type")]
#[expect(missing_docs, reason = "the names and fields are ARI's own")]
pub enum Event {
    ChannelCreated {
        channel: Channel,
    },
    ChannelStateChange {
        channel: Channel,
    },
    ChannelEnteredBridge {
        channel: Option<Channel>,
    },
    ChannelLeftBridge {
        channel: Channel,
    },
    ChannelHangupRequest {
        channel: Channel,
        cause: Option<u32>,
    },
    ChannelDestroyed {
        channel: Channel,
        cause: u32,
    },
    /// The dialplan tells something.
    ChannelUserevent {
        channel: Option<Channel>,
        eventname: String,
        #[serde(default)]
        userevent: Told,
    },
    /// Any other.
    #[serde(other)]
    Other,
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Channel {
    /// Its unique id.
    pub id: String,
    /// Such as `PJSIP/101-00000003`, `SlinPipe/700-1732.5-101`.
    pub name: String,
    /// Such as `Ring`, `Up`.
    pub state: String,
}

/// What the dialplan says of a caller whom it refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Told {
    /// One of the dialplan's words.
    pub reason: String,
    /// What was dialled.
    pub dialled: String,
}

impl Event {
    /// Reads one. What ARI may send and is of no use here is [`Event::Other`].
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

impl Channel {
    /// Reads a list of them.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse_list(bytes: &[u8]) -> Result<Vec<Self>, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// The leg that it is the Asterisk end of.
    pub fn leg(&self) -> Option<&str> {
        self.name.strip_prefix("SlinPipe/")
    }

    /// The number of the phone that it leads to.
    pub fn phone(&self) -> Option<&str> {
        let (phone, _) = self.name.strip_prefix("PJSIP/")?.rsplit_once('-')?;
        Some(phone)
    }
}

/// What is fit to be logged and shown of a text from outside.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(LONGEST).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_others_passed_over() {
        let channel =
            r#"{"id":"1.2","name":"PJSIP/101-00000001","state":"Up","caller":{"name":"","number":"101"}}"#;
        let event = |text: &str| Event::parse(text.replace("CHANNEL", channel).as_bytes());
        let known = Channel { id: "1.2".into(), name: "PJSIP/101-00000001".into(), state: "Up".into() };
        assert_eq!(known.phone(), Some("101"));
        assert_eq!(
            event(
                r#"{"type":"ChannelDestroyed","cause":16,"cause_txt":"Normal Clearing","channel":CHANNEL}"#
            ),
            Ok(Event::ChannelDestroyed { channel: known.clone(), cause: 16 })
        );
        let told = Told { reason: "full".into(), dialled: "700".into() };
        assert_eq!(
            event(
                r#"{"type":"ChannelUserevent","eventname":"Refused","channel":CHANNEL,
                    "userevent":{"eventname":"Refused","Reason":"full","Dialled":"700"}}"#
            ),
            Ok(Event::ChannelUserevent {
                channel: Some(known),
                eventname: "Refused".into(),
                userevent: told
            })
        );
        assert_eq!(event(r#"{"type":"ChannelVarset","variable":"a","value":"b"}"#), Ok(Event::Other));
        for text in
            ["", "[]", "{}", r#"{"type":"ChannelCreated"}"#, r#"{"type":"ChannelCreated","channel":1}"#]
        {
            assert!(event(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_short_and_plain() {
        assert_eq!(shown("a\nb\u{1b}c"), "abc");
        assert_eq!(shown(&"é".repeat(1_000)).chars().count(), LONGEST);
    }
}
