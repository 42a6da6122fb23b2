//! From a datagram to a checked message.
//!
//! `rsip` rejects folded header lines, leaves compact header names unknown and repeats the whole message in its
//! errors, so a datagram is brought into plain form and capped before `rsip` sees it, and its errors are not passed on.

use rsip::message::HeadersExt as _;
use rsip::prelude::{HasHeaders as _, UntypedHeader as _};
use rsip::{Headers, Method, SipMessage};

/// The longest datagram looked at, in bytes.
pub const MAX_DATAGRAM: usize = 16 * 1024;
const MAX_HEADERS: usize = 128;

/// Why a datagram is no message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WireError {
    /// Only blanks and line ends: a keep-alive of the other side.
    #[error("keep-alive")]
    KeepAlive,
    /// Longer than [`MAX_DATAGRAM`] or with too many headers.
    #[error("too large: {0}")]
    TooLarge(&'static str),
    /// A line or header that cannot be understood.
    #[error("malformed: {0}")]
    Malformed(&'static str),
}

/// The headers that every message must carry, taken out once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// `Call-ID`.
    pub call_id: String,
    /// Number in `CSeq`.
    pub cseq: u32,
    /// Method in `CSeq`.
    pub method: Method,
    /// `branch` of the topmost `Via`.
    pub branch: String,
    /// `tag` of `From`.
    pub from_tag: String,
    /// `tag` of `To`, absent in a request that opens a dialog.
    pub to_tag: Option<String>,
}

/// A message with its checked envelope.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// As parsed by `rsip`.
    pub message: SipMessage,
    /// What every message carries.
    pub envelope: Envelope,
}

/// Reads one datagram.
///
/// # Errors
/// [`WireError`] for anything that is not a well-formed SIP/2.0 message; never panics.
pub fn parse(datagram: &[u8]) -> Result<Inbound, WireError> {
    let plain = plain_form(datagram)?;
    let message = SipMessage::try_from(plain.as_slice()).map_err(|_| WireError::Malformed("not SIP/2.0"))?;
    let envelope = envelope(&message)?;
    Ok(Inbound { message, envelope })
}

/// Unfolds lines, spells out compact names and cuts the body to `Content-Length`.
fn plain_form(datagram: &[u8]) -> Result<Vec<u8>, WireError> {
    if datagram.len() > MAX_DATAGRAM {
        return Err(WireError::TooLarge("datagram"));
    }
    if datagram.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(WireError::KeepAlive);
    }
    let end = find(datagram, b"\r\n\r\n").ok_or(WireError::Malformed("no end of headers"))?;
    let head =
        std::str::from_utf8(&datagram[..end]).map_err(|_| WireError::Malformed("headers are not UTF-8"))?;
    // Some of it is repeated in what we answer: a bare line end there would begin another header.
    if head.split("\r\n").any(|line| line.contains(|c: char| c.is_control() && c != '\t')) {
        return Err(WireError::Malformed("control character in a header"));
    }
    let body = &datagram[end + 4..];
    let (start_line, headers) = split_headers(head)?;

    let mut plain = Vec::with_capacity(datagram.len() + 64);
    plain.extend_from_slice(start_line.as_bytes());
    plain.extend_from_slice(b"\r\n");
    for (name, value) in &headers {
        plain.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    plain.extend_from_slice(b"\r\n");
    plain.extend_from_slice(cut_body(body, &headers)?);
    Ok(plain)
}

/// Name and value.
type Line = (String, String);

