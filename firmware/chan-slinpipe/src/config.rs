//! `slinpipe.conf`, checked: an option that is not known or does not make sense is an error, never ignored.

use std::path::PathBuf;

use thiserror::Error;

/// What `[general]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Where the FIFOs appear.
    pub(crate) directory: PathBuf,
    /// Bytes each pipe may hold; the kernel rounds up to a power of two.
    pub(crate) pipe_bytes: usize,
}

/// One thing wrong with the file.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum BadSetting {
    #[error("[{0}] is not known: only [general] is")]
    Category(String),
    #[error("`{0}` is not known: [general] has directory and pipe_bytes")]
    Key(String),
    #[error("directory = {0} is not an absolute path")]
    RelativeDirectory(String),
    #[error("pipe_bytes = {0} is not a number from {min} to {max}", min = Settings::MIN_PIPE_BYTES, max = Settings::MAX_PIPE_BYTES)]
    PipeBytes(String),
}

impl Settings {
    /// A page, the least a pipe can hold: 6 frames, 120 ms. The default is two, see `slinpipe.conf`.
    const MIN_PIPE_BYTES: usize = 4096;
    /// What an ordinary user may ask of the kernel.
    const MAX_PIPE_BYTES: usize = 1 << 20;

    /// Takes one `key = value` of a category.
    pub(crate) fn set(&mut self, category: &str, key: &str, value: &str) -> Result<(), BadSetting> {
        if category != "general" {
            return Err(BadSetting::Category(category.to_owned()));
        }
        match key {
            "directory" if !value.starts_with('/') => Err(BadSetting::RelativeDirectory(value.to_owned())),
            "directory" => {
                self.directory = PathBuf::from(value);
                Ok(())
            }
            "pipe_bytes" => {
                let accepted = Self::MIN_PIPE_BYTES..=Self::MAX_PIPE_BYTES;
                let bytes = value.parse().ok().filter(|bytes| accepted.contains(bytes));
                self.pipe_bytes = bytes.ok_or_else(|| BadSetting::PipeBytes(value.to_owned()))?;
                Ok(())
            }
            _ => Err(BadSetting::Key(key.to_owned())),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { directory: PathBuf::from("/run/dragoman/pipes"), pipe_bytes: 2 * Self::MIN_PIPE_BYTES }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(category: &str, key: &str, value: &str) -> String {
        let before = Settings::default();
        let mut settings = before.clone();
        let error = settings.set(category, key, value).expect_err(value);
        assert_eq!(settings, before, "a refused value is not half taken");
        error.to_string()
    }

    #[test]
    fn known_keys_are_taken() {
        let mut settings = Settings::default();
        settings.set("general", "directory", "/run/pipes").expect("directory");
        settings.set("general", "pipe_bytes", "65536").expect("pipe_bytes");
        assert_eq!(settings, Settings { directory: "/run/pipes".into(), pipe_bytes: 65536 });
    }

    #[test]
    fn everything_else_is_named_in_one_line() {
        assert_eq!(
            refused("general", "pipe_size", "4096"),
            "`pipe_size` is not known: [general] has directory and pipe_bytes"
        );
        assert_eq!(refused("pipes", "directory", "/x"), "[pipes] is not known: only [general] is");
        assert_eq!(refused("general", "directory", "pipes"), "directory = pipes is not an absolute path");
        assert_eq!(refused("general", "directory", ""), "directory =  is not an absolute path");
        for value in ["", "0", "4095", "1048577", "-1", "4k", "99999999999999999999"] {
            assert_eq!(
                refused("general", "pipe_bytes", value),
                format!("pipe_bytes = {value} is not a number from 4096 to 1048576")
            );
        }
    }
}
