use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use secret_file::For;

use super::file::{self, Staged};

/// Shorter ones can be guessed.
const SHORTEST: usize = 16;
/// PJSIP takes no longer ones.
const LONGEST: usize = 64;
const MOST_BYTES: u64 = 1 << 20;

/// The phones' passwords, by number: a TOML table in a file of its own.
#[derive(Debug, Default)]
pub(crate) struct Secrets(BTreeMap<String, SecretString>);

impl Secrets {
    /// What the file holds; nothing where there is none.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        match secret_file::read(path, For::Group, MOST_BYTES) {
            Ok(text) => {
                Self::parse(text.expose_secret()).map_err(|reason| format!("{}: {reason}", path.display()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// What is wrong is told without the line that it is in.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let table: BTreeMap<String, String> = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            format!("line {line} is not of the kind \"101\" = \"password\"; remove it")
        })?;
        for (extension, secret) in &table {
            let is_plain = secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if !is_plain || !(SHORTEST..=LONGEST).contains(&secret.len()) {
                return Err(format!(
                    "the password of {extension:?} has not {SHORTEST} to {LONGEST} letters and digits; remove its \
                     line, and a new one is made"
                ));
            }
        }
        Ok(Self(table.into_iter().map(|(extension, secret)| (extension, secret.into())).collect()))
    }

    pub(crate) fn of(&self, extension: &str) -> Option<&SecretString> {
        self.0.get(extension)
    }

    /// One for each of these phones: the old one, or a new one of 128 random bits. Others are forgotten, so that a phone
    /// that was removed does not come back with a password that somebody knows. Whether anything changed.
    pub(crate) fn keep_for<'a>(&mut self, extensions: impl Iterator<Item = &'a str>) -> io::Result<bool> {
        let mut kept = BTreeMap::new();
        let mut made = false;
        for extension in extensions {
            let old = self.0.remove(extension);
            made |= old.is_none();
            let secret = old.map_or_else(random, Ok)?;
            kept.insert(extension.to_owned(), secret);
        }
        let changed = made || !self.0.is_empty();
        self.0 = kept;
        Ok(changed)
    }

    pub(crate) fn stage(&self, path: &Path) -> Result<Staged, String> {
        let lines = self
            .0
            .iter()
            .map(|(extension, secret)| format!("\"{extension}\" = \"{}\"\n", secret.expose_secret()));
        file::stage(path, lines.collect::<String>(), 0o600)
    }
}

fn random() -> io::Result<SecretString> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_stays_with_its_phone_and_goes_with_it() {
        let mut secrets =
            Secrets::parse("\"101\" = \"0123456789abcdef\"\n\"103\" = \"0123456789abcdef\"").unwrap();
        assert!(secrets.keep_for(["101", "102"].into_iter()).unwrap());
        assert_eq!(secrets.of("101").unwrap().expose_secret(), "0123456789abcdef");
        assert_eq!(secrets.of("102").unwrap().expose_secret().len(), 32);
        assert!(secrets.of("103").is_none());
        assert!(!secrets.keep_for(["101", "102"].into_iter()).unwrap());
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        for text in ["\"101\" = \"short\"", "\"101\" = \"0123456789abcde\\nf\"", "\"101\" = 0123456789", "x"]
        {
            let reason = Secrets::parse(text).unwrap_err();
            assert!(!reason.contains("short") && !reason.contains("0123"), "{reason}");
        }
    }

    #[test]
    fn the_file_is_for_its_owner_alone_and_is_read_again() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("phones.secrets");
        let mut secrets = Secrets::load(&path).unwrap();
        secrets.keep_for(["101"].into_iter()).unwrap();
        secrets.stage(&path).unwrap().put().unwrap();
        let again = Secrets::load(&path).unwrap();
        assert_eq!(again.of("101").unwrap().expose_secret(), secrets.of("101").unwrap().expose_secret());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!format!("{again:?}").contains(again.of("101").unwrap().expose_secret()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Secrets::load(&path).unwrap_err().contains("chmod o="), "everyone can read it");
    }
}