fn split_headers(head: &str) -> Result<(&str, Vec<Line>), WireError> {
    let mut lines = head.split("\r\n");
    let start_line =
        lines.next().filter(|line| !line.is_empty()).ok_or(WireError::Malformed("no first line"))?;
    let mut headers: Vec<Line> = Vec::new();
    for line in lines {
        if line.starts_with([' ', '\t']) {
            let (_, value) = headers.last_mut().ok_or(WireError::Malformed("folded first header"))?;
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        if headers.len() == MAX_HEADERS {
            return Err(WireError::TooLarge("number of headers"));
        }
        let (name, value) = line.split_once(':').ok_or(WireError::Malformed("header without a colon"))?;
        let name = full_name(name.trim());
        // A list in one line is the same as several lines; only Via is read line by line.
        if name.eq_ignore_ascii_case("via") {
            headers.extend(split_list(value).map(|via| (name.to_owned(), via.to_owned())));
        } else {
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    Ok((start_line, headers))
}

fn cut_body<'a>(body: &'a [u8], headers: &[Line]) -> Result<&'a [u8], WireError> {
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let Some((_, length)) = length else { return Ok(body) };
    let length: usize = length.parse().map_err(|_| WireError::Malformed("Content-Length"))?;
    body.get(..length).ok_or(WireError::Malformed("body shorter than Content-Length"))
}

fn full_name(name: &str) -> &str {
    let compact = [
        ("i", "Call-ID"),
        ("m", "Contact"),
        ("e", "Content-Encoding"),
        ("l", "Content-Length"),
        ("c", "Content-Type"),
        ("f", "From"),
        ("s", "Subject"),
        ("k", "Supported"),
        ("t", "To"),
        ("v", "Via"),
    ];
    compact.iter().find(|(short, _)| short.eq_ignore_ascii_case(name)).map_or(name, |(_, full)| full)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn envelope(message: &SipMessage) -> Result<Envelope, WireError> {
    let via = message.via_header().map_err(|_| WireError::Malformed("no Via"))?.value();
    let call_id = message.call_id_header().map_err(|_| WireError::Malformed("no Call-ID"))?.value();
    let from = message.from_header().map_err(|_| WireError::Malformed("no From"))?.value();
    let to = message.to_header().map_err(|_| WireError::Malformed("no To"))?.value();
    let cseq = message.cseq_header().map_err(|_| WireError::Malformed("no CSeq"))?.value();
    let (number, method) = cseq.trim().split_once(char::is_whitespace).ok_or(WireError::Malformed("CSeq"))?;
    let method: Method = method.trim().parse().map_err(|_| WireError::Malformed("CSeq method"))?;
    if let SipMessage::Request(request) = message
        && request.method != method
    {
        return Err(WireError::Malformed("CSeq names another method"));
    }
    Ok(Envelope {
        call_id: call_id.trim().to_owned(),
        cseq: number.parse().map_err(|_| WireError::Malformed("CSeq number"))?,
        method,
        branch: param(via, "branch").ok_or(WireError::Malformed("Via without branch"))?.to_owned(),
        from_tag: param(from, "tag").unwrap_or_default().to_owned(),
        to_tag: param(to, "tag").map(str::to_owned),
    })
}

/// The value of `;name=value` behind the address of a header, without quotes.
pub fn param<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let params = header.rfind('>').map_or(header, |end| &header[end + 1..]);
    params.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

/// The URI of a `From`, `To`, `Contact` or `Route` value.
pub fn uri_of(header: &str) -> &str {
    match header.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or_default().trim(),
        None => header.split(';').next().unwrap_or_default().trim(),
    }
}

/// The user part of a `From`, `To` or `Contact` value, empty when there is none.
pub fn user_of(header: &str) -> &str {
    let uri = uri_of(header);
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or("", |(user, _)| user)
}

/// The members of a comma-separated header; commas inside quotes and angle brackets do not split.
pub fn split_list(value: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut angled) = (false, false);
    value
        .split(move |c| {
            match c {
                '"' => quoted = !quoted,
                '<' if !quoted => angled = true,
                '>' if !quoted => angled = false,
                _ => {}
            }
            c == ',' && !quoted && !angled
        })
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// All values of the headers that `pick` selects, in order.
pub fn values<'a>(headers: &'a Headers, pick: impl Fn(&'a rsip::Header) -> Option<&'a str>) -> Vec<&'a str> {
    headers.iter().filter_map(pick).collect()
}

