//! Offer and answer (RFC 3264) for one audio stream.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use sdp_types::{Connection, Direction, Media, MediaType, Origin, RtpMap, Session, Time, TransportProto};

use crate::media::codec::Codec;

const MAX_SDP: usize = 8 * 1024;
const MAX_FORMATS: usize = 64;
/// Payload types offered for telephone-event: one for each clock, as an event shares the clock of the speech.
const DTMF_TYPES: [(u8, u32); 2] = [(101, 8_000), (102, 16_000)];

/// Why two sides cannot talk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Not a session description that can be read.
    #[error("the other side's session description is malformed: {0}")]
    Malformed(&'static str),
    /// Nothing in common.
    #[error("no common codec: try --codec pcmu, or allow the codec on the box")]
    NoCommonCodec,
}

/// Our side of the stream.
#[derive(Debug, Clone)]
pub struct LocalMedia {
    /// Where we receive RTP.
    pub address: SocketAddrV4,
    /// What we speak, preferred first.
    pub codecs: Vec<Codec>,
}

/// telephone-event as agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DtmfFormat {
    /// RTP payload type.
    pub payload_type: u8,
    /// Ticks per second of its durations.
    pub clock_rate: u32,
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// Where the other side receives RTP.
    pub remote: SocketAddrV4,
    /// Speech.
    pub codec: Codec,
    /// Payload type that the other side gave the codec.
    pub payload_type: u8,
    /// Payload type that we gave it; the other side may use either.
    pub local_payload_type: u8,
    /// Keys, when the other side takes them.
    pub dtmf: Option<DtmfFormat>,
    /// Whether the other side wants to hear us (false: on hold).
    pub send: bool,
    /// Whether it will send.
    pub receive: bool,
}

/// The other side's audio stream as described, not yet matched with ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteMedia {
    address: SocketAddrV4,
    speech: Vec<(u8, Codec)>,
    dtmf: Vec<DtmfFormat>,
    direction: Direction,
}

impl RemoteMedia {
    /// Reads the first audio stream over plain RTP.
    ///
    /// # Errors
    /// [`SdpError::Malformed`] when there is none with an IPv4 address.
    pub fn parse(body: &[u8]) -> Result<Self, SdpError> {
        if body.len() > MAX_SDP {
            return Err(SdpError::Malformed("too long"));
        }
        let session = Session::parse(body).map_err(|_| SdpError::Malformed("not a session description"))?;
        let media = session
            .medias
            .iter()
            .find(|m| m.media == "audio" && m.proto.eq_ignore_ascii_case("RTP/AVP") && m.port != 0)
            .ok_or(SdpError::Malformed("no audio over RTP/AVP"))?;
        let connection = media.connections.first().or(session.connection.as_ref());
        let address = connection.and_then(|c| c.connection_address.parse().ok());
        let Some(IpAddr::V4(ip)) = address else { return Err(SdpError::Malformed("no IPv4 address")) };
        let (speech, dtmf) = formats(media);
        Ok(Self {
            address: SocketAddrV4::new(ip, media.port),
            speech,
            dtmf,
            direction: direction(media, &session),
        })
    }

    /// Matches this offer or answer with what we speak; the other side's order decides.
    ///
    /// # Errors
    /// [`SdpError::NoCommonCodec`].
    pub fn negotiate(&self, local: &LocalMedia) -> Result<Negotiated, SdpError> {
        let (payload_type, codec) = self
            .speech
            .iter()
            .find(|(_, codec)| local.codecs.contains(codec))
            .copied()
            .ok_or(SdpError::NoCommonCodec)?;
        let same_clock = self.dtmf.iter().find(|dtmf| dtmf.clock_rate == codec.clock_rate());
        let held = self.address.ip() == &Ipv4Addr::UNSPECIFIED;
        Ok(Negotiated {
            remote: self.address,
            codec,
            payload_type,
            local_payload_type: codec.payload_type(),
            dtmf: same_clock.or(self.dtmf.first()).copied(),
            send: self.direction.has_recv() && !held,
            receive: self.direction.has_send(),
        })
    }
}

