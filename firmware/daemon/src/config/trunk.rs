//! The way out of the box: a provider, the numbers that may be called by it, and who may.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use serde::Deserialize;
use session::Language;
use toml::Spanned;

use super::language::language;
use super::{Fault, Phone, Room, RoomKind};

/// What a leg of the trunk has in the place of a phone's number; its language follows after `_`.
const ENDPOINT: &str = "trunk";
/// An international number has no more digits.
const MOST_DIGITS: usize = 15;
const LONGEST_HOST: usize = 253;

/// A provider of calls to numbers outside.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// The provider's name or address, with a port where one was given.
    pub host: String,
    /// The addresses and networks that the provider speaks from.
    pub addresses: Vec<String>,
    /// How the box is known to the provider.
    pub user: String,
    /// Where the password is; the daemon needs none.
    pub password_file: PathBuf,
    /// Whether the provider is told where the box is.
    pub registers: bool,
    /// The numbers of the phones that may call outside.
    pub phones: Vec<String>,
    /// How many calls there may be at once.
    pub most: u16,
    /// The room or phone that calls from outside lead to; none are taken otherwise.
    pub incoming: Option<String>,
    /// What is spoken outside, unless a number says otherwise; `None`: calls are not translated.
    pub language: Option<Language>,
    /// What may be called.
    pub allowed: Vec<Allowed>,
}

/// Numbers that may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Digits, `X` for any digit, perhaps after a `+`.
    pattern: String,
    /// Whether further digits may follow.
    is_open: bool,
    /// What is spoken there.
    pub language: Option<Language>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrunkTable {
    host: Spanned<String>,
    #[serde(default)]
    addresses: Vec<Spanned<String>>,
    user: Spanned<String>,
    password_file: PathBuf,
    #[serde(default)]
    register: bool,
    #[serde(default)]
    phones: Vec<Spanned<String>>,
    most: Option<Spanned<u16>>,
    incoming: Option<Spanned<String>>,
    language: Option<Spanned<String>>,
    #[serde(default)]
    allow: Vec<AllowTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowTable {
    number: Spanned<String>,
    language: Option<Spanned<String>>,
}

impl Trunk {
    pub(super) fn read(table: TrunkTable, rooms: &[Room], phones: &[Phone]) -> Result<Self, Fault> {
        let own_language =
            table.language.as_ref().map(|code| language("trunk.language", code)).transpose()?;
        let read = |table: &AllowTable| Allowed::read(table, own_language, rooms, phones);
        let allowed = table.allow.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if allowed.is_empty() != table.phones.is_empty() || (allowed.is_empty() && table.incoming.is_none()) {
            let advice =
                "trunk: name what may be called, [[trunk.allow]] number, and by whom, phones; or remove it";
            return Err((Some(table.host.span()), advice.into()));
        }
        let incoming =
            table.incoming.map(|number| incoming(&number, own_language, rooms, phones)).transpose()?;
        let (host, addresses) = provider(&table.host, &table.addresses)?;
        Ok(Self {
            host,
            addresses,
            user: user(&table.user)?,
            password_file: table.password_file,
            registers: table.register,
            phones: table.phones.iter().map(|number| caller(number, phones)).collect::<Result<_, _>>()?,
            most: most(table.most)?,
            incoming,
            language: own_language,
            allowed,
        })
    }

    /// Whether a call of a phone to these digits, a `+` in front left out, may come from here.
    pub fn leads_to(&self, digits: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed.matches(digits))
    }

    /// What Asterisk calls the way to those who speak `language`.
    pub fn endpoint(language: Option<Language>) -> String {
        language.map_or_else(|| ENDPOINT.to_owned(), |language| format!("{ENDPOINT}_{language}"))
    }

    /// What is spoken at the other end of the way that is called so, where it is one.
    pub fn language_of(&self, endpoint: &str) -> Option<Language> {
        self.languages().flatten().find(|language| Self::endpoint(Some(*language)) == endpoint)
    }

    /// What is spoken outside; one of them, `None` perhaps, for each way. The first is that of calls from outside.
    pub fn languages(&self) -> impl Iterator<Item = Option<Language>> {
        let all = [self.language].into_iter().chain(self.allowed.iter().map(|allowed| allowed.language));
        let mut seen = Vec::new();
        all.filter(move |language| {
            let is_new = !seen.contains(language);
            seen.push(*language);
            is_new
        })
    }
}

