//! The ways in beside the channel driver's pipes.

use std::net::{IpAddr, SocketAddr};

use audio_path::audiosocket::CallId;
use audio_path::codec::Codec;
use serde::Deserialize;
use toml::Spanned;

use super::{Fault, Room};

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

/// A sound card of the box.
#[derive(Clone, Debug)]
pub struct Alsa {
    /// The room it is in.
    pub extension: String,
    /// Its name as ALSA knows it.
    pub device: String,
}

/// Where AudioSocket senders connect.
#[derive(Clone, Debug)]
pub struct AudioSocket {
    /// The address it listens at.
    pub listen: SocketAddr,
    /// Which UUID leads to which room.
    pub calls: Vec<(CallId, String)>,
}

/// Where the RTP of one call is waited for.
#[derive(Clone, Debug)]
pub struct Rtp {
    /// The room it leads to.
    pub extension: String,
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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RtpTable {
    extension: Spanned<String>,
    listen: Spanned<String>,
    peer: Option<Spanned<String>>,
    codec: CodecName,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlsaTable {
    extension: Spanned<String>,
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
}

impl AudioSocket {
    fn read(table: AudioSocketTable, rooms: &[Room]) -> Result<Self, Fault> {
        let listen = address("audiosocket.listen", "127.0.0.1:9092", &table.listen)?;
        if table.call.is_empty() {
            let advice = "audiosocket: no [[audiosocket.call]] names a uuid, so nobody could call";
            return Err((Some(table.listen.span()), advice.into()));
        }
        let mut calls: Vec<(CallId, String)> = Vec::new();
        for call in table.call {
            let fault = |advice: &str| (Some(call.uuid.span()), format!("audiosocket.call.uuid: {advice}"));
            let id = CallId::parse(call.uuid.get_ref())
                .ok_or_else(|| fault("write a UUID; `uuidgen` makes one"))?;
            if calls.iter().any(|(known, _)| *known == id) {
                return Err(fault("it is there twice; give each room its own"));
            }
            calls.push((id, extension("audiosocket.call.extension", &call.extension, rooms)?));
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
        Ok(Self { extension: extension("rtp.extension", &table.extension, rooms)?, listen, peer, codec })
    }
}

impl Alsa {
    fn read(table: &AlsaTable, rooms: &[Room]) -> Result<Self, Fault> {
        let device = table.device.get_ref();
        if device.is_empty() || device.contains(char::is_control) {
            let advice = "alsa.device: write a name that `aplay -L` lists, such as \"plughw:CARD=Device\"";
            return Err((Some(table.device.span()), advice.into()));
        }
        Ok(Self { extension: extension("alsa.extension", &table.extension, rooms)?, device: device.clone() })
    }
}

fn address(key: &str, example: &str, text: &Spanned<String>) -> Result<SocketAddr, Fault> {
    let advice = || (Some(text.span()), format!("{key}: write ADDRESS:PORT, such as \"{example}\""));
    text.get_ref().parse().map_err(|_| advice())
}

fn extension(key: &str, text: &Spanned<String>, rooms: &[Room]) -> Result<String, Fault> {
    let extension = text.get_ref();
    if rooms.iter().any(|room| room.extension == *extension) {
        return Ok(extension.clone());
    }
    Err((Some(text.span()), format!("{key}: no [[room]] is dialled as {extension}")))
}
