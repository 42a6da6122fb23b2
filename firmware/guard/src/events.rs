//! Asterisk's security events, as its manager interface writes them.

use std::net::IpAddr;

/// A line's first bytes; the rest says nothing here.
const LONGEST_LINE: usize = 512;
/// No phone's number is longer.
const LONGEST_PHONE: usize = 32;
/// Whom a password is for that is for no phone of the box.
const NOBODY: &str = "<unknown>";

/// What Asterisk tells of somebody who says who he is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A right password came from this address.
    Succeeded(IpAddr),
    /// A wrong password, or one for nobody.
    Failed {
        /// Where it came from.
        from: IpAddr,
        /// The phone of the box that it was for, in characters that can be shown.
        phone: Option<String>,
    },
}

/// Bytes become events.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    name: Name,
    of_sip: bool,
    from: Option<IpAddr>,
    phone: Option<String>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Name {
    #[default]
    Other,
    Succeeded,
    Failed,
}

impl Reader {
    /// Takes what was read.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                events.extend(self.end_line());
            } else if self.line.len() < LONGEST_LINE {
                self.line.push(*byte);
            }
        }
        events
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let Some((key, value)) = line.split_once(':') else {
            return line.trim().is_empty().then(|| self.end_event()).flatten();
        };
        let value = value.trim();
        match key {
            "Event" => self.name = Name::of(value),
            "Service" => self.of_sip = value == "PJSIP",
            "RemoteAddress" => self.from = address(value),
            "AccountID" => self.phone = phone(value),
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let Self { name, of_sip, from, phone, .. } = std::mem::take(self);
        let from = from.filter(|_| of_sip)?;
        match name {
            Name::Other => None,
            Name::Succeeded => Some(Event::Succeeded(from)),
            Name::Failed => Some(Event::Failed { from, phone }),
        }
    }
}

impl Name {
    fn of(value: &str) -> Self {
        match value {
            "SuccessfulAuth" => Self::Succeeded,
            "ChallengeResponseFailed" => Self::Failed,
            _ => Self::Other,
        }
    }
}

/// As in `IPV4/UDP/10.9.0.3/44720`.
fn address(value: &str) -> Option<IpAddr> {
    let address = value.split('/').nth(2)?;
    address.split('%').next()?.trim_matches(['[', ']']).parse().ok()
}

fn phone(value: &str) -> Option<String> {
    let shown: String = value.chars().filter(char::is_ascii_graphic).take(LONGEST_PHONE).collect();
    (value != NOBODY && !shown.is_empty()).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Asterisk Call Manager/11.0.0\r\nResponse: Success\r\nMessage: Authentication accepted\r\n\r\n\
        Event: SuccessfulAuth\r\nService: AMI\r\nRemoteAddress: IPV4/TCP/127.0.0.1/45778\r\n\r\n\
        Event: ChallengeResponseFailed\r\nPrivilege: security,all\r\nService: PJSIP\r\nAccountID: 101\r\n\
        LocalAddress: IPV4/UDP/10.9.0.1/5060\r\nRemoteAddress: IPV4/UDP/10.9.0.3/44720\r\nChallenge: 1/a\r\n\r\n\
        Event: SuccessfulAuth\r\nService: PJSIP\r\nRemoteAddress: IPV6/TLS/fe80::1%eth0/5061\r\n\r\n\
        Event: ChallengeSent\r\nService: PJSIP\r\nRemoteAddress: IPV4/UDP/10.9.0.3/44720\r\n\r\n";

    fn wanted() -> Vec<Event> {
        let from = "10.9.0.3".parse().unwrap();
        vec![
            Event::Failed { from, phone: Some("101".to_owned()) },
            Event::Succeeded("fe80::1".parse().unwrap()),
        ]
    }

    #[test]
    fn wrong_and_right_passwords_are_read_wherever_the_bytes_are_cut() {
        for size in [1, 7, 4096] {
            let mut reader = Reader::default();
            let events: Vec<_> = TEXT.as_bytes().chunks(size).flat_map(|bytes| reader.take(bytes)).collect();
            assert_eq!(events, wanted(), "{size}");
        }
    }

    #[test]
    fn a_phone_is_told_in_few_characters_that_a_terminal_shows_and_no_other_events_phone() {
        let long = "9".repeat(100);
        for (account, told) in [
            ("101", Some("101")),
            ("<unknown>", None),
            ("", None),
            ("1\u{1b}[2J\u{202e}0 1", Some("1[2J01")),
            (&long, Some(&long[..LONGEST_PHONE])),
        ] {
            let event = |account| {
                format!(
                    "Event: ChallengeResponseFailed\r\nService: PJSIP\r\n{account}\
                     RemoteAddress: IPV4/UDP/10.9.0.3/44720\r\n\r\n"
                )
            };
            let mut reader = Reader::default();
            let text = event(format!("AccountID: {account}\r\n")) + &event(String::new());
            let from = "10.9.0.3".parse().unwrap();
            let wanted = [told.map(str::to_owned), None].map(|phone| Event::Failed { from, phone });
            assert_eq!(reader.take(text.as_bytes()), wanted, "{account}");
        }
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut reader = Reader::default();
        for _ in 0..1_000 {
            assert_eq!(reader.take(&[b'x'; 4096]), []);
        }
        assert!(reader.line.len() <= LONGEST_LINE);
        assert_eq!(reader.take(b"\n\n"), []);
        assert_eq!(reader.take(TEXT.as_bytes()), wanted());
    }
}
