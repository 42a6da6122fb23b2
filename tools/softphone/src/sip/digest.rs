//! HTTP digest authentication as SIP uses it (RFC 2617, RFC 7616, RFC 8760): MD5 and SHA-256, `qop=auth` or none.

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::ids::hex;

/// Hash of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// The default where a challenge names none.
    Md5,
    /// RFC 7616.
    Sha256,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// What a `WWW-Authenticate` or `Proxy-Authenticate` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Protection domain.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// To be returned as it came.
    pub opaque: Option<String>,
    /// Hash to use.
    pub algorithm: Algorithm,
    /// Whether `qop=auth` was offered.
    pub qop_auth: bool,
    /// The nonce was too old and the secret is not in doubt.
    pub stale: bool,
}

impl Challenge {
    /// Reads a header value. `None` when it is no digest challenge that this phone can answer.
    pub fn parse(value: &str) -> Option<Self> {
        let (scheme, rest) = value.trim().split_once(char::is_whitespace)?;
        // Its parts are repeated in our answer, where a line end would begin another header.
        if value.trim().contains(char::is_control) || !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let params = parameters(rest);
        let get = |name: &str| {
            params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone())
        };
        let algorithm = match get("algorithm").as_deref() {
            None => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case("MD5") => Algorithm::Md5,
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Algorithm::Sha256,
            Some(_) => return None,
        };
        let qop = get("qop");
        let qop_auth =
            qop.as_deref().is_some_and(|q| q.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")));
        if qop.is_some() && !qop_auth {
            return None;
        }
        Some(Self {
            realm: get("realm")?,
            nonce: get("nonce")?,
            opaque: get("opaque"),
            algorithm,
            qop_auth,
            stale: get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The first challenge that can be answered: a server lists them in its order of preference (RFC 8760).
    pub fn choose<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        values.into_iter().find_map(Self::parse)
    }
}

/// `name=value` and `name="value"` pairs between commas.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while let Some((name, tail)) = rest.split_once('=') {
        let name = name.trim_matches([',', ' ', '\t']).to_owned();
        let tail = tail.trim_start();
        let (value, after) = if let Some(quoted) = tail.strip_prefix('"') {
            unquote(quoted)
        } else {
            let end = tail.find(',').unwrap_or(tail.len());
            (tail[..end].trim().to_owned(), &tail[end..])
        };
        pairs.push((name, value));
        rest = after;
    }
    pairs
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    (value, "")
}

/// Who answers a challenge. The secret is never printed.
#[derive(Clone)]
pub struct Credentials {
    /// User name of the account.
    pub user: String,
    /// Its secret.
    pub secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Answers one server nonce; counts its uses.
#[derive(Debug, Clone)]
pub struct Session {
    challenge: Challenge,
    count: u32,
}

impl Session {
    /// Starts with a fresh nonce.
    pub fn new(challenge: Challenge) -> Self {
        Self { challenge, count: 0 }
    }

    /// The value of an `Authorization` header for the next request.
    pub fn authorize(&mut self, who: &Credentials, method: &str, uri: &str, cnonce: &str) -> String {
        self.count += 1;
        let Challenge { realm, nonce, opaque, algorithm, qop_auth, .. } = &self.challenge;
        let nc = format!("{:08x}", self.count);
        let response = response(&self.challenge, who, method, uri, &nc, cnonce);
        let opaque =
            opaque.as_ref().map(|opaque| format!(", opaque=\"{}\"", quote(opaque))).unwrap_or_default();
        let qop = if *qop_auth { format!(", qop=auth, nc={nc}, cnonce=\"{cnonce}\"") } else { String::new() };
        format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\", algorithm={}{opaque}{qop}",
            quote(&who.user),
            quote(realm),
            quote(nonce),
            algorithm.name()
        )
    }
}

fn response(c: &Challenge, who: &Credentials, method: &str, uri: &str, nc: &str, cnonce: &str) -> String {
    let ha1 = c.algorithm.hash(&format!("{}:{}:{}", who.user, c.realm, who.secret));
    let ha2 = c.algorithm.hash(&format!("{method}:{uri}"));
    if c.qop_auth {
        c.algorithm.hash(&format!("{ha1}:{}:{nc}:{cnonce}:auth:{ha2}", c.nonce))
    } else {
        c.algorithm.hash(&format!("{ha1}:{}:{ha2}", c.nonce))
    }
}

fn quote(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorize(challenge: &str, who: (&str, &str), uri: &str, cnonce: &str) -> String {
        let who = Credentials { user: who.0.into(), secret: who.1.into() };
        Session::new(Challenge::parse(challenge).unwrap()).authorize(&who, "GET", uri, cnonce)
    }

    #[test]
    fn rfc_2617_section_3_5() {
        let value = authorize(
            "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
            ("Mufasa", "Circle Of Life"),
            "/dir/index.html",
            "0a4f113b",
        );
        assert!(value.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{value}");
        assert!(value.contains("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""));
        assert!(value.contains("nc=00000001"));
    }

    const RFC_7616: &str = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=ALGORITHM, \
        nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

    #[test]
    fn rfc_7616_section_3_9_1() {
        for (algorithm, expected) in [
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ] {
            let value = authorize(
                &RFC_7616.replace("ALGORITHM", algorithm),
                ("Mufasa", "Circle of Life"),
                "/dir/index.html",
                "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            );
            assert!(value.contains(&format!("response=\"{expected}\"")), "{algorithm}: {value}");
        }
    }

    #[test]
    fn the_nonce_is_counted_in_hexadecimal() {
        let who = Credentials { user: "u".into(), secret: "s".into() };
        let mut session =
            Session::new(Challenge::parse("Digest realm=\"r\",nonce=\"n\",qop=\"auth\"").unwrap());
        let last = (0..10).map(|_| session.authorize(&who, "BYE", "sip:a", "c")).last().unwrap();
        assert!(last.contains("nc=0000000a"), "{last}");
    }

    #[test]
    fn challenges() {
        let choice = Challenge::choose([
            "Basic realm=\"r\"",
            "Digest realm=\"r\", nonce=\"1\", algorithm=SHA-512-256, qop=\"auth\"",
            "Digest realm=\"a, \\\"b\\\"\", nonce=\"2\", algorithm=SHA-256, stale=TRUE",
            "Digest realm=\"r\", nonce=\"3\"",
        ])
        .unwrap();
        assert_eq!(choice.realm, "a, \"b\"");
        assert_eq!((choice.algorithm, choice.stale, choice.qop_auth), (Algorithm::Sha256, true, false));
        assert_eq!(Challenge::parse("Digest nonce=\"1\""), None);
        assert_eq!(Challenge::parse("Digest realm=\"r\", nonce=\"1\", qop=\"auth-int\""), None);
        assert_eq!(Challenge::parse("Digest =\"=\\"), None);
    }

    #[test]
    fn a_secret_is_not_printed() {
        let who = Credentials { user: "u".into(), secret: "hush".into() };
        assert!(!format!("{who:?}").contains("hush"));
    }
}
