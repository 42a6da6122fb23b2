//! The ways in beside the channel driver's pipes.

use std::net::{IpAddr, SocketAddr};

use audio_path::audiosocket::CallId;
use audio_path::codec::Codec;
use serde::Deserialize;
use session::Language;
use toml::Spanned;

use super::language::language;
use super::{Fault, Room, RoomKind};

/// The ways in beside the pipes.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    /// Where AudioSocket senders connect.
    pub audiosocket: Option<AudioSocket>,
    /// Where RTP is waited for, one call each.
    pub rtp: Vec<Rtp>,
    /// A handset or a speakerphone at the box itself.
    pub alsa: Option<Alsa>,
}

/// Who is at a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The room that he is in.
    pub extension: String,
    /// What he speaks, where the room is a conference.
    pub language: Option<Language>,
    /// What he is called, where that is known.
    pub name: Option<String>,
}

/// A sound card of the box.
#[derive(Clone, Debug)]
pub struct Alsa {
    /// Who is at it.
    pub caller: Caller,
    /// Its name as ALSA knows it.
    pub device: String,
}

/// Where AudioSocket senders connect.
#[derive(Clone, Debug)]
pub struct AudioSocket {
    /// The address it listens at.
    pub listen: SocketAddr,
    /// Who is at the other side of which UUID.
    pub calls: Vec<(CallId, Caller)>,
}

