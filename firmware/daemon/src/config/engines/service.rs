//! Services that are asked over HTTP or a WebSocket, as their tables say.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use secrecy::SecretString;
use session::{Language, Seat};

use super::address::{base, is_open_to_strangers};
use super::key::{key, key_place};
use crate::config::Fault;
use crate::config::file::{EngineTable, KindOfEngine, OneOrMore};
use crate::config::glossary::Terms;

/// A service that is asked over HTTP or a WebSocket.
#[derive(Clone, Debug)]
pub struct Service {
    /// As the configuration calls it.
    pub name: String,
    /// Base URL, without a slash at its end.
    pub url: String,
    /// Never shown.
    pub key: Option<SecretString>,
    /// Where the key was read, for whoever has to mend it.
    pub key_place: Option<String>,
    /// Where the provider has several.
    pub model: Option<String>,
    /// Whether the provider is not to keep what it is sent to improve its models.
    pub mip_opt_out: bool,
    /// The provider's names of the voices for each language: one for each speaker of a room, while they last.
    pub voices: BTreeMap<String, Vec<String>>,
    /// Terms that are to be translated in one way.
    pub glossary: Arc<[Terms]>,
}

impl Service {
    /// Who wants no key counts no requests.
    pub const fn is_near(&self) -> bool {
        self.key.is_none()
    }

    /// The terms of one direction.
    pub fn terms(&self, source: Language, target: Language) -> Option<&Terms> {
        self.glossary.iter().find(|terms| (terms.source, terms.target) == (source, target))
    }

    /// The words that a recogniser of `languages` is to expect, in no language twice.
    pub fn expected_words(&self, languages: &[Language]) -> impl Iterator<Item = &str> {
        let spoken = self.glossary.iter().filter(|terms| languages.contains(&terms.source));
        let words: BTreeSet<&str> = spoken.flat_map(|terms| terms.terms.keys()).map(String::as_str).collect();
        words.into_iter()
    }

    /// The voice for `language` of the speaker at `seat`: the one that is `wanted` for him, if it is among those of that
    /// language; `None` for the provider's usual one.
    pub fn voice(&self, language: Language, seat: Seat, wanted: Option<&str>) -> Option<&str> {
        let voices = self.voices.get(language.code())?;
        let his = voices.iter().find(|voice| Some(voice.as_str()) == wanted);
        his.or_else(|| seat.choose(voices)).map(String::as_str)
    }
}

pub(super) fn service(name: &str, span: Range<usize>, table: EngineTable) -> Result<Service, Fault> {
    let (schemes, usual): (&[&str], Option<&str>) = match table.kind {
        KindOfEngine::DeepgramListen | KindOfEngine::DeepgramFlux | KindOfEngine::DeepgramAura => {
            (&["wss", "ws"], Some("wss://api.deepgram.com"))
        }
        KindOfEngine::Elevenlabs => (&["wss", "ws"], Some("wss://api.elevenlabs.io")),
        KindOfEngine::OpenaiSpeech => (&["https", "http"], Some("https://api.openai.com")),
        KindOfEngine::OpenaiTranslations => (&["wss", "ws"], Some("wss://api.openai.com")),
        KindOfEngine::DeeplVoice => (&["https", "http"], Some("https://api.deepl.com")),
        KindOfEngine::Hume => (&["wss", "ws"], Some("wss://api.cloud.hume.ai")),
        KindOfEngine::Deepl => (&["https", "http"], None),
        KindOfEngine::Xtts | KindOfEngine::Libretranslate | KindOfEngine::Wyoming => {
            (&["http", "https"], None)
        }
    };
    without_superfluous(name, &span, &table)?;
    let has_own_server = matches!(table.kind, KindOfEngine::Xtts | KindOfEngine::Libretranslate);
    let (key, key_place) = (key(name, &table)?, key_place(&table));
    if key.is_none() && !has_own_server {
        let message = format!("engine.{name}: a key is missing; name a key_file or a key_credential");
        return Err((Some(span), message));
    }
    let url = match (&table.url, usual) {
        (Some(url), _) => base(&format!("engine.{name}.url"), url, schemes)?,
        (None, Some(usual)) => usual.into(),
        // An empty one lets the provider's file choose, as DeepL's does by the kind of key.
        (None, None) if table.kind == KindOfEngine::Deepl => String::new(),
        (None, None) => {
            return Err((Some(span), format!("engine.{name}.url: write \"{}://HOST:PORT\"", schemes[0])));
        }
    };
    if key.is_some() && is_open_to_strangers(&url) {
        let message = "the key would go over a foreign network unencrypted; write";
        let secure = if url.starts_with("ws") { "wss" } else { "https" };
        return Err((Some(span), format!("engine.{name}.url: {message} \"{secure}://…\"")));
    }
    let voices = voices(name, &span, table.voices)?;
    Ok(Service {
        name: name.to_owned(),
        url,
        key,
        key_place,
        model: table.model,
        mip_opt_out: table.mip_opt_out.unwrap_or(true),
        voices,
        glossary: Arc::default(),
    })
}

/// What an engine of this kind would not heed is not there.
pub(super) fn without_superfluous(name: &str, span: &Range<usize>, table: &EngineTable) -> Result<(), Fault> {
    use KindOfEngine::{
        DeepgramAura, DeepgramFlux, DeepgramListen, Elevenlabs, OpenaiSpeech, OpenaiTranslations, Xtts,
    };
    let fault = |message| Err((Some(span.clone()), format!("engine.{name}: this kind has {message}")));
    let has_models = matches!(table.kind, DeepgramListen | Elevenlabs | OpenaiSpeech | OpenaiTranslations);
    if table.model.is_some() && !has_models {
        return fault("no models to choose from; remove the key model");
    }
    if table.mip_opt_out.is_some() && !matches!(table.kind, DeepgramListen | DeepgramFlux | DeepgramAura) {
        return fault("no such programme; remove the key mip_opt_out");
    }
    let has_voices = matches!(table.kind, DeepgramAura | Elevenlabs | OpenaiSpeech | Xtts);
    if !table.voices.is_empty() && !has_voices {
        return fault("no voices to choose from; remove the key voices");
    }
    Ok(())
}

/// The names of voices for each language, each with at least one.
pub(super) fn voices(
    name: &str,
    span: &Range<usize>,
    table: BTreeMap<String, OneOrMore>,
) -> Result<BTreeMap<String, Vec<String>>, Fault> {
    let fault = |message| Err((Some(span.clone()), format!("engine.{name}.voices: {message}")));
    let mut all = BTreeMap::new();
    for (language, voices) in table {
        let parsed: Result<Language, _> = language.parse();
        if !parsed.is_ok_and(|parsed| parsed.code() == language) {
            return fault(format!("{language:?} is no language code such as \"en\""));
        }
        let voices: Vec<String> = voices.into();
        if voices.is_empty() {
            return fault(format!("{language} has no voice; name one, or remove the key {language}"));
        }
        if voices.iter().any(|voice| voice.trim().is_empty() || voice.contains(char::is_control)) {
            return fault(format!("{language}: write the voice's name, which is one line and not empty"));
        }
        all.insert(language, voices);
    }
    Ok(all)
}