fn formats(media: &Media) -> (Vec<(u8, Codec)>, Vec<DtmfFormat>) {
    let maps: Vec<RtpMap> = media.attributes_typed::<RtpMap>().flatten().take(MAX_FORMATS).collect();
    let (mut speech, mut dtmf) = (Vec::new(), Vec::new());
    for format in media.fmt.split_ascii_whitespace().take(MAX_FORMATS) {
        let Some(payload_type) = format.parse::<u8>().ok().filter(|t| *t < 128) else { continue };
        match maps.iter().find(|map| map.payload_type == payload_type) {
            Some(map) if map.encoding_name.eq_ignore_ascii_case("telephone-event") => {
                dtmf.push(DtmfFormat { payload_type, clock_rate: map.clock_rate });
            }
            Some(map) => {
                let channels = map.encoding_params.as_deref().map_or(Some(1), |text| text.parse().ok());
                let codec = Codec::from_rtpmap(&map.encoding_name, map.clock_rate, channels.unwrap_or(0));
                speech.extend(codec.map(|codec| (payload_type, codec)));
            }
            None => speech.extend(Codec::from_static_type(payload_type).map(|codec| (payload_type, codec))),
        }
    }
    (speech, dtmf)
}

fn direction(media: &Media, session: &Session) -> Direction {
    let names = [
        ("sendrecv", Direction::SendRecv),
        ("sendonly", Direction::SendOnly),
        ("recvonly", Direction::RecvOnly),
        ("inactive", Direction::Inactive),
    ];
    let find = |attributes: &[sdp_types::Attribute]| {
        names.into_iter().find(|(name, _)| attributes.iter().any(|a| a.attribute == *name)).map(|(_, d)| d)
    };
    find(&media.attributes).or_else(|| find(&session.attributes)).unwrap_or_default()
}

/// Our offer: all codecs, preferred first, and keys for each clock among them.
pub fn offer(local: &LocalMedia, version: u64) -> Vec<u8> {
    let speech: Vec<_> = local.codecs.iter().map(|codec| (codec.payload_type(), *codec)).collect();
    let dtmf: Vec<_> = DTMF_TYPES
        .into_iter()
        .filter(|(_, clock)| local.codecs.iter().any(|codec| codec.clock_rate() == *clock))
        .map(|(payload_type, clock_rate)| DtmfFormat { payload_type, clock_rate })
        .collect();
    describe(local, version, &speech, &dtmf, Direction::SendRecv)
}

/// Our answer to an offer: the one codec and the one key format agreed on, in the offer's numbers.
pub fn answer(local: &LocalMedia, version: u64, agreed: &Negotiated) -> Vec<u8> {
    let direction = match (agreed.send, agreed.receive) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    };
    let dtmf: Vec<_> = agreed.dtmf.into_iter().collect();
    describe(local, version, &[(agreed.payload_type, agreed.codec)], &dtmf, direction)
}