impl Allowed {
    fn read(
        table: &AllowTable,
        own: Option<Language>,
        rooms: &[Room],
        phones: &[Phone],
    ) -> Result<Self, Fault> {
        let fault = |advice: String| (Some(table.number.span()), format!("trunk.allow.number: {advice}"));
        let spoken =
            table.language.as_ref().map(|code| language("trunk.allow.language", code)).transpose()?;
        let advice = "write a number such as \"+34911234567\", X for any digit, * at the end for any more; it begins \
                      with a digit";
        let allowed =
            Self::parse(table.number.get_ref(), spoken.or(own)).ok_or_else(|| fault(advice.into()))?;
        let own = rooms.iter().map(|room| &room.extension).chain(phones.iter().map(|phone| &phone.extension));
        match own.into_iter().find(|own| allowed.matches(own)) {
            Some(own) => Err(fault(format!("that is {own} of the box as well; make it longer"))),
            None => Ok(allowed),
        }
    }

    fn parse(number: &str, language: Option<Language>) -> Option<Self> {
        let (pattern, is_open) = number.strip_suffix('*').map_or((number, false), |pattern| (pattern, true));
        let digits = pattern.strip_prefix('+').unwrap_or(pattern);
        let is_good = digits.starts_with(|first: char| first.is_ascii_digit())
            && digits.bytes().all(|digit| digit.is_ascii_digit() || digit == b'X')
            && digits.len() + usize::from(is_open) <= MOST_DIGITS;
        is_good.then(|| Self { pattern: pattern.to_owned(), is_open, language })
    }

    /// The same numbers without an open end: one pattern for each length.
    pub fn patterns(&self) -> impl Iterator<Item = String> {
        let longest = if self.is_open { MOST_DIGITS - self.digits().len() } else { 0 };
        let shortest = usize::from(self.is_open);
        (shortest..=longest).map(|more| format!("{}{}", self.pattern, "X".repeat(more)))
    }

    fn digits(&self) -> &str {
        self.pattern.strip_prefix('+').unwrap_or(&self.pattern)
    }

    /// Whether these digits are one of its numbers, but for a `+`.
    fn matches(&self, digits: &str) -> bool {
        let fits = |(own, digit): (u8, u8)| digit.is_ascii_digit() && (own == b'X' || own == digit);
        self.patterns().any(|pattern| {
            let pattern = pattern.trim_start_matches('+');
            pattern.len() == digits.len() && pattern.bytes().zip(digits.bytes()).all(fits)
        })
    }
}

fn provider(host: &Spanned<String>, addresses: &[Spanned<String>]) -> Result<(String, Vec<String>), Fault> {
    let text = host.get_ref();
    let address = text.parse().ok().or_else(|| text.parse().ok().map(|both: SocketAddrV4| *both.ip()));
    let (name, port) = text.split_once(':').map_or((text.as_str(), None), |(name, port)| (name, Some(port)));
    let is_name = name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.len() <= LONGEST_HOST
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if !is_name {
        return Err((
            Some(host.span()),
            "trunk.host: write a name or an IPv4 address, and :PORT where needed".into(),
        ));
    }
    let own = address.map(|address: Ipv4Addr| address.to_string());
    let named = addresses.iter().map(network).collect::<Result<Vec<_>, _>>()?;
    let all: Vec<String> = own.into_iter().chain(named).collect();
    if all.is_empty() {
        let advice =
            "trunk.addresses: name the addresses that the provider speaks from, such as [\"203.0.113.7\"]";
        return Err((Some(host.span()), advice.into()));
    }
    Ok((text.clone(), all))
}

