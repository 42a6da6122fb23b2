//! The engines that the configuration names, before it is known for which stage they are used.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use super::address::endpoint;
use super::service::service;
use super::{Asr, DEVICE, Engine, Idle, Mt, Service, SpeechToSpeech, SpeechVendor, Tts};
use crate::config::Fault;
use crate::config::file::{Chain, EngineTable, KindOfEngine};
use crate::config::glossary::Terms;
use crate::endpoint::Endpoint;

/// An engine before it is known for which stage it is used.
#[derive(Clone)]
pub(super) struct Provider {
    kind: KindOfEngine,
    place: Place,
}

#[derive(Clone)]
pub(super) enum Place {
    Wyoming(Endpoint),
    Service(Service),
}

impl Provider {
    /// As an engine of several stages.
    pub(super) fn speech(self) -> Option<SpeechToSpeech> {
        let vendor = match self.kind {
            KindOfEngine::DeeplVoice => SpeechVendor::DeepLVoice,
            KindOfEngine::OpenaiTranslations => SpeechVendor::OpenAiTranslations,
            _ => return None,
        };
        let Place::Service(service) = self.place else { return None };
        Some(SpeechToSpeech { vendor, service, spoken: false })
    }

    /// The chains that it can stand in.
    fn chains(&self) -> Vec<&'static str> {
        let chains = [
            ("asr", self.clone().asr().is_some()),
            ("mt", self.clone().mt().is_some()),
            ("tts", self.clone().tts().is_some()),
            ("emotion", self.clone().emotion().is_some()),
        ];
        chains.into_iter().filter_map(|(chain, can)| can.then_some(chain)).collect()
    }

    pub(super) fn emotion(self) -> Option<Service> {
        match (self.kind, self.place) {
            (KindOfEngine::Hume, Place::Service(service)) => Some(service),
            _ => None,
        }
    }

    pub(super) fn asr(self) -> Option<Asr> {
        if let Some(speech) = self.clone().speech() {
            return Some(Asr::Speech(speech));
        }
        match (self.kind, self.place) {
            (KindOfEngine::Wyoming, Place::Wyoming(endpoint)) => Some(Asr::Wyoming(endpoint)),
            (KindOfEngine::DeepgramListen, Place::Service(service)) => Some(Asr::DeepgramListen(service)),
            (KindOfEngine::DeepgramFlux, Place::Service(service)) => Some(Asr::DeepgramFlux(service)),
            _ => None,
        }
    }

    pub(super) fn mt(self) -> Option<Mt> {
        if let Some(speech) = self.clone().speech() {
            return Some(Mt::Speech(speech));
        }
        match (self.kind, self.place) {
            (KindOfEngine::Libretranslate, Place::Service(service)) => Some(Mt::LibreTranslate(service)),
            (KindOfEngine::Deepl, Place::Service(service)) => Some(Mt::DeepL(service)),
            _ => None,
        }
    }

    pub(super) fn tts(self) -> Option<Tts> {
        if let Some(speech) = self.clone().speech() {
            return Some(Tts::Speech(speech));
        }
        match (self.kind, self.place) {
            (KindOfEngine::Wyoming, Place::Wyoming(endpoint)) => Some(Tts::Wyoming(endpoint)),
            (KindOfEngine::DeepgramAura, Place::Service(service)) => Some(Tts::DeepgramAura(service)),
            (KindOfEngine::Elevenlabs, Place::Service(service)) => Some(Tts::ElevenLabs(service)),
            (KindOfEngine::OpenaiSpeech, Place::Service(service)) => Some(Tts::OpenAi(service)),
            (KindOfEngine::Xtts, Place::Service(service)) => Some(Tts::Xtts(service)),
            _ => None,
        }
    }
}

pub(super) struct Named(pub(super) BTreeMap<String, Provider>);

impl Named {
    /// Those that stand in no chain.
    pub(super) fn idle(&self, is_used: impl Fn(&str) -> bool) -> Vec<Idle> {
        let idle = self.0.iter().filter(|(name, _)| !is_used(name));
        idle.map(|(name, provider)| Idle { name: name.clone(), chains: provider.chains() }).collect()
    }

    /// The chain `names` of one stage; without one, the device alone.
    pub(super) fn chain<P>(
        &self,
        stage: &str,
        names: Option<Spanned<Chain>>,
        mut device: Option<P>,
        of_stage: impl Fn(Provider) -> Option<P>,
    ) -> Result<Vec<Engine<P>>, Fault> {
        let mut chain: Vec<Engine<P>> = Vec::new();
        let span = names.as_ref().map(Spanned::span);
        let names = names.map(|names| names.into_inner().0);
        for name in names.unwrap_or_else(|| vec![Spanned::new(0..0, DEVICE.into())]) {
            let fault = |message| (Some(name.span()), format!("engines.{stage}: {message}"));
            let name = name.get_ref();
            if chain.iter().any(|engine| engine.name == *name) {
                return Err(fault(format!("{name} is there twice; name each engine once")));
            }
            let provider = if name == DEVICE {
                device.take()
            } else {
                let known = self.0.get(name);
                let known = known
                    .ok_or_else(|| fault(format!("there is no [engine.{name}]; add it, or name another")))?;
                of_stage(known.clone())
            };
            let provider = provider
                .ok_or_else(|| fault(format!("{name} is not of a kind that does this; name another")))?;
            chain.push(Engine { name: name.clone(), provider });
        }
        if chain.is_empty() {
            return Err((span, format!("engines.{stage}: name at least one engine, such as \"{DEVICE}\"")));
        }
        Ok(chain)
    }
}

pub(super) fn provider(
    name: &str,
    table: Spanned<EngineTable>,
    glossary: &Arc<[Terms]>,
) -> Result<Provider, Fault> {
    let span = table.span();
    let table = table.into_inner();
    let kind = table.kind;
    let place = match kind {
        KindOfEngine::Wyoming => Place::Wyoming(wyoming(name, span, &table)?),
        _ => Place::Service(Service { glossary: Arc::clone(glossary), ..service(name, span, table)? }),
    };
    Ok(Provider { kind, place })
}

pub(super) fn wyoming(name: &str, span: Range<usize>, table: &EngineTable) -> Result<Endpoint, Fault> {
    let superfluous = table.key_file.is_some()
        || table.key_credential.is_some()
        || table.model.is_some()
        || table.mip_opt_out.is_some()
        || !table.voices.is_empty();
    if superfluous {
        return Err((Some(span), format!("engine.{name}: the kind wyoming has a url and nothing else")));
    }
    let key = format!("engine.{name}.url");
    let url = table.url.as_ref();
    endpoint(&key, url.ok_or_else(|| (Some(span), format!("{key}: write \"tcp://HOST:PORT\"")))?)
}
