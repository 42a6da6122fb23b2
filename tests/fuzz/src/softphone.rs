use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use softphone::Codec;
use softphone::media::stream::Stream;
use softphone::sdp::{self, DtmfFormat, LocalMedia, Negotiated, RemoteMedia};
use softphone::sip::agent::{Account, AgentEvent, UserAgent};
use softphone::sip::digest::{Challenge, Credentials, Session};
use softphone::sip::ids::IdSource;

use crate::pieces::datagrams;

const PHONE: SocketAddrV4 = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 5070);
const BOX: SocketAddrV4 = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 5060);

fn media() -> LocalMedia {
    LocalMedia { address: SocketAddrV4::new(*PHONE.ip(), 4000), codecs: Codec::ALL.to_vec() }
}

fn credentials() -> Credentials {
    Credentials { user: "101".into(), secret: "secret".into() }
}

/// A line that registers and calls, and what comes to it in the seconds after.
pub(crate) fn sip(input: &[u8]) -> bool {
    let account = Account {
        user: "101".into(),
        domain: BOX.to_string(),
        server: BOX,
        credentials: Some(credentials()),
        local: PHONE,
    };
    let mut line = UserAgent::new(account, IdSource::with_seed([1; 16]));
    let mut now = Instant::now();
    line.register(now);
    let mut messages = 0_u64;
    for (number, datagram) in datagrams(input).enumerate() {
        if number == 1 && datagram.starts_with(b"SIP/2.0") {
            drop(line.invite("700", media(), now));
        }
        line.on_datagram(datagram, BOX, now);
        while let Some(event) = line.poll_event() {
            if matches!(event, AgentEvent::Incoming { .. }) {
                line.answer(&media(), now);
            }
        }
        now += Duration::from_millis(300);
        line.on_timer(now);
        messages += 1;
    }
    line.hang_up(now);
    for _ in 0..20 {
        now += Duration::from_secs(4);
        line.on_timer(now);
    }
    while line.poll_transmit().is_some() {}
    messages > line.malformed()
}

/// An offer, our answer to it, and that as the other side reads it.
pub(crate) fn sdp(input: &[u8]) -> bool {
    let Ok(remote) = RemoteMedia::parse(input) else { return false };
    let Ok(agreed) = remote.negotiate(&media()) else { return false };
    let answer = sdp::answer(&media(), 1, &agreed);
    let read = RemoteMedia::parse(&answer).expect("our answer is a session description");
    let theirs = read.negotiate(&media()).expect("with a codec that we have");
    assert_eq!(theirs.codec, agreed.codec);
    true
}

/// A challenge, answered twice.
pub(crate) fn digest(input: &[u8]) -> bool {
    let Ok(value) = std::str::from_utf8(input) else { return false };
    let Some(challenge) = Challenge::choose(value.lines()) else { return false };
    let mut session = Session::new(challenge);
    for method in ["REGISTER", "INVITE"] {
        let header = session.authorize(&credentials(), method, "sip:127.0.0.1", "c");
        assert!(!header.contains(char::is_control), "{header:?}");
    }
    true
}

/// Speech and keys, heard as they come, with each codec.
pub(crate) fn rtp(input: &[u8]) -> bool {
    let mut understood = false;
    for codec in Codec::ALL {
        let mut stream = Stream::new(agreed(codec), Duration::from_millis(60), [1, 2, 3]);
        let mut now = Instant::now();
        let mut frame = vec![0; codec.frame_samples()];
        for datagram in datagrams(input) {
            understood |= stream.on_datagram(datagram, BOX, now).is_some();
            understood |= stream.hear(&mut frame, now).is_some();
            now += Duration::from_millis(20);
        }
    }
    understood
}

/// With payload types that the seeds use.
fn agreed(codec: Codec) -> Negotiated {
    Negotiated {
        remote: BOX,
        codec,
        payload_type: codec.payload_type(),
        local_payload_type: 0,
        dtmf: Some(DtmfFormat { payload_type: 101, clock_rate: codec.clock_rate() }),
        send: true,
        receive: true,
    }
}
