use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use engine_emulators::{Delay, Delays, Fault, Voices};
use lab::cache::Cache;

use crate::links::Link;

/// Servers on this machine that speak the protocols of paid speech and translation services
///
/// They are as strict as the vendors, and every word stays here: what they say is heard, translated and spoken by the
/// engines on the device (dragoman-engines must run), or told by --say. Addresses and the tables for the daemon's
/// configuration are printed; Ctrl-C ends them.
#[derive(Parser, Debug)]
#[command(name = "dragoman-engine-emulators", version)]
pub(crate) struct Options {
    /// The first of eight ports on 127.0.0.1
    #[arg(long, default_value_t = 7_001, value_parser = clap::value_parser!(u16).range(1..=65_528))]
    pub(crate) port: u16,
    /// The key that clients must bring; the file is made where there is none, in the cache where nothing is said
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Where the device's engine hears and speaks (Wyoming)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:10300")]
    speech: SocketAddr,
    /// Where it translates (LibreTranslate)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    translation: SocketAddr,
    /// Instead of the device: the next utterance is heard as this, and translated as that; speech is a tone
    #[arg(long, value_name = "TEXT=TRANSLATION", value_parser = pair)]
    say: Vec<(String, String)>,
    /// Milliseconds from the end of speech to its text, always the same or drawn: 150, or MEDIAN..P99 as in 150..350, or
    /// @FILE with milliseconds that were measured, one a line
    #[arg(long, value_name = "MS", default_value = "0", value_parser = delay)]
    asr: Delay,
    /// The same from a text to its translation
    #[arg(long, value_name = "MS", default_value = "0", value_parser = delay)]
    mt: Delay,
    /// The same from a text to the first of its speech
    #[arg(long, value_name = "MS", default_value = "0", value_parser = delay)]
    tts: Delay,
    /// Decides what is drawn
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// What the next connection or request of a service meets; again for the one after it
    ///
    /// refuse=STATUS or refuse=STATUS/RETRY-AFTER in seconds, close=CODE (of a WebSocket, after a second of audio),
    /// late=MS, silence, unanswered, repeat-finals, swap-finals, flood, gzip-bomb, garbage: such as deepl:refuse=456,
    /// deepl:refuse=429/30 or deepgram:close=1011
    #[arg(long, value_name = "SERVICE:FAULT", value_parser = fault)]
    fault: Vec<(Service, Fault)>,
    /// What is wrong with the way to a service; again for what is wrong besides
    ///
    /// half-open=SECONDS (from then on connections stay open, and all that is sent is lost), flap=DOWN/EVERY (so many
    /// seconds in so many nothing passes), reset=MS (the next connection that carries audio is reset at that age, in the
    /// midst of a message): such as deepgram:half-open=20 or deepl:flap=1/5
    #[arg(long, value_name = "SERVICE:LINK", value_parser = link)]
    link: Vec<(Service, Link)>,
}

/// Whose protocol a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    Deepgram,
    Deepl,
    DeeplVoice,
    Elevenlabs,
    Hume,
    OpenaiSpeech,
    OpenaiTranslations,
    Xtts,
}

impl Service {
    /// In the order of their ports.
    pub(crate) const ALL: [Self; 8] = [
        Self::Deepgram,
        Self::Deepl,
        Self::DeeplVoice,
        Self::Elevenlabs,
        Self::Hume,
        Self::OpenaiSpeech,
        Self::OpenaiTranslations,
        Self::Xtts,
    ];

    /// The daemon's kinds of engine that it serves, and the scheme of their addresses.
    pub(crate) const fn kinds(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Deepgram => &[("deepgram-listen", "ws"), ("deepgram-flux", "ws"), ("deepgram-aura", "ws")],
            Self::Deepl => &[("deepl", "http")],
            Self::DeeplVoice => &[("deepl-voice", "http")],
            Self::Elevenlabs => &[("elevenlabs", "ws")],
            Self::Hume => &[("hume", "ws")],
            Self::OpenaiSpeech => &[("openai-speech", "http")],
            Self::OpenaiTranslations => &[("openai-translations", "ws")],
            Self::Xtts => &[("xtts", "http")],
        }
    }
}

impl Options {
    /// Where the key is.
    pub(crate) fn key_file(&self) -> Result<PathBuf> {
        match &self.key_file {
            Some(file) => Ok(file.clone()),
            None => Ok(Cache::locate()?.root().join("emulators.key")),
        }
    }

    /// Who hears, translates and speaks.
    pub(crate) fn voices(&self) -> Voices {
        if self.say.is_empty() {
            return Voices::device(self.speech, self.translation);
        }
        let pairs = self.say.iter().map(|(text, translation)| (text.as_str(), translation.as_str()));
        Voices::scripted(self.say.iter().map(|(text, _)| text.as_str()), pairs)
    }

    /// How long that takes.
    pub(crate) const fn delays(&self) -> Delays {
        Delays { asr: self.asr, mt: self.mt, tts: self.tts }
    }

