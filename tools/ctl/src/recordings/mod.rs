//! `dragoman recordings`: what was recorded.

mod export;
mod mix;
mod tracks;
mod transcript;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use dragomand::config::{self, DIRECTORY, IDENTITY_FILE, Readers};
use dragomand::recording::{Kept, State, list};
use serde_json::json;

use crate::live::table;

#[derive(Subcommand)]
pub(crate) enum Recordings {
    /// Print what is kept, the oldest first
    ///
    /// Nothing is decrypted for it. A recording is whole, running, or cut off: by a crash or by a disk without room.
    List {
        /// Print a JSON object for each, a line each
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Decrypt a recording into a new directory: WAV files and a transcript
    ///
    /// `mixed.wav` has all voices and translations, `leg-….wav` what one phone said, `leg-…-in-es.wav` its translation;
    /// they all begin at the same time. `transcript.jsonl` has a line for each thing said, with its time in seconds.
    /// A recording that was cut off is exported as far as it goes; the exit code is 1 then.
    Export {
        /// Its number, as `list` prints it
        number: u32,
        /// Where the new directory is made; the current one where nothing is said
        #[arg(long, value_name = "DIRECTORY", default_value = ".")]
        to: PathBuf,
        /// The key of one of its recipients, as age-keygen writes it; the box's own where nothing is said
        #[arg(long, value_name = "FILE")]
        identity: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Remove recordings for good
    Remove {
        /// Their numbers, as `list` prints them
        #[arg(required = true)]
        numbers: Vec<u32>,
        #[command(flatten)]
        place: Place,
    },
}

/// Where recordings are.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// The daemon's configuration, which tells where they are
    #[arg(long, value_name = "FILE", default_value = "/etc/dragoman/dragomand.toml")]
    config: PathBuf,
    /// Where they are instead: copies on another machine
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

impl Recordings {
    /// Whether all is well.
    pub(crate) fn run(&self) -> Result<bool, String> {
        match self {
            Self::List { json, place } => {
                let kept = place.list()?;
                let text = if *json {
                    lines(&kept)
                } else if kept.is_empty() {
                    place.why_none()?
                } else {
                    text(&kept)
                };
                crate::print(&text)?;
                Ok(true)
            }
            Self::Export { number, to, identity, place } => {
                let kept = place.find(*number)?;
                let key = identity.as_ref().map_or_else(|| place.own_key(), |path| Ok(path.clone()))?;
                export::export(&kept, &key, to)
            }
            Self::Remove { numbers, place } => {
                let kept = numbers.iter().map(|number| place.find(*number)).collect::<Result<Vec<_>, _>>()?;
                kept.iter().try_for_each(remove).map(|()| true)
            }
        }
    }
}

impl Place {
    fn config(&self) -> Result<Option<config::Recording>, String> {
        config::load(&self.config).map(|config| config.recording).map_err(|error| error.to_string())
    }

    fn directory(&self) -> Result<PathBuf, String> {
        match &self.directory {
            Some(directory) => Ok(directory.clone()),
            // What was recorded stays when recording is switched off.
            None => Ok(self.config()?.map_or_else(|| DIRECTORY.into(), |recording| recording.directory)),
        }
    }

    fn own_key(&self) -> Result<PathBuf, String> {
        if self.directory.is_some() {
            return Err("name the key that opens it with --identity".to_owned());
        }
        match self.config()?.map(|recording| recording.readers) {
            None => Ok(IDENTITY_FILE.into()),
            Some(Readers::Box(path)) => Ok(path),
            Some(Readers::Named(_)) => {
                Err("this box cannot open it; name the key of one of recording.recipients with --identity"
                    .to_owned())
            }
        }
    }

    fn list(&self) -> Result<Vec<Kept>, String> {
        let directory = self.directory()?;
        match list(&directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            kept => kept.map_err(|error| format!("{}: {error}", directory.display())),
        }
    }

    fn why_none(&self) -> Result<String, String> {
        let reason = if self.directory.is_some() {
            "."
        } else if self.config()?.is_some() {
            " yet, though recording is on. A call is recorded once its callers were told so, for which an engine must \
             speak their language: `dragoman status` tells what is not well."
        } else {
            "; [recording] in the configuration switches recording on."
        };
        Ok(format!("There is no recording{reason}\n"))
    }

    fn find(&self, number: u32) -> Result<Kept, String> {
        let advice = || format!("there is no recording {number}; see `dragoman recordings list`");
        self.list()?.into_iter().find(|kept| kept.number == number).ok_or_else(advice)
    }
}

fn remove(kept: &Kept) -> Result<(), String> {
    if kept.state == State::Running {
        return Err(format!("{} is running; it can be removed when the call is over", kept.number));
    }
    fs::remove_file(&kept.path).map_err(|error| format!("{}: {error}", kept.path.display()))
}

fn state(kept: &Kept) -> &'static str {
    match kept.state {
        State::Whole => "whole",
        State::Running => "running",
        State::CutOff => "cut off",
    }
}

fn text(kept: &[Kept]) -> String {
    let row = |kept: &Kept| {
        let size = format!("{:.1} MiB", kept.bytes as f64 / f64::from(1 << 20));
        vec![kept.number.to_string(), kept.began.clone(), kept.room.clone(), size, state(kept).to_owned()]
    };
    let mut text = String::new();
    table::write(
        &mut text,
        &["number", "began", "room", "size", "state"],
        &kept.iter().map(row).collect::<Vec<_>>(),
    )
    .expect("a String takes it");
    text
}

fn lines(kept: &[Kept]) -> String {
    let line = |kept: &Kept| {
        let Kept { number, began, room, bytes, path, .. } = kept;
        let path = path.display().to_string();
        format!(
            "{}\n",
            json!({ "number": number, "began": began, "room": room, "bytes": bytes, "path": path, "state": state(kept) })
        )
    };
    kept.iter().map(line).collect()
}

/// What a directory is called into which `kept` is exported.
fn name(kept: &Kept) -> String {
    format!("{:06}-{}-{}", kept.number, kept.began, kept.room)
}

/// For its owner alone, in a place where nothing was.
fn make_directory(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::DirBuilderExt as _;
    let advice = |error| format!("{}: {error}; name another place with --to", path.display());
    fs::DirBuilder::new().mode(0o700).create(path).map_err(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(state: State) -> Kept {
        let (began, path) = ("20261121T215500Z".to_owned(), PathBuf::from("/r/000007-x.age"));
        Kept { number: 7, began, room: "800".to_owned(), bytes: 3 << 20, path, state }
    }

    #[test]
    fn a_list_tells_number_beginning_room_size_and_state() {
        let expected = "  number  began             room  size     state\n  7       20261121T215500Z  800   3.0 MiB  cut off\n";
        assert_eq!(text(&[kept(State::CutOff)]), expected);
        let line: serde_json::Value = serde_json::from_str(&lines(&[kept(State::Whole)])).unwrap();
        assert_eq!((&line["number"], &line["state"]), (&json!(7), &json!("whole")));
    }

    #[test]
    fn an_empty_list_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("dragomand.toml");
        let mut place = Place { config: config.clone(), directory: None };
        let room = "[[room]]\nextension = \"790\"\nkind = \"echo\"\n";
        fs::write(&config, room).unwrap();
        assert!(place.why_none().unwrap().contains("switches recording on"));
        fs::write(&config, format!("[recording]\n{room}")).unwrap();
        let text = place.why_none().unwrap();
        assert!(text.contains("recording is on") && text.contains("dragoman status"), "{text}");
        place.directory = Some(directory.path().to_owned());
        assert_eq!(place.why_none().unwrap(), "There is no recording.\n");
    }

    #[test]
    fn what_is_running_is_not_removed() {
        assert!(remove(&kept(State::Running)).unwrap_err().contains("running"));
    }
}
