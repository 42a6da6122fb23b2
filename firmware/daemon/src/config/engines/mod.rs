//! The engines that the configuration names, and the chains they stand in.

mod address;
mod key;
mod named;
mod service;
mod stages;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;
use toml::Spanned;

use super::Fault;
use super::file::{DeviceTable, EngineTable, EnginesTable};
use super::glossary::Terms;
use crate::endpoint::Endpoint;
use address::{base, endpoint};
use named::{Named, Provider, provider};

pub use service::Service;
pub use stages::{Asr, Mt, SpeechToSpeech, SpeechVendor, Tts};

/// The engines on the device, in chains and in reports.
pub(crate) const DEVICE: &str = "device";

/// One chain a stage: best first, never empty.
#[derive(Clone, Debug)]
pub struct Engines {
    /// Speech recognition.
    pub asr: Vec<Engine<Asr>>,
    /// Translation.
    pub mt: Vec<Engine<Mt>>,
    /// Speech synthesis.
    pub tts: Vec<Engine<Tts>>,
    /// How somebody speaks; empty where that is not wanted.
    pub emotion: Vec<Engine<Service>>,
    /// Terms that are to be translated in one way.
    pub glossary: Arc<[Terms]>,
    /// Those that stand in no chain.
    pub idle: Vec<Idle>,
}

/// An engine that stands in no chain: nobody asks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// As the configuration calls it.
    pub name: String,
    /// The chains that it could stand in.
    pub chains: Vec<&'static str>,
}

/// An engine of a chain.
#[derive(Clone, Debug)]
pub struct Engine<P> {
    /// As the configuration calls it.
    pub name: String,
    /// Whose it is, and how it is asked.
    pub provider: P,
}

impl Engines {
    /// All keys that are sent to somebody.
    pub fn keys(&self) -> impl Iterator<Item = &SecretString> {
        let services = self.asr.iter().filter_map(|engine| engine.provider.service());
        let services = services.chain(self.mt.iter().map(|engine| engine.provider.service()));
        let services = services.chain(self.tts.iter().filter_map(|engine| engine.provider.service()));
        let services = services.chain(self.emotion.iter().map(|engine| &engine.provider));
        services.filter_map(|service| service.key.as_ref())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let interpreters = names(&self.asr).chain(names(&self.mt)).chain(names(&self.tts));
        interpreters.chain(names(&self.emotion))
    }

    pub(super) fn read(
        device: DeviceTable,
        chains: EnginesTable,
        named: BTreeMap<String, Spanned<EngineTable>>,
        glossary: Vec<Terms>,
    ) -> Result<Self, Fault> {
        let glossary: Arc<[Terms]> = glossary.into();
        let speech = match device.speech {
            Some(url) => endpoint("device.speech", &url)?,
            None => Endpoint::Tcp("127.0.0.1".into(), 10_300),
        };
        let translation = match device.translation {
            Some(url) => base("device.translation", &url, &["http", "https"])?,
            None => "http://127.0.0.1:5000".into(),
        };
        let mut all = Named(BTreeMap::new());
        for (name, table) in named {
            if name == DEVICE {
                let message = format!("engine.{DEVICE}: that name is taken; its addresses stand in [device]");
                return Err((Some(table.span()), message));
            }
            if name.trim().is_empty() || name.contains(char::is_control) {
                let message = "engine: a name is one line, and not empty; give this table another one";
                return Err((Some(table.span()), message.into()));
            }
            let provider = provider(&name, table, &glossary)?;
            all.0.insert(name, provider);
        }
        let on_device = Service {
            name: DEVICE.into(),
            url: translation,
            key: None,
            key_place: None,
            model: None,
            mip_opt_out: true,
            voices: BTreeMap::new(),
            glossary: Arc::clone(&glossary),
        };
        let mut engines = Self {
            asr: all.chain("asr", chains.asr, Some(Asr::Wyoming(speech.clone())), Provider::asr)?,
            mt: all.chain("mt", chains.mt, Some(Mt::LibreTranslate(on_device)), Provider::mt)?,
            tts: all.chain("tts", chains.tts, Some(Tts::Wyoming(speech)), Provider::tts)?,
            emotion: match chains.emotion.filter(|chain| !chain.get_ref().0.is_empty()) {
                Some(chain) => all.chain("emotion", Some(chain), None, Provider::emotion)?,
                None => Vec::new(),
            },
            glossary,
            idle: Vec::new(),
        };
        engines.idle = all.idle(|name| engines.names().any(|used| used == name));
        engines.join_stages().map_err(|message| (None, message))?;
        Ok(engines)
    }

    /// A speech-to-speech engine translates and speaks what it heard itself, and nothing else.
    fn join_stages(&mut self) -> Result<(), String> {
        let hears: Vec<&str> = speech_names(&self.asr, |provider| matches!(provider, Asr::Speech(_)));
        let stages = [
            (
                "mt",
                speech_names(&self.mt, |provider| matches!(provider, Mt::Speech(_))),
                self.mt.last().map(|e| &e.name),
            ),
            (
                "tts",
                speech_names(&self.tts, |provider| matches!(provider, Tts::Speech(_))),
                self.tts.last().map(|e| &e.name),
            ),
        ];
        for (stage, names, last) in &stages {
            for name in names {
                if !hears.contains(name) {
                    return Err(format!(
                        "engines.{stage}: {name} does this only for what it heard; name it in asr, too"
                    ));
                }
                if last.is_some_and(|last| last == name) {
                    let message = "does this only for what it heard; name another after it, such as";
                    return Err(format!("engines.{stage}: {name} {message} \"{DEVICE}\""));
                }
            }
        }
        let speaking: Vec<String> = stages[1].1.iter().map(|name| (*name).to_owned()).collect();
        for engine in &mut self.asr {
            if let Asr::Speech(speech) = &mut engine.provider {
                speech.spoken = speaking.contains(&engine.name);
            }
        }
        Ok(())
    }
}

fn names<P>(chain: &[Engine<P>]) -> impl Iterator<Item = &str> {
    chain.iter().map(|engine| engine.name.as_str())
}

fn speech_names<P>(chain: &[Engine<P>], is_speech: impl Fn(&P) -> bool) -> Vec<&str> {
    chain.iter().filter(|engine| is_speech(&engine.provider)).map(|engine| engine.name.as_str()).collect()
}