fn network(value: &Spanned<String>) -> Result<String, Fault> {
    let text = value.get_ref();
    let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
    let good =
        address.parse::<Ipv4Addr>().is_ok() && bits.parse().is_ok_and(|bits: u8| (8..=32).contains(&bits));
    let advice = "trunk.addresses: write IPv4 addresses, or networks such as \"203.0.113.0/24\"";
    if good { Ok(text.clone()) } else { Err((Some(value.span()), advice.into())) }
}

fn user(value: &Spanned<String>) -> Result<String, Fault> {
    let text = value.get_ref();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    if text.is_empty() || text.len() > 64 || !text.chars().all(is_plain) {
        return Err((Some(value.span()), "trunk.user: use at most 64 letters, digits and . - _ +".into()));
    }
    Ok(text.clone())
}

fn caller(value: &Spanned<String>, phones: &[Phone]) -> Result<String, Fault> {
    let number = value.get_ref();
    if phones.iter().any(|phone| phone.extension == *number) {
        return Ok(number.clone());
    }
    Err((Some(value.span()), "trunk.phones: there is no [[phone]] of that number".into()))
}

fn most(value: Option<Spanned<u16>>) -> Result<u16, Fault> {
    match value {
        None => Ok(1),
        Some(most) if (1..=100).contains(most.get_ref()) => Ok(most.into_inner()),
        Some(most) => Err((Some(most.span()), "trunk.most: choose 1 to 100".into())),
    }
}