/// The headers of either kind of message.
pub fn headers(message: &SipMessage) -> &Headers {
    message.headers()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INVITE: &str = "INVITE sip:101@127.0.0.1:40000 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bKPj1\r\n\
        From: \"Box, the\" <sip:700@127.0.0.1>;tag=abc\r\nTo: <sip:101@127.0.0.1;ob>\r\n\
        Contact: <sip:asterisk@127.0.0.1:5060>\r\nCall-ID: 12-34\r\nCSeq: 4711 INVITE\r\n\
        Supported: 100rel, timer\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\n\
        Content-Length: 4\r\n\r\nv=0\n";
    const COMPACT: &str = "SIP/2.0 401 Unauthorized\r\nv: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bKx;rport=1\r\n\
        f: <sip:1@h>;tag=a\r\nt: <sip:1@h>;tag=b\r\ni: c\r\nCSeq : 1 REGISTER\r\n\
        WWW-Authenticate: Digest realm=\"asterisk\",\r\n  nonce=\"n\"\r\nl: 0\r\n\r\n";

    #[test]
    fn the_envelope_of_a_request() {
        let inbound = parse(INVITE.as_bytes()).unwrap();
        assert_eq!(
            inbound.envelope,
            Envelope {
                call_id: "12-34".into(),
                cseq: 4711,
                method: Method::Invite,
                branch: "z9hG4bKPj1".into(),
                from_tag: "abc".into(),
                to_tag: None,
            }
        );
        assert_eq!(inbound.message.body(), b"v=0\n");
    }

    #[test]
    fn compact_names_and_folded_lines_are_understood() {
        let inbound = parse(COMPACT.as_bytes()).unwrap();
        assert_eq!(inbound.envelope.to_tag.as_deref(), Some("b"));
        let challenge = inbound.message.www_authenticate_header().unwrap().value();
        assert_eq!(challenge, "Digest realm=\"asterisk\", nonce=\"n\"");
    }

    #[test]
    fn what_is_no_message_is_refused_with_a_reason() {
        assert_eq!(parse(b"\r\n\r\n").unwrap_err(), WireError::KeepAlive);
        assert_eq!(parse(&vec![b'a'; MAX_DATAGRAM + 1]).unwrap_err(), WireError::TooLarge("datagram"));
        let short = INVITE.replace("Content-Length: 4", "Content-Length: 5");
        assert_eq!(
            parse(short.as_bytes()).unwrap_err(),
            WireError::Malformed("body shorter than Content-Length")
        );
        let other = INVITE.replace("4711 INVITE", "4711 BYE");
        assert_eq!(parse(other.as_bytes()).unwrap_err(), WireError::Malformed("CSeq names another method"));
    }

    #[test]
    fn addresses_and_parameters() {
        let from = "\"a <b\" <sip:700@127.0.0.1;x=1>;tag=t;y";
        assert_eq!(param(from, "tag"), Some("t"));
        assert_eq!(param(from, "x"), None);
        assert_eq!(uri_of("<sip:1@h:5;lr>"), "sip:1@h:5;lr");
        assert_eq!(user_of("sip:102@h;tag=1"), "102");
        let list: Vec<_> = split_list("<sip:a,b@h>, \"x,y\" <sip:c@h>").collect();
        assert_eq!(list, ["<sip:a,b@h>", "\"x,y\" <sip:c@h>"]);
    }

    proptest! {
        #[test]
        fn mutated_messages_never_panic(
            which in 0..2usize,
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..24),
        ) {
            let mut bytes = [INVITE, COMPACT][which].as_bytes().to_vec();
            for (at, byte, kind) in edits {
                let at = at.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ if bytes.len() > 1 => { bytes.remove(at); }
                    _ => {}
                }
            }
            let _ = parse(&bytes);
        }
    }
}
