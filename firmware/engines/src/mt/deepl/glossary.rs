//! The glossary that `DeepL` keeps for us: `/v3/glossaries`, one with a dictionary for each direction.
//!
//! Its name tells whose it is and what is in it. So it is made once, found again after a restart, and those that we made
//! before are known; others' are left alone, as an account may be shared by several boxes and by people.

use serde::{Deserialize, Serialize};

use super::{REQUEST_AT_MOST, headers, place, source_code};
use crate::http::Request;
use crate::{Failure, FailureKind};

/// Longest term, bytes.
pub const TERM_AT_MOST: usize = 1_024;
/// Longest body of an answer, bytes: an account's list holds a thousand glossaries at most.
pub const LIST_AT_MOST: usize = 1 << 20;

const PATH: &str = "/v3/glossaries";
const OURS: &str = "dragoman";

/// Terms of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Dictionary<'a> {
    /// ISO 639-1.
    pub source: &'a str,
    /// ISO 639-1.
    pub target: &'a str,
    /// What is said, and what it is to become; each is said once.
    pub terms: &'a [(&'a str, &'a str)],
}

/// The glossary that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glossary {
    owner: String,
    name: String,
    body: Vec<u8>,
}

/// A glossary of the account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Listed {
    /// What a translation names it by.
    #[serde(rename = "glossary_id")]
    pub id: String,
    name: String,
}

/// What is to be done so that the wanted glossary is there, and no other of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The wanted one, if it is there already.
    pub present: Option<String>,
    /// Those that we made and want no more.
    pub stale: Vec<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    name: &'a str,
    dictionaries: Vec<Entries>,
}

#[derive(Serialize)]
struct Entries {
    #[serde(rename = "source_lang")]
    source: String,
    #[serde(rename = "target_lang")]
    target: String,
    #[serde(rename = "entries")]
    terms: String,
    #[serde(rename = "entries_format")]
    format: &'static str,
}

#[derive(Deserialize)]
struct List {
    glossaries: Vec<Listed>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
    detail: Option<String>,
}

/// A word for the machine called `machine`, by which nobody finds that name again.
pub fn owner(machine: &str) -> String {
    format!("{:016x}", hash(machine))
}

/// Why the vendor would not take a term; `None` where it does.
pub fn unfit(term: &str) -> Option<&'static str> {
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if term.is_empty() || term.len() > TERM_AT_MOST {
        Some("a term has 1 to 1024 bytes")
    } else if term.trim() != term {
        Some("a term neither begins nor ends with a space")
    } else if term.contains(is_break) {
        Some("a term has no tabs, line ends or control characters")
    } else {
        None
    }
}

