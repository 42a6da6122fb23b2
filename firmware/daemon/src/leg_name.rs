//! What a leg is called: the dialplan names it, the driver's pipes carry the name.

/// The longest name.
const LONGEST: usize = 64;

/// A leg's name, `DIALLED-CHANNEL[-PHONE[-CALL]]`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegName<'a> {
    /// What was dialled: a room's extension, or the called phone's.
    pub dialled: &'a str,
    /// The unique id of the phone's channel.
    pub channel: &'a str,
    /// The number of the phone at this leg, where it is a phone.
    pub phone: Option<&'a str>,
    /// In a call between two phones, the unique id of the caller's channel: both legs have the same.
    pub call: Option<&'a str>,
}

impl<'a> LegName<'a> {
    /// Takes a name apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(name: &'a str) -> Result<Self, &'static str> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.len() > LONGEST || !name.chars().all(is_plain) {
            return Err("an id is at most 64 letters, digits, '.', '_' or '-'");
        }
        let mut parts = name.split('-');
        let (Some(dialled), Some(channel)) = (parts.next(), parts.next()) else {
            return Err("an id is DIALLED-CHANNEL[-PHONE[-CALL]]");
        };
        let (phone, call) = (parts.next(), parts.next());
        let given = [Some(dialled), Some(channel), phone, call];
        if parts.next().is_some() || given.into_iter().flatten().any(str::is_empty) {
            return Err("an id is DIALLED-CHANNEL[-PHONE[-CALL]]");
        }
        Ok(Self { dialled, channel, phone, call })
    }

    /// Whether this leg's phone began the call.
    pub fn is_callers(&self) -> bool {
        self.call.is_none_or(|call| call == self.channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_who_dialled_what() {
        let name = |dialled, channel, phone, call| Ok(LegName { dialled, channel, phone, call });
        assert_eq!(LegName::parse("700-1732.5"), name("700", "1732.5", None, None));
        assert_eq!(LegName::parse("800-1732.5-101"), name("800", "1732.5", Some("101"), None));
        assert_eq!(
            LegName::parse("102-1732.6-102-1732.5"),
            name("102", "1732.6", Some("102"), Some("1732.5"))
        );
    }

    #[test]
    fn a_call_is_named_after_its_callers_channel() {
        let is_callers = |name| LegName::parse(name).unwrap().is_callers();
        assert!(is_callers("102-1732.5-101-1732.5"));
        assert!(!is_callers("102-1732.6-102-1732.5"));
    }

    #[test]
    fn other_names_are_refused() {
        let long = format!("700-{}", "1".repeat(61));
        for name in ["", "700", "-1", "700-", "700-1-", "700-1--2", "1-2-3-4-5", "700-a/b", "700-é", &long] {
            assert!(LegName::parse(name).is_err(), "{name}");
        }
    }
}