fn incoming(
    value: &Spanned<String>,
    language: Option<Language>,
    rooms: &[Room],
    phones: &[Phone],
) -> Result<String, Fault> {
    let number = value.get_ref();
    let fault = |advice: &str| (Some(value.span()), format!("trunk.incoming: {advice}"));
    let room = rooms.iter().find(|room| room.extension == *number);
    if room.is_none() && !phones.iter().any(|phone| phone.extension == *number) {
        return Err(fault("there is no [[room]] and no [[phone]] of that number"));
    }
    let is_for_all = room.is_some_and(|room| !matches!(room.kind, RoomKind::Conference(_)));
    if language.is_none() && !is_for_all {
        return Err(fault("say in trunk.language what those speak who call"));
    }
    if number.len() != 3 || !number.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(fault("only numbers of three digits can be reached"));
    }
    Ok(number.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse;
    use super::*;

    const GOOD: &str = "[trunk]\nhost = \"sip.example.net:5070\"\naddresses = [\"203.0.113.0/24\"]\nuser = \"34910\"\n\
        password_file = \"/k/trunk\"\nphones = [\"101\"]\nmost = 2\nincoming = \"700\"\nlanguage = \"es\"\n\
        [[trunk.allow]]\nnumber = \"+3491XX*\"\n[[trunk.allow]]\nnumber = \"112\"\nlanguage = \"fr\"\n\
        [[room]]\nextension = \"700\"\nkind = \"echo\"\n[[room]]\nextension = \"800\"\nkind = \"conference\"\n\
        [[phone]]\nextension = \"101\"\nname = \"A\"\nlanguage = \"en\"\n";

    fn trunk(text: &str) -> Trunk {
        parse(text).unwrap().directory.trunk.unwrap()
    }

    #[test]
    fn without_the_table_there_is_none() {
        let (_, rest) = GOOD.split_at(GOOD.find("[[room]]").unwrap());
        assert!(parse(rest).unwrap().directory.trunk.is_none());
    }

    #[test]
    fn a_number_has_the_language_that_is_named_for_it() {
        let trunk = trunk(GOOD);
        let codes: Vec<_> = trunk.languages().flatten().map(|language| language.to_string()).collect();
        assert_eq!(codes, ["es", "fr"]);
        assert_eq!(trunk.language_of("trunk_fr").map(|language| language.to_string()), Some("fr".to_owned()));
        for other in ["trunk", "trunk_en", "101", "trunk_es_"] {
            assert_eq!(trunk.language_of(other), None, "{other}");
        }
    }

    #[test]
    fn only_allowed_numbers_are_led_to() {
        let trunk = trunk(GOOD);
        for number in ["34911234567", "3491123", "112", "349112345678901"] {
            assert!(trunk.leads_to(number), "{number}");
        }
        for number in
            ["349112", "34", "1", "1122", "34921234567", "3491123456789012", "3491x23", "34911&2", ""]
        {
            assert!(!trunk.leads_to(number), "{number}");
        }
    }

    #[test]
    fn an_address_needs_no_second_naming() {
        let text = GOOD.replace("sip.example.net:5070", "198.51.100.9:5070");
        assert_eq!(trunk(&text).addresses, ["198.51.100.9", "203.0.113.0/24"]);
        let alone = text.replace("addresses = [\"203.0.113.0/24\"]", "");
        assert_eq!(trunk(&alone).addresses, ["198.51.100.9"]);
    }

    #[test]
    fn what_would_open_the_box_is_refused() {
        let cases = [
            ("sip.example.net:5070", "a b", 2, "trunk.host"),
            ("sip.example.net:5070", "a:0", 2, "trunk.host"),
            ("sip.example.net:5070", "a;transport=tls", 2, "trunk.host"),
            ("203.0.113.0/24", "0.0.0.0/0", 3, "trunk.addresses"),
            ("[\"203.0.113.0/24\"]", "[]", 2, "trunk.addresses"),
            ("34910", "a\\n[evil]", 4, "trunk.user"),
            ("[\"101\"]", "[\"102\"]", 6, "trunk.phones"),
            ("[\"101\"]", "[]", 2, "trunk.allow"),
            ("most = 2", "most = 0", 7, "trunk.most"),
            ("incoming = \"700\"", "incoming = \"701\"", 8, "trunk.incoming"),
            ("language = \"es\"", "language = \"xx\"", 9, "trunk.language"),
            ("+3491XX*", "*", 11, "trunk.allow.number"),
            ("+3491XX*", "X*", 11, "trunk.allow.number"),
            ("+3491XX*", "+34,1", 11, "trunk.allow.number"),
            ("+3491XX*", "1*", 11, "101 of the box"),
            ("+3491XX*", "7XX", 11, "700 of the box"),
            ("+3491XX*", "34911234567890*", 11, ""),
        ];
        for (from, to, line, words) in cases {
            let text = GOOD.replacen(from, to, 1);
            let outcome = super::super::read(std::path::Path::new("c.toml"), &text);
            if words.is_empty() {
                assert!(outcome.is_ok(), "{to}: {outcome:?}");
                continue;
            }
            let message = outcome.unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("c.toml:{line}: ")) && message.contains(words),
                "{to}: {message}"
            );
        }
    }

    #[test]
    fn who_calls_a_phone_speaks_something() {
        let silent = GOOD.replacen("language = \"es\"", "", 1);
        assert!(parse(&silent).is_ok());
        for number in ["101", "800"] {
            let text = silent.replace("incoming = \"700\"", &format!("incoming = \"{number}\""));
            assert!(parse(&text).unwrap_err().1.contains("trunk.language"));
        }
    }

    proptest! {
        #[test]
        fn a_pattern_is_digits_alone(number in "[+0-9X*a&,/${}. ]{0,20}|\\PC{0,12}") {
            if let Some(allowed) = Allowed::parse(&number, None) {
                for pattern in allowed.patterns() {
                    let digits = pattern.strip_prefix('+').unwrap_or(&pattern);
                    prop_assert!(digits.bytes().all(|digit| digit.is_ascii_digit() || digit == b'X'));
                    prop_assert!(digits.as_bytes()[0].is_ascii_digit() && digits.len() <= MOST_DIGITS);
                }
            }
        }
    }
}
