use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use age::secrecy::ExposeSecret as _;
use age::x25519::{Identity, Recipient};
use age::{IdentityFile, NoCallbacks};
use secret_file::For;

use crate::config::Readers;

/// A file of keys is no larger.
const LONGEST: u64 = 64 << 10;

/// To whom recordings are encrypted. Makes the box's own key where it is wanted and there is none.
pub(super) fn recipients(readers: &Readers) -> Result<Vec<Recipient>, String> {
    match readers {
        Readers::Named(named) => {
            let parse = |name: &String| name.parse().map_err(|error| format!("{name}: {error}"));
            named.iter().map(parse).collect()
        }
        Readers::Box(path) => {
            let made = secret_file::make(path, || Ok(new()));
            made.map_err(|error| format!("{}: no key can be made: {error}", path.display()))?;
            Ok(vec![own(path)?.to_public()])
        }
    }
}

/// The keys in a file that age-keygen or the box made.
///
/// # Errors
/// Where it cannot be read or holds none, and what to do.
pub fn identities(path: &Path) -> Result<Vec<Box<dyn age::Identity>>, String> {
    let here = |reason: String| format!("{}: {reason}", path.display());
    let file = File::open(path).map_err(|error| here(format!("{error}; name the key with --identity")))?;
    let keys: IdentityFile<NoCallbacks> = IdentityFile::from_buffer(BufReader::new(file.take(LONGEST)))
        .map_err(|_| here("it holds no key of age's".to_owned()))?;
    let keys = keys.into_identities().map_err(|error| here(error.to_string()))?;
    if keys.is_empty() { Err(here("it holds no key".to_owned())) } else { Ok(keys) }
}

fn own(path: &Path) -> Result<Identity, String> {
    let here = |reason: &str| format!("{}: {reason}", path.display());
    let text = secret_file::read(path, For::Owner, LONGEST).map_err(|error| here(&error.to_string()))?;
    let key = text.expose_secret().lines().find(|line| !line.is_empty() && !line.starts_with('#'));
    let key = key.and_then(|line| line.trim().parse().ok());
    key.ok_or_else(|| here("it holds no key; move it away, and a new one is made for new recordings"))
}

fn new() -> String {
    let key = Identity::generate();
    format!("# public key: {}\n{}\n", key.to_public(), key.to_string().expose_secret())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn the_boxs_key_is_made_once_and_for_it_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/recordings.key");
        let readers = Readers::Box(path.clone());
        let first = recipients(&readers).unwrap()[0].to_string();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(recipients(&readers).unwrap()[0].to_string(), first);
        assert_eq!(identities(&path).unwrap().len(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(recipients(&readers).unwrap_err().contains("chmod 600"));
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("k");
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
        fs::write(&path, "AGE-SECRET-KEY-1SECRET\n").unwrap();
        for reason in [recipients(&Readers::Box(path.clone())).unwrap_err(), identities(&path).err().unwrap()]
        {
            assert!(reason.contains("no key") && !reason.contains("SECRET"), "{reason}");
        }
        assert!(identities(&directory.path().join("x")).err().unwrap().contains("--identity"));
    }
}
