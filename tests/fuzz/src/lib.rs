//! The parsers of foreign bytes as functions of one input each. None may panic, whatever the bytes.
//!
//! `cargo xtask test fuzz` runs each for a few seconds under libFuzzer, from the inputs in `seeds/`, and counts the runs;
//! with `--runs N`, so often. What it found before is there, too. `cargo run -p dragoman-fuzz --bin replay -- TARGET FILE…` runs one on inputs.

mod config;
mod daemon;
mod guard;
mod pieces;
mod pipe;
mod ports;
mod providers;
mod softphone;
mod wyoming;

/// A parser.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on command lines, and its folder in `seeds/`.
    pub name: &'static str,
    /// Feeds it; whether it understood any of that.
    pub run: fn(&[u8]) -> bool,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "apps", run: daemon::apps },
    Target { name: "ari", run: daemon::ari },
    Target { name: "audiosocket", run: ports::audiosocket },
    Target { name: "commands", run: daemon::commands },
    Target { name: "config", run: config::file },
    Target { name: "deepgram_aura", run: providers::deepgram_aura },
    Target { name: "deepgram_flux", run: providers::deepgram_flux },
    Target { name: "deepgram_listen", run: providers::deepgram_listen },
    Target { name: "deepl", run: providers::deepl },
    Target { name: "deepl_voice", run: providers::deepl_voice },
    Target { name: "digest", run: softphone::digest },
    Target { name: "elevenlabs", run: providers::elevenlabs },
    Target { name: "host", run: daemon::host },
    Target { name: "hume", run: providers::hume },
    Target { name: "jitter", run: ports::jitter },
    Target { name: "keys", run: daemon::key },
    Target { name: "libretranslate", run: providers::libretranslate },
    Target { name: "openai_speech", run: providers::openai_speech },
    Target { name: "openai_translations", run: providers::openai_translations },
    Target { name: "pipe", run: pipe::frames },
    Target { name: "recording", run: daemon::recording },
    Target { name: "rtp", run: softphone::rtp },
    Target { name: "sdp", run: softphone::sdp },
    Target { name: "security_events", run: guard::security_events },
    Target { name: "sip", run: softphone::sip },
    Target { name: "telephone_event", run: ports::telephone_event },
    Target { name: "wyoming", run: wyoming::events },
    Target { name: "xtts", run: providers::xtts },
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}