    /// What goes wrong there, in order.
    pub(crate) fn faults_of(&self, service: Service) -> impl Iterator<Item = Fault> {
        self.fault.iter().filter(move |(whose, _)| *whose == service).map(|(_, fault)| fault.clone())
    }
}

impl Options {
    /// What is wrong with the way there.
    pub(crate) fn links_of(&self, service: Service) -> impl Iterator<Item = Link> {
        self.link.iter().filter(move |(whose, _)| *whose == service).map(|(_, link)| *link)
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (said, translation) = text.split_once('=').ok_or("write TEXT=TRANSLATION")?;
    Ok((said.trim().to_owned(), translation.trim().to_owned()))
}

fn delay(text: &str) -> Result<Delay, String> {
    let advice = "write milliseconds, MEDIAN..P99 with 0 < MEDIAN <= P99, or @FILE";
    if let Some(file) = text.strip_prefix('@') {
        let recording = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        return Delay::recorded(&recording).ok_or(format!("{file}: write milliseconds, one a line"));
    }
    let ms = |text: &str| text.parse().map(Duration::from_millis).map_err(|_| advice);
    let Some((median, p99)) = text.split_once("..") else { return Ok(Delay::Fixed(ms(text)?)) };
    let (median, p99) = (ms(median)?, ms(p99)?);
    if median.is_zero() || median > p99 {
        return Err(advice.to_owned());
    }
    Ok(Delay::Drawn { median, p99 })
}

fn link(text: &str) -> Result<(Service, Link), String> {
    let (service, link) = text.split_once(':').ok_or("write SERVICE:LINK")?;
    Ok((Service::from_str(service, true)?, Link::read(link)?))
}

fn fault(text: &str) -> Result<(Service, Fault), String> {
    let (service, fault) = text.split_once(':').ok_or("write SERVICE:FAULT")?;
    let service = Service::from_str(service, true)?;
    let (name, value) = fault.split_once('=').map_or((fault, None), |(name, value)| (name, Some(value)));
    let read = |value: Option<&str>| {
        value.and_then(|value| value.parse().ok()).ok_or(format!("{name}: write {name}=NUMBER"))
    };
    let number = || read(value);
    let fault = match name {
        "refuse" => match value.and_then(|value| value.split_once('/')) {
            Some((status, seconds)) => {
                Fault::Refuse { status: read(Some(status))?, retry_after: Some(read(Some(seconds))?.into()) }
            }
            None => Fault::Refuse { status: number()?, retry_after: None },
        },
        "close" => {
            Fault::Close { code: number()?, reason: "as asked for".into(), after: Duration::from_secs(1) }
        }
        "late" => Fault::Late(Duration::from_millis(number()?.into())),
        "silence" => Fault::Silence,
        "unanswered" => Fault::Unanswered,
        "repeat-finals" => Fault::RepeatFinals,
        "swap-finals" => Fault::SwapFinals,
        "flood" => Fault::Flood { most: 100 << 20 },
        "gzip-bomb" => Fault::GzipBomb,
        "garbage" => Fault::Garbage(vec![b"{\"type\":7}".to_vec()]),
        _ => return Err(format!("{name} is no fault; --help names them")),
    };
    Ok((service, fault))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_read() {
        Options::command().debug_assert();
        let line = "x --asr 150..350 --mt 80 --fault deepl:refuse=456 --fault deepl:refuse=429/30 \
                    --fault deepl:late=5000 --fault deepgram:swap-finals --link deepl:flap=1/5 --link deepl:half-open=20 \
                    --say a=b";
        let options = Options::try_parse_from(line.split(' ')).unwrap();
        assert!(matches!(options.delays().asr, Delay::Drawn { .. }));
        let faults: Vec<_> = options.faults_of(Service::Deepl).collect();
        let late = Fault::Late(Duration::from_secs(5));
        let refuse = |status, retry_after| Fault::Refuse { status, retry_after };
        assert_eq!(faults, [refuse(456, None), refuse(429, Some(30)), late]);
        let secs = Duration::from_secs;
        let links = [Link::Flap { down: secs(1), every: secs(5) }, Link::HalfOpen(secs(20))];
        assert_eq!(options.links_of(Service::Deepl).collect::<Vec<_>>(), links);
        assert_eq!(options.faults_of(Service::Deepgram).collect::<Vec<_>>(), [Fault::SwapFinals]);
        assert!(options.faults_of(Service::Hume).next().is_none());
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let faults = ["deepl", "x:silence", "deepl:refuse", "deepl:refuse=429/", "deepl:refuse=/30"];
        let faults = faults.map(|fault| format!("--fault {fault}"));
        let others =
            ["--asr fast", "--asr 9..3", "--asr @/nowhere", "--link deepl:flap=5/1", "--link deepl:reset"];
        for line in others.into_iter().chain(faults.iter().map(String::as_str)) {
            assert!(Options::try_parse_from(["x"].into_iter().chain(line.split(' '))).is_err(), "{line}");
        }
    }
}
