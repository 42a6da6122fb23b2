use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

use age::stream::StreamReader;
use age::{DecryptError, Decryptor, Identity};

use super::format::{Record, Title};

/// A recording as it is read: its records, in the order in which they were written.
pub struct Reader {
    from: BufReader<StreamReader<BufReader<File>>>,
    title: Title,
    is_whole: bool,
    ended: Option<String>,
}

impl Reader {
    /// Opens a recording with whichever of the keys fits.
    ///
    /// # Errors
    /// Where it cannot be read, or not with these keys, and what to do.
    pub fn open(path: &Path, identities: &[Box<dyn Identity>]) -> Result<Self, String> {
        let here = |reason: String| format!("{}: {reason}", path.display());
        let file = File::open(path).map_err(|error| here(error.to_string()))?;
        let advice = |error: DecryptError| {
            here(match error {
                DecryptError::NoMatchingKeys => {
                    "this key does not open it; name the key of one of its recipients with --identity"
                        .to_owned()
                }
                error => format!("it cannot be opened: {error}"),
            })
        };
        let sealed = Decryptor::new_buffered(BufReader::new(file)).map_err(advice)?;
        let open = sealed.decrypt(identities.iter().map(|identity| &**identity)).map_err(advice)?;
        let mut from = BufReader::new(open);
        let title = Title::read(&mut from).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData => {
                here("there is nothing in it yet".to_owned())
            }
            _ => here(error.to_string()),
        })?;
        Ok(Self { from, title, is_whole: false, ended: None })
    }

    /// What it is of.
    pub fn title(&self) -> &Title {
        &self.title
    }

    /// Whether all of it was read, to the end that its writer gave it.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Why reading ended before its end, where that was not for its being cut off.
    pub fn fault(&self) -> Option<&str> {
        self.ended.as_deref()
    }
}

impl Iterator for Reader {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        match Record::read(&mut self.from) {
            Ok(Some(record)) => return Some(record),
            Ok(None) => self.is_whole = true,
            // The last piece of what was cut off cannot be decrypted.
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) => {}
            Err(error) => self.ended = Some(error.to_string()),
        }
        None
    }
}
