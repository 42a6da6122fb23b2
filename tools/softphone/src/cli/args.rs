//! Options, and the help that teaches them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::Codec;
use crate::audio::device::DeviceChoice;

const EXAMPLES: &str = "\
Examples:
  Is the box there, and does extension 101 have the right password?
      dragoman-phone register 101@192.168.1.20 --password-file 101.secret

  Call the interpreter, say a recorded sentence, keep what comes back:
      dragoman-phone call 700@192.168.1.20 --user 101 --password-file 101.secret \\
          --play sentence.wav --record heard.wav

  Call it with this laptop's microphone and speaker; Ctrl-C hangs up:
      dragoman-phone call 700@192.168.1.20 --user 101 --password-file 101.secret --mic --speaker

  Check one codec, with the numbers as JSON:
      dragoman-phone call 700@192.168.1.20 --user 101 --password-env SECRET --codec g722 --play a.wav --json

  Be extension 102 and answer calls with a recording:
      dragoman-phone register 102@192.168.1.20 --password-file 102.secret --answer --play greeting.wav

Exit status: 0 when all went well, 1 with one line that says what to do, 2 for a wrong option.";

/// A small SIP phone to check a Dragoman box from a laptop.
#[derive(Debug, Parser)]
#[command(name = "dragoman-phone", version, after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Call an extension.
    Call(Box<CallArgs>),
    /// Register an extension, and answer its calls if wished.
    Register(Box<RegisterArgs>),
    /// List microphones and speakers.
    Devices {
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct CallArgs {
    /// Whom to call: EXTENSION@HOST or EXTENSION@HOST:PORT.
    pub(super) target: String,
    /// Own extension.
    #[arg(long)]
    pub(super) user: Option<String>,
    #[command(flatten)]
    pub(super) password: Password,
    /// Offer this codec only: l16, g722, pcmu or pcma; may be repeated, preferred first.
    #[arg(long)]
    pub(super) codec: Vec<Codec>,
    /// Register before the call.
    #[arg(long)]
    pub(super) register: bool,
    /// Give up when nobody has answered after this time.
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub(super) ring: Duration,
    #[command(flatten)]
    pub(super) audio: AudioArgs,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct RegisterArgs {
    /// Own address: EXTENSION@HOST or EXTENSION@HOST:PORT.
    pub(super) address: String,
    #[command(flatten)]
    pub(super) password: Password,
    /// Stay, and answer calls until Ctrl-C.
    #[arg(long)]
    pub(super) answer: bool,
    /// Answer one call, then leave.
    #[arg(long, requires = "answer")]
    pub(super) once: bool,
    /// Take calls with this codec only; may be repeated.
    #[arg(long)]
    pub(super) codec: Vec<Codec>,
    /// Own SIP port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub(super) port: u16,
    #[command(flatten)]
    pub(super) audio: AudioArgs,
}

/// A password is read from a file or the environment: on the command line every user of the machine could see it.
#[derive(Debug, ClapArgs)]
pub(super) struct Password {
    /// File whose first line is the password.
    #[arg(long, conflicts_with = "password_env")]
    password_file: Option<PathBuf>,
    /// Environment variable that holds the password.
    #[arg(long)]
    password_env: Option<String>,
}

impl Password {
    pub(super) fn read(&self) -> Result<Option<String>> {
        let text = match (&self.password_file, &self.password_env) {
            (Some(path), _) => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the password file {}", path.display()))?,
            (None, Some(name)) => {
                std::env::var(name).map_err(|_| anyhow!("the environment variable {name} is not set"))?
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(text.lines().next().unwrap_or_default().trim_end().to_owned()))
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct AudioArgs {
    /// Say this WAV, whatever its rate, as soon as the other side is silent; may be repeated.
    #[arg(long, value_name = "WAV")]
    pub(super) play: Vec<PathBuf>,
    /// Keep what is heard in this WAV (16 kHz, mono).
    #[arg(long, value_name = "WAV")]
    pub(super) record: Option<PathBuf>,
    /// Speak with the default microphone, or with this one (see `devices`).
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "default")]
    pub(super) mic: Option<DeviceChoice>,
    /// Listen with the default speaker, or with this one (see `devices`).
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "default")]
    pub(super) speaker: Option<DeviceChoice>,
    /// Press these keys when the call is up.
    #[arg(long, value_name = "KEYS", value_parser = keys)]
    pub(super) dtmf: Option<String>,
    /// Hang up after this time: 30s, 2m or 500ms.
    #[arg(long, value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// Print events and the report as JSON, one object a line.
    #[arg(long)]
    pub(super) json: bool,
}

fn keys(text: &str) -> Result<String, String> {
    match text.chars().find(|key| crate::media::dtmf::event_of(*key).is_none()) {
        None if !text.is_empty() => Ok(text.to_owned()),
        Some(other) => Err(format!("a phone has no key {other}")),
        None => Err("no key given".into()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 =
        text[..unit].parse().map_err(|_| format!("{text} is no time: write 30s, 2m or 500ms"))?;
    let seconds = match &text[unit..] {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        other => return Err(format!("{other} is no unit of time: write ms, s, m or h")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{text} is too long"))
}

/// Extension and host of `EXTENSION@HOST[:PORT]`, with or without `sip:`.
pub(super) fn split_address(address: &str) -> Result<(&str, &str)> {
    let plain = address.strip_prefix("sip:").unwrap_or(address);
    match plain.split_once('@') {
        Some((user, host)) if !user.is_empty() && !host.is_empty() => Ok((user, host)),
        _ => bail!("{address} is no phone address: write EXTENSION@HOST, for example 700@192.168.1.20"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn times_and_keys() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert!(duration("soon").is_err() && duration("3 weeks").is_err() && duration("9e99s").is_err());
        assert_eq!(keys("5#"), Ok("5#".into()));
        assert_eq!(keys("5x"), Err("a phone has no key x".into()));
    }

    #[test]
    fn addresses() {
        assert_eq!(split_address("sip:700@box:5070").unwrap(), ("700", "box:5070"));
        assert!(split_address("700").is_err() && split_address("@box").is_err());
    }

    #[test]
    fn a_microphone_may_be_named_or_not() {
        let mic = |words: &[&str]| {
            let words = ["dragoman-phone", "call", "700@box"].iter().chain(words).copied();
            match Args::try_parse_from(words).unwrap().command {
                Command::Call(args) => args.audio.mic,
                _ => panic!("not a call"),
            }
        };
        assert_eq!(mic(&[]), None);
        assert_eq!(mic(&["--mic"]), Some(DeviceChoice::Default));
        assert_eq!(mic(&["--mic", "alsa:hw"]), Some(DeviceChoice::Id("alsa:hw".into())));
    }
}
