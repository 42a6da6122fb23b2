use std::collections::HashSet;

use serde::Deserialize;
use session::Language;
use toml::Spanned;

use super::Fault;
use super::file::PhoneTable;
use super::language::language;

const LONGEST_NAME: usize = 64;

/// A phone that belongs to the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// Its number, which is its user name as well: digits.
    pub extension: String,
    /// Whose it is, for people: one line, without anything that means something to SIP or to Asterisk.
    pub name: String,
    /// What is spoken into it.
    pub language: Language,
    /// The voice in which its speaker's translations are spoken, as an engine calls it.
    pub voice: Option<String>,
    /// What it may speak, best first; empty: all that the box knows.
    pub codecs: Vec<Codec>,
}

/// How audio travels between a phone and the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the codecs' own names")]
pub enum Codec {
    Slin16,
    G722,
    Opus,
    Alaw,
    Ulaw,
}

impl Codec {
    /// As the configuration and Asterisk spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slin16 => "slin16",
            Self::G722 => "g722",
            Self::Opus => "opus",
            Self::Alaw => "alaw",
            Self::Ulaw => "ulaw",
        }
    }
}

pub(super) fn phones(tables: Vec<PhoneTable>) -> Result<Vec<Phone>, Fault> {
    let mut taken = HashSet::new();
    let mut phones = Vec::new();
    for table in tables {
        let extension = extension(&table.extension)?;
        if !taken.insert(extension.clone()) {
            let advice = format!("phone.extension: {extension} is there already; give each phone its own");
            return Err((Some(table.extension.span()), advice));
        }
        if let Some(secret) = &table.secret {
            let advice = format!(
                "phone.secret: passwords stand in a file of their own, phones.secrets: write \"{extension}\" = \"…\" \
                 there, or nothing and one is made; remove the key"
            );
            return Err((Some(secret.span()), advice));
        }
        phones.push(Phone {
            extension,
            name: name(&table.name)?,
            language: language("phone.language", &table.language)?,
            voice: table.voice.as_ref().map(voice).transpose()?,
            codecs: table.codecs.map_or(Ok(Vec::new()), codecs)?,
        });
    }
    Ok(phones)
}

/// What the dialplan calls phones by, but for what a caller in need may dial.
fn extension(value: &Spanned<String>) -> Result<String, Fault> {
    let advice = match value.get_ref().as_bytes() {
        [b'1', b'1', b'0'..=b'9'] => "110 to 119 are emergency numbers in many countries",
        [b'1'..=b'6', b'0'..=b'9', b'0'..=b'9'] => return Ok(value.get_ref().clone()),
        _ => "nobody could dial it",
    };
    Err((Some(value.span()), format!("phone.extension: {advice}; use \"100\" to \"699\" without 110 to 119")))
}

fn name(value: &Spanned<String>) -> Result<String, Fault> {
    let name = value.get_ref();
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | ',' | '-' | '_' | '\'' | '’' | '&');
    if name.trim().is_empty()
        || name.trim() != name
        || name.len() > LONGEST_NAME
        || !name.chars().all(is_plain)
    {
        let advice = format!(
            "phone.name: write one line of at most {LONGEST_NAME} bytes: letters, digits, spaces and . , - _ ' &"
        );
        return Err((Some(value.span()), advice));
    }
    Ok(name.clone())
}

fn voice(value: &Spanned<String>) -> Result<String, Fault> {
    let name = value.get_ref();
    if name.trim().is_empty() || name.contains(char::is_control) {
        return Err((Some(value.span()), "phone.voice: write the voice's name, or remove the key".into()));
    }
    Ok(name.clone())
}

fn codecs(value: Spanned<Vec<Codec>>) -> Result<Vec<Codec>, Fault> {
    let mut seen = HashSet::new();
    if value.get_ref().is_empty() || !value.get_ref().iter().all(|codec| seen.insert(*codec)) {
        let advice = "phone.codecs: name each codec once, best first, or remove the key to allow all";
        return Err((Some(value.span()), advice.into()));
    }
    Ok(value.into_inner())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::read;

    const GOOD: &str = "[[room]]\nextension = \"700\"\nkind = \"echo\"\n\
        [[phone]]\nextension = \"101\"\nname = \"José O’Hara, 2\"\nlanguage = \"es\"\nvoice = \"celeste\"\n\
        codecs = [\"g722\", \"alaw\"]\n\
        [[phone]]\nextension = \"102\"\nname = \"Workshop\"\nlanguage = \"en\"\n";

    #[test]
    fn phones_are_found_by_their_numbers() {
        let config = read(Path::new("c.toml"), GOOD).unwrap();
        let first = Phone {
            extension: "101".into(),
            name: "José O’Hara, 2".into(),
            language: "es".parse().unwrap(),
            voice: Some("celeste".into()),
            codecs: vec![Codec::G722, Codec::Alaw],
        };
        assert_eq!(config.directory.phone("101"), Some(&first));
        assert_eq!(config.directory.phone("102").map(|phone| phone.codecs.len()), Some(0));
        assert_eq!(config.directory.phone("700"), None);
    }

    #[test]
    fn phones_alone_are_a_configuration() {
        let (_, phones) = GOOD.split_at(GOOD.find("[[phone]]").unwrap());
        assert_eq!(read(Path::new("c.toml"), phones).unwrap().directory.phones.len(), 2);
    }

    #[test]
    fn faults_name_line_and_key() {
        let cases = [
            ("\"101\"", "\"1a1\"", 5, "phone.extension"),
            ("\"101\"", "\"\"", 5, "phone.extension"),
            ("\"101\"", "\"700\"", 5, "phone.extension"),
            ("\"101\"", "\"1\"", 5, "100"),
            ("\"101\"", "\"12345\"", 5, "nobody could dial it"),
            ("\"101\"", "\"911\"", 5, "nobody could dial it"),
            ("\"101\"", "\"001\"", 5, "nobody could dial it"),
            ("\"101\"", "\"112\"", 5, "emergency"),
            ("\"102\"", "\"101\"", 11, "already"),
            ("\"Workshop\"", "\"Shop\\n[evil]\"", 12, "phone.name"),
            ("\"Workshop\"", "\"Shop;x\"", 12, "phone.name"),
            ("\"Workshop\"", "\" Shop\"", 12, "phone.name"),
            ("\"en\"", "\"english\"", 13, "phone.language"),
            ("\"en\"", "\"xx\"", 13, "choose of ar, bg"),
            ("\"celeste\"", "\" \"", 8, "phone.voice"),
            ("\"alaw\"", "\"g722\"", 9, "phone.codecs"),
            ("\"alaw\"", "\"g729\"", 9, "codecs"),
            ("name = \"Workshop\"", "", 10, "name"),
            ("voice", "secret", 8, "write \"101\" = "),
        ];
        for (from, to, line, words) in cases {
            let message = read(Path::new("c.toml"), &GOOD.replace(from, to)).unwrap_err().to_string();
            let words_at = format!("c.toml:{line}: ");
            assert!(message.starts_with(&words_at) && message.contains(words), "{to}: {message}");
        }
    }
}