impl Glossary {
    /// The glossary of `owner`, a word that no other box on the account has.
    ///
    /// # Errors
    /// When the vendor is known to refuse it.
    pub fn new(owner: &str, dictionaries: &[Dictionary<'_>]) -> Result<Self, Failure> {
        let refuse = |why| Err(Failure::new(FailureKind::Refused, why));
        let mut all = dictionaries.iter().flat_map(|dictionary| dictionary.terms);
        if let Some(why) = all.find_map(|(from, to)| unfit(from).or_else(|| unfit(to))) {
            return refuse(why);
        }
        let entries: Vec<Entries> = dictionaries.iter().map(Entries::new).collect();
        let content = |one: &Entries| format!("{}>{}\n{}\n", one.source, one.target, one.terms);
        let content: Vec<String> = entries.iter().map(content).collect();
        let name = format!("{OURS} {owner} {:016x}", hash(&content.concat()));
        let Ok(body) = serde_json::to_vec(&Body { name: &name, dictionaries: entries }) else {
            return refuse("the terms cannot be written as JSON");
        };
        if body.len() > 8 * REQUEST_AT_MOST {
            return refuse("a glossary has at most 1 MiB");
        }
        Ok(Self { owner: owner.to_owned(), name, body })
    }

    /// Asks for it to be made.
    pub fn create(&self, base: Option<&str>, key: &str) -> Request {
        let mut headers = headers(key);
        headers.push(("Content-Type", "application/json".to_owned()));
        Request { method: "POST", url: place(base, key, PATH), headers, body: self.body.clone() }
    }

    /// What is to be done, where these are there.
    pub fn plan(&self, listed: &[Listed]) -> Plan {
        let prefix = format!("{OURS} {} ", self.owner);
        let present = listed.iter().find(|one| one.name == self.name).map(|one| one.id.clone());
        let is_stale = |one: &&Listed| one.name.starts_with(&prefix) && Some(&one.id) != present.as_ref();
        let stale = listed.iter().filter(is_stale).map(|one| one.id.clone()).collect();
        Plan { present, stale }
    }
}

impl Entries {
    fn new(dictionary: &Dictionary<'_>) -> Self {
        let lines: Vec<String> = dictionary.terms.iter().map(|(from, to)| format!("{from}\t{to}")).collect();
        let code = |language| source_code(language).to_ascii_lowercase();
        Self {
            source: code(dictionary.source),
            target: code(dictionary.target),
            terms: lines.join("\n"),
            format: "tsv",
        }
    }
}

/// The same on every machine and with every compiler: FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Asks which glossaries there are.
pub fn list(base: Option<&str>, key: &str) -> Request {
    Request { method: "GET", url: place(base, key, PATH), headers: headers(key), body: Vec::new() }
}

/// Asks for one to be deleted.
pub fn delete(base: Option<&str>, key: &str, id: &str) -> Request {
    let url = place(base, key, &format!("{PATH}/{id}"));
    Request { method: "DELETE", url, headers: headers(key), body: Vec::new() }
}

/// Reads the answer to [`list`]; `retry_after` is that header.
///
/// # Errors
/// Every status but 200, and a body that is no list.
pub fn read_list(status: u16, retry_after: Option<&str>, body: &[u8]) -> Result<Vec<Listed>, Failure> {
    check(status, 200, retry_after, body)?;
    let list: List = serde_json::from_slice(body).map_err(|_| unreadable())?;
    if list.glossaries.iter().all(Listed::is_plain) { Ok(list.glossaries) } else { Err(unreadable()) }
}

/// Reads the answer to [`Glossary::create`]: its number.
///
/// # Errors
/// Every status but 201, and a body that tells no number.
pub fn read_created(status: u16, retry_after: Option<&str>, body: &[u8]) -> Result<String, Failure> {
    check(status, 201, retry_after, body)?;
    let made: Listed = serde_json::from_slice(body).map_err(|_| unreadable())?;
    if made.is_plain() { Ok(made.id) } else { Err(unreadable()) }
}

/// Reads the answer to [`delete`]; one that is not there any more is as good as deleted.
///
/// # Errors
/// Every status but 204 and 404.
pub fn read_deleted(status: u16, retry_after: Option<&str>, body: &[u8]) -> Result<(), Failure> {
    if status == 404 { Ok(()) } else { check(status, 204, retry_after, body) }
}

impl Listed {
    /// A number stands in a URL.
    fn is_plain(&self) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=64).contains(&self.id.len()) && self.id.bytes().all(is_plain)
    }
}

fn check(status: u16, wanted: u16, retry_after: Option<&str>, body: &[u8]) -> Result<(), Failure> {
    if status == wanted {
        return if body.len() > LIST_AT_MOST { Err(unreadable()) } else { Ok(()) };
    }
    let said = serde_json::from_slice::<Refusal>(body).ok();
    let words = said.map(|said| [said.message, said.detail.unwrap_or_default()].join(" "));
    Err(Failure::of_status(status, retry_after).in_words(words))
}