fn describe(
    local: &LocalMedia,
    version: u64,
    speech: &[(u8, Codec)],
    dtmf: &[DtmfFormat],
    direction: Direction,
) -> Vec<u8> {
    let types = speech.iter().map(|(t, _)| *t).chain(dtmf.iter().map(|d| d.payload_type));
    let list = types.map(|t| t.to_string()).collect::<Vec<_>>().join(" ");
    let mut media = Media::new(MediaType::Audio, local.address.port(), TransportProto::RtpAvp, list);
    for (payload_type, codec) in speech {
        let map = format!("{payload_type} {}/{}", codec.encoding_name(), codec.clock_rate());
        media.add_attribute_with_value("rtpmap", map);
    }
    for DtmfFormat { payload_type, clock_rate } in dtmf {
        media.add_attribute_with_value("rtpmap", format!("{payload_type} telephone-event/{clock_rate}"));
        media.add_attribute_with_value("fmtp", format!("{payload_type} 0-15"));
    }
    media.add_attribute_with_value("ptime", 20);
    media.add_attribute_from_str(direction);

    let ip = IpAddr::V4(*local.address.ip());
    let mut session = Session::new(Origin::with_ip_addr(local.address.port(), version, ip), "dragoman-phone");
    session.set_connection(Connection::from_ip_addr(ip));
    session.add_time(Time::new(0, 0));
    session.add_media(media);
    let mut text = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = session.write(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn local(codecs: &[Codec]) -> LocalMedia {
        LocalMedia { address: "127.0.0.1:4000".parse().unwrap(), codecs: codecs.to_vec() }
    }

    const ASTERISK: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=Asterisk\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
        m=audio 10002 RTP/AVP 118 0 101\r\na=rtpmap:118 L16/16000\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:70\r\na=sendrecv\r\n";

    #[test]
    fn an_asterisk_description() {
        let remote = RemoteMedia::parse(ASTERISK.as_bytes()).unwrap();
        let agreed = remote.negotiate(&local(&[Codec::Pcmu, Codec::L16])).unwrap();
        assert_eq!(agreed.remote, "127.0.0.1:10002".parse().unwrap());
        assert_eq!((agreed.codec, agreed.payload_type), (Codec::L16, 118));
        assert_eq!(agreed.dtmf, Some(DtmfFormat { payload_type: 101, clock_rate: 8000 }));
        assert!(agreed.send && agreed.receive);
        assert_eq!(remote.negotiate(&local(&[Codec::G722])), Err(SdpError::NoCommonCodec));
    }

    #[test]
    fn our_offer_and_our_answer_agree() {
        let alice = local(&Codec::ALL);
        let offer = RemoteMedia::parse(&offer(&alice, 1)).unwrap();
        let bob = local(&[Codec::G722, Codec::L16]);
        let agreed = offer.negotiate(&bob).unwrap();
        assert_eq!(agreed.codec, Codec::L16);
        assert_eq!(agreed.dtmf, Some(DtmfFormat { payload_type: 102, clock_rate: 16_000 }));
        let answer = RemoteMedia::parse(&answer(&bob, 1, &agreed)).unwrap();
        assert_eq!(answer.negotiate(&alice).unwrap().codec, Codec::L16);
    }

    #[test]
    fn a_static_type_needs_no_rtpmap_and_hold_is_seen() {
        let text = ASTERISK.replace("a=rtpmap:0 PCMU/8000\r\n", "").replace("sendrecv", "sendonly");
        let agreed = RemoteMedia::parse(text.as_bytes()).unwrap().negotiate(&local(&[Codec::Pcmu])).unwrap();
        assert_eq!((agreed.codec, agreed.send, agreed.receive), (Codec::Pcmu, false, true));
        let reply = answer(&local(&[Codec::Pcmu]), 2, &agreed);
        assert!(String::from_utf8(reply).unwrap().contains("a=recvonly"));
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        assert_eq!(RemoteMedia::parse(b""), Err(SdpError::Malformed("not a session description")));
        let video = ASTERISK.replace("m=audio", "m=video");
        assert_eq!(RemoteMedia::parse(video.as_bytes()), Err(SdpError::Malformed("no audio over RTP/AVP")));
        let v6 = ASTERISK.replace("IN IP4 127.0.0.1", "IN IP6 ::1");
        assert_eq!(RemoteMedia::parse(v6.as_bytes()), Err(SdpError::Malformed("no IPv4 address")));
    }

    proptest! {
        #[test]
        fn mutated_descriptions_never_panic(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        ) {
            let mut bytes = ASTERISK.as_bytes().to_vec();
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(remote) = RemoteMedia::parse(&bytes) {
                let _ = remote.negotiate(&local(&Codec::ALL));
            }
        }
    }
}
