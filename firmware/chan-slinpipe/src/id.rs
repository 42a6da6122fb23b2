//! The name of a leg, as the dialplan gives it and the directory shows it.

use thiserror::Error;

/// A leg's id: 1 to 64 characters of `[A-Za-z0-9._-]`, no dot in front. It becomes part of two file names, so that a bad
/// one is refused, never rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LegId(String);

/// Why an id is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum BadId {
    #[error("the id is empty: dial SlinPipe/<id>")]
    Empty,
    #[error("the id has {0} bytes: at most {max} are allowed", max = LegId::MAX_BYTES)]
    TooLong(usize),
    #[error("the id has byte {0:#04x} at {1}: only letters, digits, dot, underscore and hyphen are allowed")]
    Character(u8, usize),
    #[error("the id begins with a dot: such names are kept for pipes in the making")]
    LeadingDot,
}

impl LegId {
    const MAX_BYTES: usize = 64;

    /// Checks an id that came from a dialplan or over ARI.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, BadId> {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        match raw {
            [] => return Err(BadId::Empty),
            _ if raw.len() > Self::MAX_BYTES => return Err(BadId::TooLong(raw.len())),
            [b'.', ..] => return Err(BadId::LeadingDot),
            _ => {}
        }
        if let Some(at) = raw.iter().position(|byte| !allowed(byte)) {
            return Err(BadId::Character(raw[at], at));
        }
        Ok(Self(raw.iter().map(|&byte| char::from(byte)).collect()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_dialplan_pass_unchanged() {
        for id in ["700-1763708393.12", "7", "a_B-9.z", &"x".repeat(64)] {
            assert_eq!(LegId::parse(id.as_bytes()).expect(id).as_str(), id);
        }
    }

    #[test]
    fn what_could_leave_the_directory_is_refused() {
        assert_eq!(LegId::parse(b""), Err(BadId::Empty));
        assert_eq!(LegId::parse(&[b'x'; 65]), Err(BadId::TooLong(65)));
        assert_eq!(LegId::parse(b".."), Err(BadId::LeadingDot));
        assert_eq!(LegId::parse(b"../etc"), Err(BadId::LeadingDot));
        assert_eq!(LegId::parse(b"a/b"), Err(BadId::Character(b'/', 1)));
        assert_eq!(LegId::parse(b"a\0"), Err(BadId::Character(0, 1)));
        assert_eq!(LegId::parse("é".as_bytes()), Err(BadId::Character(0xc3, 0)));
        assert_eq!(LegId::parse(b"a\nb"), Err(BadId::Character(b'\n', 1)));
    }
}
