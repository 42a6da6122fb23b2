use std::net::IpAddr;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use secret_file::For;
use toml::Spanned;

use super::Fault;
use super::file::{AsteriskTable, CallsTable};
use crate::media::MAX_LEGS;

const URL: &str = "http://127.0.0.1:8088/ari";
const USER: &str = "dragoman";
const MOST_LEGS: u16 = 50;
const LONGEST_PASSWORD: u64 = 1_024;

/// How Asterisk is watched and commanded.
#[derive(Clone, Debug)]
pub struct Ari {
    /// Where ARI is, without a slash at its end.
    pub url: String,
    /// Its user.
    pub user: String,
    /// That user's password.
    pub password: SecretString,
}

impl Ari {
    pub(super) fn read(table: Option<AsteriskTable>) -> Result<Option<Self>, Fault> {
        let Some(table) = table else { return Ok(None) };
        let url = table.ari.map_or_else(|| Ok(URL.to_owned()), |url| local(&url))?;
        let user = table.user.map_or_else(|| Ok(USER.to_owned()), |user| word(&user))?;
        let (span, file) = (table.password_file.span(), table.password_file.into_inner());
        let password = password(&file).map_err(|reason| {
            (Some(span), format!("asterisk.password_file: {}: {reason}", file.display()))
        })?;
        Ok(Some(Self { url, user, password }))
    }
}

/// How many legs there may be at once.
pub(super) fn most_legs(table: &CallsTable) -> Result<u16, Fault> {
    match &table.most {
        None => Ok(MOST_LEGS),
        Some(most) if (1..=MAX_LEGS).contains(&usize::from(*most.get_ref())) => Ok(*most.get_ref()),
        Some(most) => Err((Some(most.span()), format!("calls.most: choose 1 to {MAX_LEGS}"))),
    }
}

/// Whoever controls Asterisk hears every call: not over a network.
fn local(url: &Spanned<String>) -> Result<String, Fault> {
    let parsed = reqwest::Url::parse(url.get_ref()).ok();
    let is_local = |host: &str| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    };
    let good = parsed.filter(|parsed| {
        parsed.scheme() == "http"
            && parsed.host_str().is_some_and(is_local)
            && parsed.username().is_empty()
            && parsed.password().is_none()
            && parsed.query().is_none()
            && parsed.fragment().is_none()
    });
    match good {
        Some(_) => Ok(url.get_ref().trim_end_matches('/').to_owned()),
        None => {
            Err((Some(url.span()), format!("asterisk.ari: write \"{URL}\": an address of this box alone")))
        }
    }
}

fn word(user: &Spanned<String>) -> Result<String, Fault> {
    let text = user.get_ref();
    if text.is_empty() || text.len() > 64 || !text.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err((Some(user.span()), "asterisk.user: use letters and digits".into()));
    }
    Ok(text.clone())
}

fn password(file: &Path) -> Result<SecretString, String> {
    let advice = "put ARI's password there, readable for dragomand";
    let text = secret_file::read(file, For::Group, LONGEST_PASSWORD)
        .map_err(|error| format!("{error}; {advice}"))?;
    let text = text.expose_secret().trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("this is no password, which is one word; {advice}"));
    }
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::parse;
    use super::*;

    const ROOM: &str = "[[room]]\nextension = \"790\"\nkind = \"echo\"\n";

    fn with_password(mode: u32, password: &str) -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ari");
        std::fs::write(&file, password).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        (directory, format!("password_file = {:?}\n", file.display().to_string()))
    }

    #[test]
    fn without_the_table_asterisk_is_left_alone() {
        let config = parse(ROOM).unwrap();
        assert!(config.asterisk.is_none());
        assert_eq!(config.most_legs, 50);
        assert_eq!(parse(&format!("[calls]\nmost = 3\n{ROOM}")).unwrap().most_legs, 3);
    }

    #[test]
    fn the_password_is_read_and_never_shown() {
        let (_directory, file) = with_password(0o640, "hush\n");
        let ari = parse(&format!("[asterisk]\n{file}{ROOM}")).unwrap().asterisk.unwrap();
        assert_eq!((ari.url.as_str(), ari.user.as_str()), (URL, USER));
        assert!(!format!("{ari:?}").contains("hush"));
    }

    #[test]
    fn what_would_open_the_box_is_refused() {
        let (_directory, file) = with_password(0o640, "hush");
        let (_open, readable) = with_password(0o644, "hush");
        let (_two, words) = with_password(0o600, "hush hush");
        let fault = |table: &str| parse(&format!("[asterisk]\n{table}{ROOM}")).unwrap_err().1;
        for (key, value) in [
            ("ari", "http://192.168.1.2:8088/ari"),
            ("ari", "https://127.0.0.1/ari"),
            ("ari", "http://a:b@127.0.0.1/ari"),
            ("ari", "8088"),
            ("user", "a b"),
        ] {
            let told = fault(&format!("{key} = \"{value}\"\n{file}"));
            assert!(told.starts_with(&format!("asterisk.{key}: ")) && !told.contains("a:b"), "{told}");
        }
        assert!(fault(&readable).contains("chmod"));
        assert!(fault(&words).contains("one word"));
        assert!(fault("password_file = \"/nowhere\"\n").contains("/nowhere"));
        assert!(fault("").contains("password_file"));
        for most in ["0", "257"] {
            assert!(parse(&format!("[calls]\nmost = {most}\n{ROOM}")).unwrap_err().1.contains("calls.most"));
        }
    }
}
