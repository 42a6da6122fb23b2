//! Keys, and where they are read.

use std::io::{self, Read as _};
use std::path::Path;

use secrecy::SecretString;

use crate::config::Fault;
use crate::config::file::EngineTable;

/// A key file larger than this is none.
const LONGEST_KEY: usize = 4_096;

pub(super) fn key_place(table: &EngineTable) -> Option<String> {
    let file = table.key_file.as_ref().map(|file| file.get_ref().display().to_string());
    let credential = || Some(format!("the credential {}", table.key_credential.as_ref()?.get_ref()));
    file.or_else(credential)
}

/// The key in a file of its own, or in a credential of the service manager's.
pub(super) fn key(name: &str, table: &EngineTable) -> Result<Option<SecretString>, Fault> {
    let (option, span, path) = match (&table.key_file, &table.key_credential) {
        (None, None) => return Ok(None),
        (Some(file), None) => ("key_file", file.span(), file.get_ref().clone()),
        (None, Some(credential)) => {
            let fault =
                |message| (Some(credential.span()), format!("engine.{name}.key_credential: {message}"));
            let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                fault(
                    "the service manager gives none; start dragomand by its unit, or use key_file".to_owned(),
                )
            })?;
            let credential_name = credential.get_ref();
            if credential_name.is_empty() || credential_name.contains('/') || credential_name.starts_with('.')
            {
                return Err(fault("write the credential's name, which has no slash".to_owned()));
            }
            ("key_credential", credential.span(), Path::new(&directory).join(credential_name))
        }
        (Some(file), Some(_)) => {
            let message = format!("engine.{name}: key_file and key_credential are both there; keep one");
            return Err((Some(file.span()), message));
        }
    };
    let fault = |message: String| (Some(span.clone()), format!("engine.{name}.{option}: {message}"));
    let text = small_file(&path).map_err(|error| {
        fault(format!("{}: {error}; put the key there, readable for dragomand", path.display()))
    })?;
    let key = text.trim();
    let plain = key.len() <= LONGEST_KEY && key.bytes().all(|byte| byte.is_ascii_graphic());
    if key.is_empty() || !plain {
        return Err(fault(format!("{}: this is no key; it is one word", path.display())));
    }
    Ok(Some(SecretString::from(key)))
}

/// Never waits, as for a pipe, and never reads without end.
fn small_file(path: &Path) -> io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    std::fs::File::open(path)?.take(2 * LONGEST_KEY as u64).read_to_string(&mut text)?;
    Ok(text)
}