/// Where the RTP of one call is waited for.
#[derive(Clone, Debug)]
pub struct Rtp {
    /// Who sends it.
    pub caller: Caller,
    /// The address it listens at.
    pub listen: SocketAddr,
    /// The only machine that is listened to.
    pub peer: IpAddr,
    /// What both sides send.
    pub codec: Codec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AudioSocketTable {
    listen: Spanned<String>,
    #[serde(default)]
    call: Vec<CallTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallTable {
    uuid: Spanned<String>,
    extension: Spanned<String>,
    language: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RtpTable {
    extension: Spanned<String>,
    language: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    listen: Spanned<String>,
    peer: Option<Spanned<String>>,
    codec: CodecName,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlsaTable {
    extension: Spanned<String>,
    language: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    device: Spanned<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CodecName {
    Ulaw,
    Alaw,
    G722,
}

impl Ports {
    pub(super) fn read(
        audiosocket: Option<AudioSocketTable>,
        rtp: &[RtpTable],
        alsa: Option<&AlsaTable>,
        rooms: &[Room],
    ) -> Result<Self, Fault> {
        let audiosocket = audiosocket.map(|table| AudioSocket::read(table, rooms)).transpose()?;
        let rtp = rtp.iter().map(|table| Rtp::read(table, rooms)).collect::<Result<Vec<_>, _>>()?;
        let alsa = alsa.map(|table| Alsa::read(table, rooms)).transpose()?;
        Ok(Self { audiosocket, rtp, alsa })
    }

    pub(super) fn languages(&self) -> impl Iterator<Item = Language> {
        let calls = self.audiosocket.iter().flat_map(|door| door.calls.iter().map(|(_, caller)| caller));
        let rtp = self.rtp.iter().map(|call| &call.caller);
        let card = self.alsa.iter().map(|card| &card.caller);
        calls.chain(rtp).chain(card).filter_map(|caller| caller.language)
    }
}

impl AudioSocket {
    fn read(table: AudioSocketTable, rooms: &[Room]) -> Result<Self, Fault> {
        let listen = address("audiosocket.listen", "127.0.0.1:9092", &table.listen)?;
        if table.call.is_empty() {
            let advice = "audiosocket: no [[audiosocket.call]] names a uuid, so nobody could call";
            return Err((Some(table.listen.span()), advice.into()));
        }
        let mut calls: Vec<(CallId, Caller)> = Vec::new();
        for call in table.call {
            let fault = |advice: &str| (Some(call.uuid.span()), format!("audiosocket.call.uuid: {advice}"));
            let id = CallId::parse(call.uuid.get_ref())
                .ok_or_else(|| fault("write a UUID; `uuidgen` makes one"))?;
            if calls.iter().any(|(known, _)| *known == id) {
                return Err(fault("it is there twice; give each room its own"));
            }
            let CallTable { extension, language, name, .. } = &call;
            calls.push((id, Caller::read("audiosocket.call", extension, [language, name], rooms)?));
        }
        Ok(Self { listen, calls })
    }
}

impl Rtp {
    fn read(table: &RtpTable, rooms: &[Room]) -> Result<Self, Fault> {
        let listen: SocketAddr = address("rtp.listen", "127.0.0.1:4000", &table.listen)?;
        let peer = match &table.peer {
            Some(peer) => peer.get_ref().parse().map_err(|_| {
                (Some(peer.span()), "rtp.peer: write an address, such as \"192.168.1.20\"".to_owned())
            })?,
            None if listen.ip().is_loopback() => listen.ip(),
            None => {
                let advice = "rtp.peer: name the only machine that is to be listened to";
                return Err((Some(table.listen.span()), advice.into()));
            }
        };
        let codec = match table.codec {
            CodecName::Ulaw => Codec::Ulaw,
            CodecName::Alaw => Codec::Alaw,
            CodecName::G722 => Codec::G722,
        };
        let RtpTable { extension, language, name, .. } = table;
        let caller = Caller::read("rtp", extension, [language, name], rooms)?;
        Ok(Self { caller, listen, peer, codec })
    }
}

impl Alsa {
    fn read(table: &AlsaTable, rooms: &[Room]) -> Result<Self, Fault> {
        let device = table.device.get_ref();
        if device.is_empty() || device.contains(char::is_control) {
            let advice = "alsa.device: write a name that `aplay -L` lists, such as \"plughw:CARD=Device\"";
            return Err((Some(table.device.span()), advice.into()));
        }
        let AlsaTable { extension, language, name, .. } = table;
        let caller = Caller::read("alsa", extension, [language, name], rooms)?;
        if rooms.iter().any(|room| room.extension == caller.extension && room.pin.is_some()) {
            let advice = "alsa.extension: that room has a PIN, and a sound card has no keys; choose another";
            return Err((Some(extension.span()), advice.into()));
        }
        Ok(Self { caller, device: device.clone() })
    }
}

fn address(key: &str, example: &str, text: &Spanned<String>) -> Result<SocketAddr, Fault> {
    let advice = || (Some(text.span()), format!("{key}: write ADDRESS:PORT, such as \"{example}\""));
    text.get_ref().parse().map_err(|_| advice())
}

impl Caller {
    fn read(
        key: &str,
        extension: &Spanned<String>,
        [spoken, name]: [&Option<Spanned<String>>; 2],
        rooms: &[Room],
    ) -> Result<Self, Fault> {
        let fault = |at: &Spanned<String>, advice: String| Err((Some(at.span()), advice));
        let dialled = extension.get_ref();
        let Some(room) = rooms.iter().find(|room| room.extension == *dialled) else {
            return fault(extension, format!("{key}.extension: no [[room]] is dialled as {dialled}"));
        };
        let is_conference = matches!(room.kind, RoomKind::Conference(_));
        match spoken {
            None if is_conference => {
                let advice = format!("{key}.language: {dialled} is a conference; say what is spoken here");
                return fault(extension, advice);
            }
            Some(spoken) if !is_conference => {
                let advice = format!("{key}.language: {dialled} is no conference; remove the key");
                return fault(spoken, advice);
            }
            _ => {}
        }
        if let Some(name) = name.as_ref().filter(|name| !is_name(name.get_ref())) {
            return fault(name, format!("{key}.name: write 1 to 64 letters, as people are called"));
        }
        let language =
            spoken.as_ref().map(|spoken| language(&format!("{key}.language"), spoken)).transpose()?;
        let name = name.as_ref().map(|name| name.get_ref().clone());
        Ok(Self { extension: dialled.clone(), language, name })
    }
}

fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= 64 && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{ConfigError, read};

    fn ports(alsa: &str, rtp: &str) -> Result<Ports, ConfigError> {
        let text = format!(
            "[alsa]\ndevice = \"default\"\n{alsa}\n[[rtp]]\nlisten = \"127.0.0.1:4000\"\ncodec = \"ulaw\"\n{rtp}\n\
             [[room]]\nextension = \"790\"\nkind = \"echo\"\n\
             [[room]]\nextension = \"800\"\nkind = \"conference\"\n\
             [[room]]\nextension = \"801\"\nkind = \"conference\"\npin = \"2468\"\n"
        );
        read(Path::new("c.toml"), &text).map(|config| config.ports)
    }

    #[test]
    fn in_a_conference_it_is_known_what_is_spoken_at_a_port() {
        let ports =
            ports("extension = \"790\"", "extension = \"801\"\nlanguage = \"es\"\nname = \"Gate\"").unwrap();
        let gate = Caller { extension: "801".into(), language: "es".parse().ok(), name: Some("Gate".into()) };
        assert_eq!(ports.rtp[0].caller, gate);
        let card = Caller { extension: "790".into(), language: None, name: None };
        assert_eq!(ports.alsa.unwrap().caller, card);
    }

    #[test]
    fn faults_name_line_and_key() {
        let good = "extension = \"790\"";
        for (alsa, rtp, line, words) in [
            ("extension = \"800\"", good, 3, "alsa.language: 800 is a conference"),
            (good, "extension = \"800\"", 7, "rtp.language: 800 is a conference"),
            (good, "extension = \"790\"\nlanguage = \"es\"", 8, "rtp.language: 790 is no conference"),
            (good, "extension = \"800\"\nlanguage = \"xx\"", 8, "rtp.language: \"xx\""),
            (good, "extension = \"790\"\nname = \" \"", 8, "rtp.name"),
            (good, "extension = \"799\"", 7, "rtp.extension: no [[room]]"),
            ("extension = \"801\"\nlanguage = \"es\"", good, 3, "has a PIN"),
        ] {
            let message = ports(alsa, rtp).unwrap_err().to_string();
            assert!(message.starts_with(&format!("c.toml:{line}: ")) && message.contains(words), "{message}");
        }
    }
}