fn unreadable() -> Failure {
    Failure::new(FailureKind::Protocol, "DeepL's answer about glossaries cannot be read")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const TERMS: &[(&str, &str)] = &[("box", "caja"), ("ring main", "anillo")];
    const SPANISH: Dictionary<'_> = Dictionary { source: "en", target: "es", terms: TERMS };
    const NORWEGIAN: Dictionary<'_> = Dictionary { source: "en", target: "no", terms: &[("box", "boks")] };

    fn glossary(owner: &str, dictionaries: &[Dictionary<'_>]) -> Glossary {
        Glossary::new(owner, dictionaries).unwrap()
    }

    fn listed(id: &str, name: &str) -> Listed {
        Listed { id: id.into(), name: name.into() }
    }

    #[test]
    fn it_is_made_as_the_vendor_wants_it() {
        let wanted = glossary("b1", &[SPANISH, NORWEGIAN]);
        let request = wanted.create(None, "k:fx");
        assert_eq!(
            (request.method, request.url.as_str()),
            ("POST", "https://api-free.deepl.com/v3/glossaries")
        );
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let dictionaries = json!([
            {"source_lang": "en", "target_lang": "es", "entries": "box\tcaja\nring main\tanillo", "entries_format": "tsv"},
            {"source_lang": "en", "target_lang": "nb", "entries": "box\tboks", "entries_format": "tsv"},
        ]);
        assert_eq!(body, json!({"name": wanted.name, "dictionaries": dictionaries}));
        let request = delete(None, "k", "def3-1");
        assert_eq!(
            (request.method, request.url.as_str()),
            ("DELETE", "https://api.deepl.com/v3/glossaries/def3-1")
        );
    }

    #[test]
    fn its_name_follows_its_content() {
        let name = |owner, dictionaries: &[Dictionary<'_>]| glossary(owner, dictionaries).name;
        assert_eq!(name("b1", &[SPANISH]), "dragoman b1 5d15436ec0f51f74");
        let turned = Dictionary { source: "es", target: "en", terms: TERMS };
        let fewer = Dictionary { terms: &TERMS[..1], ..SPANISH };
        let names =
            [name("b1", &[SPANISH]), name("b2", &[SPANISH]), name("b1", &[turned]), name("b1", &[fewer])];
        for (place, one) in names.iter().enumerate() {
            assert!(!names[place + 1..].contains(one), "{one}");
        }
    }

    #[test]
    fn ours_is_kept_older_ones_go_and_others_stay() {
        let wanted = glossary("b1", &[SPANISH]);
        let mut there = vec![
            listed("1", "dragoman b1 0000000000000000"),
            listed("2", "dragoman b2 0000000000000000"),
            listed("3", "dragomans b1"),
            listed("4", "My glossary"),
        ];
        assert_eq!(wanted.plan(&there), Plan { present: None, stale: vec!["1".into()] });
        there.extend([listed("5", &wanted.name), listed("6", &wanted.name)]);
        let plan = Plan { present: Some("5".into()), stale: vec!["1".into(), "6".into()] };
        assert_eq!(wanted.plan(&there), plan);
    }

    #[test]
    fn terms_that_the_vendor_refuses_are_not_sent() {
        let long = "x".repeat(TERM_AT_MOST + 1);
        for term in ["", " box", "box\u{a0}", "a\tb", "a\u{85}b", "a\u{2028}b", &long] {
            for terms in [[(term, "x")], [("x", term)]] {
                let dictionary = Dictionary { terms: &terms, ..SPANISH };
                assert_eq!(
                    Glossary::new("b", &[dictionary]).unwrap_err().kind,
                    FailureKind::Refused,
                    "{term:?}"
                );
            }
        }
        let terms = vec![("x", "y".repeat(1_000)); 1_100];
        let terms: Vec<(&str, &str)> = terms.iter().map(|(from, to)| (*from, to.as_str())).collect();
        assert!(Glossary::new("b", &[Dictionary { terms: &terms, ..SPANISH }]).is_err());
    }

    #[test]
    fn answers_are_read() {
        let one = json!({"glossary_id": "def3-1", "name": "n", "dictionaries": [], "creation_time": "t"});
        let list = json!({"glossaries": [one]}).to_string();
        assert_eq!(read_list(200, None, list.as_bytes()).unwrap(), [listed("def3-1", "n")]);
        assert_eq!(read_created(201, None, one.to_string().as_bytes()).unwrap(), "def3-1");
        assert_eq!(read_deleted(204, None, b""), Ok(()));
        assert_eq!(read_deleted(404, None, b""), Ok(()));
        let words = br#"{"message":"Invalid glossary entries provided","detail":"Key with the index 1"}"#;
        let failure = read_created(400, None, words).unwrap_err();
        assert!(failure.detail.ends_with("provided Key with the index 1"), "{failure}");
        assert_eq!(read_list(456, None, b"").unwrap_err().kind, FailureKind::Quota);
        let odd = json!({"glossary_id": "../usage", "name": "n"}).to_string();
        assert_eq!(read_created(201, None, odd.as_bytes()).unwrap_err().kind, FailureKind::Protocol);
    }

    proptest! {
        #[test]
        fn no_answer_panics(status: u16, header: String, body: Vec<u8>) {
            drop((read_list(200, None, &body), read_created(201, None, &body)));
            drop((read_list(status, Some(&header), &body), read_deleted(status, None, &body)));
        }
    }
}
