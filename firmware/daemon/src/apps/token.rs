//! What a program of the box has to know: one word in a file that only its owner and his group can read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use secret_file::For;
use subtle::ConstantTimeEq as _;

/// Shorter ones can be guessed.
const SHORTEST: usize = 32;
const LONGEST: usize = 256;

/// A new one: 256 random bits.
///
/// # Errors
/// Where there are no random bytes.
pub fn new() -> io::Result<SecretString> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.map(|byte| format!("{byte:02x}")).concat().into())
}

/// Makes the file with a new one, unless it is there.
pub(super) fn make(path: &Path) -> io::Result<()> {
    secret_file::make(path, || Ok(new()?.expose_secret().to_owned()))
}

/// The token that is in the file.
pub(super) fn read(path: &Path) -> Result<SecretString, String> {
    let text = secret_file::read(path, For::Group, 2 * LONGEST as u64).map_err(|error| error.to_string())?;
    let token = text.expose_secret().trim();
    let is_word = token.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !(SHORTEST..=LONGEST).contains(&token.len()) || !is_word {
        return Err(format!(
            "this is no token of {SHORTEST} or more letters and digits; `dragoman apps token --new` makes one"
        ));
    }
    Ok(SecretString::from(token))
}

/// Whether both are the same, in a time that does not tell where they differ.
pub(super) fn is_same(token: &SecretString, other: &SecretString) -> bool {
    token.expose_secret().as_bytes().ct_eq(other.expose_secret().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_made_once_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("apps.token");
        make(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let token = read(&path).unwrap();
        assert_eq!(token.expose_secret().len(), 64);
        make(&path).unwrap();
        assert!(is_same(&token, &read(&path).unwrap()), "it stays");
        assert!(!is_same(&token, &new().unwrap()) && !is_same(&token, &"".into()));
    }

    #[test]
    fn what_anybody_may_know_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("apps.token");
        for (text, mode, words) in [
            ("a".repeat(64), 0o644, "chmod"),
            ("short".to_owned(), 0o600, "--new"),
            ("a b".repeat(30), 0o600, "--new"),
            ("a".repeat(300), 0o600, "--new"),
        ] {
            std::fs::write(&path, &text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let refused = read(&path).unwrap_err();
            assert!(refused.contains(words) && !refused.contains(&text), "{refused}");
        }
        assert!(read(directory.path()).is_err());
    }
}
