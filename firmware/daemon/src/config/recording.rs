use std::path::PathBuf;
use std::str::FromStr as _;

use toml::Spanned;

use super::Fault;
use super::file::RecordingTable;

/// Where recordings are kept, where nothing else is said.
pub const DIRECTORY: &str = "/var/lib/dragoman/recordings";
/// The box's own key to them, where nothing else is said.
pub const IDENTITY_FILE: &str = "/var/lib/dragoman/recordings.key";
const MOST_MIB: u32 = 2_000;

/// How calls are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Where recordings are kept.
    pub directory: PathBuf,
    /// What they may take up together, bytes.
    pub most_bytes: u64,
    /// Who can read them.
    pub readers: Readers,
}

/// Who can read recordings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Whoever has the box's own key, which is in this file.
    Box(PathBuf),
    /// Whoever has the key to one of these, age's X25519 recipients; the box has none.
    Named(Vec<String>),
}

impl Recording {
    pub(super) fn read(table: Option<RecordingTable>) -> Result<Option<Self>, Fault> {
        let Some(table) = table else { return Ok(None) };
        let readers = match (table.recipients, table.identity_file) {
            (None, file) => Readers::Box(file.map_or(IDENTITY_FILE.into(), Spanned::into_inner)),
            (Some(named), None) => Readers::Named(recipients(named)?),
            (Some(_), Some(file)) => {
                let advice =
                    "recording.identity_file: with recipients the box has no key; remove one of both";
                return Err((Some(file.span()), advice.into()));
            }
        };
        Ok(Some(Self {
            directory: table.directory.unwrap_or_else(|| DIRECTORY.into()),
            most_bytes: u64::from(most_mib(table.most_mib)?) << 20,
            readers,
        }))
    }
}

fn most_mib(value: Option<Spanned<u32>>) -> Result<u32, Fault> {
    match value {
        None => Ok(MOST_MIB),
        Some(most) if *most.get_ref() > 0 => Ok(most.into_inner()),
        Some(most) => Err((Some(most.span()), "recording.most_mib: say 1 or more, in MiB".into())),
    }
}

fn recipients(named: Spanned<Vec<String>>) -> Result<Vec<String>, Fault> {
    let is_good = |name: &String| age::x25519::Recipient::from_str(name).is_ok();
    if named.get_ref().is_empty() || !named.get_ref().iter().all(is_good) {
        let advice = "recording.recipients: write public keys as age-keygen prints them, [\"age1…\"], or remove the key";
        return Err((Some(named.span()), advice.into()));
    }
    Ok(named.into_inner())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{ConfigError, read};

    const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    fn recording(table: &str) -> Result<Option<Recording>, ConfigError> {
        let text = format!("{table}\n[[room]]\nextension = \"700\"\nkind = \"echo\"\n");
        read(Path::new("c.toml"), &text).map(|config| config.recording)
    }

    #[test]
    fn nothing_is_recorded_unless_it_is_said() {
        assert_eq!(recording(""), Ok(None));
        let on = recording("[recording]").unwrap().unwrap();
        assert_eq!(on.readers, Readers::Box(IDENTITY_FILE.into()));
        assert_eq!((on.directory, on.most_bytes), (DIRECTORY.into(), 2_000 << 20));
        let named = recording(&format!("[recording]\nrecipients = [{RECIPIENT:?}]\nmost_mib = 7"));
        let named = named.unwrap().unwrap();
        assert_eq!((named.readers, named.most_bytes), (Readers::Named(vec![RECIPIENT.into()]), 7 << 20));
    }

    #[test]
    fn faults_name_line_and_key() {
        for (key, words) in [
            ("recipients = []", "age-keygen"),
            ("recipients = [\"age1\"]", "age-keygen"),
            ("most_mib = 0", "most_mib"),
            ("most_mib = -1", "most_mib"),
            ("file = 3", "file"),
            (&format!("identity_file = \"/k\"\nrecipients = [{RECIPIENT:?}]"), "remove one"),
        ] {
            let message = recording(&format!("[recording]\n{key}")).unwrap_err().to_string();
            assert!(message.starts_with("c.toml:2: ") && message.contains(words), "{key}: {message}");
        }
    }
}
