//! The engines that the configuration names, and the chains they stand in.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use session::{Language, Seat};
use toml::Spanned;

use super::Fault;
use super::file::{DeviceTable, EngineTable, EnginesTable, KindOfEngine, OneOrMore};
use super::glossary::Terms;
use crate::endpoint::Endpoint;

/// The engines on the device, in chains and in reports.
pub(crate) const DEVICE: &str = "device";
/// A key file larger than this is none.
const LONGEST_KEY: usize = 4_096;

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
}

/// An engine of a chain.
#[derive(Clone, Debug)]
pub struct Engine<P> {
    /// As the configuration calls it.
    pub name: String,
    /// Whose it is, and how it is asked.
    pub provider: P,
}

/// Who recognises speech.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the providers' own names")]
pub enum Asr {
    Wyoming(Endpoint),
    DeepgramListen(Service),
    DeepgramFlux(Service),
    Speech(SpeechToSpeech),
}

/// Who translates.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the providers' own names")]
pub enum Mt {
    LibreTranslate(Service),
    DeepL(Service),
    Speech(SpeechToSpeech),
}

/// Who speaks.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the providers' own names")]
pub enum Tts {
    Wyoming(Endpoint),
    DeepgramAura(Service),
    ElevenLabs(Service),
    OpenAi(Service),
    Xtts(Service),
    Speech(SpeechToSpeech),
}

/// Who hears, translates and speaks, in the chains of all these stages.
#[derive(Clone, Debug)]
pub struct SpeechToSpeech {
    /// Whose it is.
    pub vendor: SpeechVendor,
    /// How it is asked; by its name its stages find each other.
    pub service: Service,
    /// Whether it is to speak, too.
    pub spoken: bool,
}

/// Whose speech-to-speech engine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the vendors' own names")]
pub enum SpeechVendor {
    DeepLVoice,
    OpenAiTranslations,
}

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
    /// The provider's names of the voices for each language: one for each speaker of a room, while they last.
    pub voices: BTreeMap<String, Vec<String>>,
    /// Terms that are to be translated in one way.
    pub glossary: Arc<[Terms]>,
}

impl Asr {
    /// The engine that does all three stages, if it is one.
    pub const fn speech(&self) -> Option<&SpeechToSpeech> {
        if let Self::Speech(engine) = self { Some(engine) } else { None }
    }

    /// How it is asked, where that is over HTTP or a WebSocket.
    pub const fn service(&self) -> Option<&Service> {
        match self {
            Self::Wyoming(_) => None,
            Self::DeepgramListen(service) | Self::DeepgramFlux(service) => Some(service),
            Self::Speech(engine) => Some(&engine.service),
        }
    }

    /// Whether asking it costs nothing, so that it may be asked often whether it is there.
    pub fn is_near(&self) -> bool {
        self.service().is_none_or(Service::is_near)
    }
}

impl Mt {
    /// As of [`Asr::speech`].
    pub const fn speech(&self) -> Option<&SpeechToSpeech> {
        if let Self::Speech(engine) = self { Some(engine) } else { None }
    }

    /// How it is asked.
    pub const fn service(&self) -> &Service {
        match self {
            Self::LibreTranslate(service) | Self::DeepL(service) => service,
            Self::Speech(engine) => &engine.service,
        }
    }

    /// As of [`Asr::is_near`].
    pub const fn is_near(&self) -> bool {
        self.service().is_near()
    }
}

impl Tts {
    /// As of [`Asr::speech`].
    pub const fn speech(&self) -> Option<&SpeechToSpeech> {
        if let Self::Speech(engine) = self { Some(engine) } else { None }
    }

    /// As of [`Asr::service`].
    pub const fn service(&self) -> Option<&Service> {
        match self {
            Self::Wyoming(_) => None,
            Self::DeepgramAura(service)
            | Self::ElevenLabs(service)
            | Self::OpenAi(service)
            | Self::Xtts(service) => Some(service),
            Self::Speech(engine) => Some(&engine.service),
        }
    }

    /// As of [`Asr::is_near`].
    pub fn is_near(&self) -> bool {
        self.service().is_none_or(Service::is_near)
    }
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

    /// The voice for `language` of the speaker at `seat`; `None` for the provider's usual one.
    pub fn voice(&self, language: Language, seat: Seat) -> Option<&str> {
        seat.choose(self.voices.get(language.code())?).map(String::as_str)
    }
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
            voices: BTreeMap::new(),
            glossary: Arc::clone(&glossary),
        };
        let mut engines = Self {
            asr: all.chain("asr", chains.asr, Some(Asr::Wyoming(speech.clone())), Provider::asr)?,
            mt: all.chain("mt", chains.mt, Some(Mt::LibreTranslate(on_device)), Provider::mt)?,
            tts: all.chain("tts", chains.tts, Some(Tts::Wyoming(speech)), Provider::tts)?,
            emotion: match chains.emotion.filter(|chain| !chain.is_empty()) {
                Some(chain) => all.chain("emotion", Some(chain), None, Provider::emotion)?,
                None => Vec::new(),
            },
            glossary,
        };
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

fn speech_names<P>(chain: &[Engine<P>], is_speech: impl Fn(&P) -> bool) -> Vec<&str> {
    chain.iter().filter(|engine| is_speech(&engine.provider)).map(|engine| engine.name.as_str()).collect()
}

/// An engine before it is known for which stage it is used.
#[derive(Clone)]
struct Provider {
    kind: KindOfEngine,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Wyoming(Endpoint),
    Service(Service),
}

impl Provider {
    /// As an engine of several stages.
    fn speech(self) -> Option<SpeechToSpeech> {
        let vendor = match self.kind {
            KindOfEngine::DeeplVoice => SpeechVendor::DeepLVoice,
            KindOfEngine::OpenaiTranslations => SpeechVendor::OpenAiTranslations,
            _ => return None,
        };
        let Place::Service(service) = self.place else { return None };
        Some(SpeechToSpeech { vendor, service, spoken: false })
    }

    fn emotion(self) -> Option<Service> {
        match (self.kind, self.place) {
            (KindOfEngine::Hume, Place::Service(service)) => Some(service),
            _ => None,
        }
    }

    fn asr(self) -> Option<Asr> {
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

    fn mt(self) -> Option<Mt> {
        if let Some(speech) = self.clone().speech() {
            return Some(Mt::Speech(speech));
        }
        match (self.kind, self.place) {
            (KindOfEngine::Libretranslate, Place::Service(service)) => Some(Mt::LibreTranslate(service)),
            (KindOfEngine::Deepl, Place::Service(service)) => Some(Mt::DeepL(service)),
            _ => None,
        }
    }

    fn tts(self) -> Option<Tts> {
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

struct Named(BTreeMap<String, Provider>);

impl Named {
    /// The chain `names` of one stage; without one, the device alone.
    fn chain<P>(
        &self,
        stage: &str,
        names: Option<Vec<Spanned<String>>>,
        mut device: Option<P>,
        of_stage: impl Fn(Provider) -> Option<P>,
    ) -> Result<Vec<Engine<P>>, Fault> {
        let mut chain: Vec<Engine<P>> = Vec::new();
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
            return Err((None, format!("engines.{stage}: name at least one engine, such as \"{DEVICE}\"")));
        }
        Ok(chain)
    }
}

fn provider(name: &str, table: Spanned<EngineTable>, glossary: &Arc<[Terms]>) -> Result<Provider, Fault> {
    let span = table.span();
    let table = table.into_inner();
    let kind = table.kind;
    let place = match kind {
        KindOfEngine::Wyoming => Place::Wyoming(wyoming(name, span, &table)?),
        _ => Place::Service(Service { glossary: Arc::clone(glossary), ..service(name, span, table)? }),
    };
    Ok(Provider { kind, place })
}

fn wyoming(name: &str, span: Range<usize>, table: &EngineTable) -> Result<Endpoint, Fault> {
    let superfluous = table.key_file.is_some()
        || table.key_credential.is_some()
        || table.model.is_some()
        || !table.voices.is_empty();
    if superfluous {
        return Err((Some(span), format!("engine.{name}: the kind wyoming has a url and nothing else")));
    }
    let key = format!("engine.{name}.url");
    let url = table.url.as_ref();
    endpoint(&key, url.ok_or_else(|| (Some(span), format!("{key}: write \"tcp://HOST:PORT\"")))?)
}

fn service(name: &str, span: Range<usize>, table: EngineTable) -> Result<Service, Fault> {
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
        voices,
        glossary: Arc::default(),
    })
}

/// What an engine of this kind would not heed is not there.
fn without_superfluous(name: &str, span: &Range<usize>, table: &EngineTable) -> Result<(), Fault> {
    use KindOfEngine::{DeepgramAura, DeepgramListen, Elevenlabs, OpenaiSpeech, OpenaiTranslations, Xtts};
    let fault = |message| Err((Some(span.clone()), format!("engine.{name}: this kind has {message}")));
    let has_models = matches!(table.kind, DeepgramListen | Elevenlabs | OpenaiSpeech | OpenaiTranslations);
    if table.model.is_some() && !has_models {
        return fault("no models to choose from; remove the key model");
    }
    let has_voices = matches!(table.kind, DeepgramAura | Elevenlabs | OpenaiSpeech | Xtts);
    if !table.voices.is_empty() && !has_voices {
        return fault("no voices to choose from; remove the key voices");
    }
    Ok(())
}

/// The names of voices for each language, each with at least one.
fn voices(
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

/// Whether what is sent to `url` can be read on a network that is not the box's own.
fn is_open_to_strangers(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_near = host.parse().map_or_else(|_| is_near_name(host), is_near_address);
    matches!(url.scheme(), "http" | "ws") && !is_near
}

fn is_near_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Names that no public name server knows.
fn is_near_name(host: &str) -> bool {
    let near = [".localhost", ".local", ".lan", ".internal", ".home.arpa"];
    !host.contains('.') || near.iter().any(|end| host.ends_with(end))
}

fn key_place(table: &EngineTable) -> Option<String> {
    let file = table.key_file.as_ref().map(|file| file.get_ref().display().to_string());
    let credential = || Some(format!("the credential {}", table.key_credential.as_ref()?.get_ref()));
    file.or_else(credential)
}

/// The key in a file of its own, or in a credential of the service manager's.
fn key(name: &str, table: &EngineTable) -> Result<Option<SecretString>, Fault> {
    let (option, span, path) = match (&table.key_file, &table.key_credential) {
        (None, None) => return Ok(None),
        (Some(file), None) => ("key_file", file.span(), file.get_ref().clone()),
        (None, Some(credential)) => {
            let fault =
                |message| (Some(credential.span()), format!("engine.{name}.key_credential: {message}"));
            let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                fault(
                    "the service manager gives none; start dragomand by its unit, or use key_file".to_owned(),
                )
            })?;
            let credential_name = credential.get_ref();
            if credential_name.is_empty() || credential_name.contains('/') || credential_name.starts_with('.')
            {
                return Err(fault("write the credential's name, which has no slash".to_owned()));
            }
            ("key_credential", credential.span(), Path::new(&directory).join(credential_name))
        }
        (Some(file), Some(_)) => {
            let message = format!("engine.{name}: key_file and key_credential are both there; keep one");
            return Err((Some(file.span()), message));
        }
    };
    let fault = |message: String| (Some(span.clone()), format!("engine.{name}.{option}: {message}"));
    let text = small_file(&path).map_err(|error| {
        fault(format!("{}: {error}; put the key there, readable for dragomand", path.display()))
    })?;
    let key = text.trim();
    let plain = key.len() <= LONGEST_KEY && key.bytes().all(|byte| byte.is_ascii_graphic());
    if key.is_empty() || !plain {
        return Err(fault(format!("{}: this is no key; it is one word", path.display())));
    }
    Ok(Some(SecretString::from(key)))
}

/// Never waits, as for a pipe, and never reads without end.
pub(super) fn small_file(path: &Path) -> io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    std::fs::File::open(path)?.take(2 * LONGEST_KEY as u64).read_to_string(&mut text)?;
    Ok(text)
}

fn endpoint(key: &str, value: &Spanned<String>) -> Result<Endpoint, Fault> {
    Endpoint::parse(value.get_ref())
        .ok_or_else(|| (Some(value.span()), format!("{key}: write \"tcp://HOST:PORT\" or \"unix:///PATH\"")))
}

/// A base URL without a slash at its end.
fn base(key: &str, value: &Spanned<String>, schemes: &[&str]) -> Result<String, Fault> {
    let url = value.get_ref().trim_end_matches('/');
    let parsed = reqwest::Url::parse(url).ok();
    let Some(parsed) = parsed.filter(|parsed| schemes.contains(&parsed.scheme()) && parsed.has_host()) else {
        return Err((Some(value.span()), format!("{key}: write \"{}://HOST:PORT\"", schemes[0])));
    };
    if !parsed.username().is_empty() || parsed.password().is_some() || url.contains(char::is_whitespace) {
        let message = "write the address alone, without a name or password and without spaces";
        return Err((Some(value.span()), format!("{key}: {message}")));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        // It is shown in advice, and no place for a key.
        let message = "write the address alone, without what begins with ? or #";
        return Err((Some(value.span()), format!("{key}: {message}")));
    }
    Ok(url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const ROOM: &str = "[[room]]\nextension = \"790\"\nkind = \"echo\"\n";

    fn read(text: &str) -> Result<Engines, String> {
        parse(&format!("{text}\n{ROOM}")).map(|config| config.engines).map_err(|(_, message)| message)
    }

    #[test]
    fn without_a_word_the_device_does_it_all() {
        let engines = read("").unwrap();
        assert!(matches!(&engines.asr[..], [Engine { provider: Asr::Wyoming(_), .. }]));
        assert!(matches!(&engines.mt[..], [Engine { provider: Mt::LibreTranslate(_), .. }]));
        assert!(matches!(&engines.tts[..], [Engine { provider: Tts::Wyoming(_), .. }]));
    }

    #[test]
    fn chains_name_engines_whose_keys_stay_hidden() {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("key");
        std::fs::write(&key, "s3cret-word\n").unwrap();
        let text = format!(
            "[engines]\nasr = [\"cloud\", \"device\"]\n[engine.cloud]\nkind = \"deepgram-listen\"\nkey_file = {key:?}\n"
        );
        let engines = read(&text).unwrap();
        let names: Vec<_> = engines.asr.iter().map(|engine| engine.name.as_str()).collect();
        assert_eq!(names, ["cloud", "device"]);
        assert!(!format!("{engines:?}").contains("s3cret"), "keys are not shown");
        let Asr::DeepgramListen(service) = &engines.asr[0].provider else { panic!("{engines:?}") };
        assert_eq!(service.url, "wss://api.deepgram.com");
    }

    /// A configuration with these chains and engines of these kinds, all with a key.
    fn keyed(chains: &str, engines: &[(&str, &str)]) -> Result<Engines, String> {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("key");
        std::fs::write(&key, "k").unwrap();
        let engine = |(name, rest): &(&str, &str)| format!("[engine.{name}]\nkey_file = {key:?}\n{rest}\n");
        let tables: String = engines.iter().map(engine).collect();
        read(&format!("[engines]\n{chains}\n{tables}"))
    }

    #[test]
    fn one_engine_stands_in_the_chains_of_three_stages() {
        let voice = ("voice", "kind = \"deepl-voice\"");
        let all = "asr = [\"voice\"]\nmt = [\"voice\", \"device\"]\ntts = [\"voice\", \"device\"]";
        let engines = keyed(all, &[voice]).unwrap();
        let Asr::Speech(speech) = &engines.asr[0].provider else { panic!("{engines:?}") };
        assert_eq!((speech.vendor, speech.spoken), (SpeechVendor::DeepLVoice, true));
        assert!(matches!(&engines.tts[0].provider, Tts::Speech(speech) if speech.service.name == "voice"));
        let silent = keyed("asr = [\"voice\"]\nmt = [\"voice\", \"device\"]", &[voice]).unwrap();
        assert!(matches!(&silent.asr[0].provider, Asr::Speech(speech) if !speech.spoken));
        let cases = [
            ("mt = [\"voice\", \"device\"]", "name it in asr"),
            ("asr = [\"voice\"]\nmt = [\"voice\"]", "another after it"),
            ("asr = [\"voice\"]\ntts = [\"device\", \"voice\"]", "another after it"),
            ("emotion = [\"voice\"]", "not of a kind"),
        ];
        for (chains, words) in cases {
            let message = keyed(chains, &[voice]).unwrap_err();
            assert!(message.contains(words), "{chains}: {message}");
        }
        let modelled = ("voice", "kind = \"deepl-voice\"\nmodel = \"x\"");
        assert!(keyed(all, &[modelled]).unwrap_err().contains("no models"));
    }

    #[test]
    fn what_a_kind_does_not_heed_is_refused() {
        for kind in ["deepgram-aura", "deepgram-flux", "deepl", "deepl-voice", "hume"] {
            let table = format!("kind = \"{kind}\"\nmodel = \"x\"");
            let message = keyed("", &[("a", &table)]).unwrap_err();
            assert!(message.contains("remove the key model"), "{kind}: {message}");
        }
        for kind in ["deepgram-listen", "deepgram-flux", "deepl", "openai-translations"] {
            let table = format!("kind = \"{kind}\"\nvoices = {{ es = \"x\" }}");
            let message = keyed("", &[("a", &table)]).unwrap_err();
            assert!(message.contains("remove the key voices"), "{kind}: {message}");
        }
        let all = "kind = \"elevenlabs\"\nmodel = \"x\"\nvoices = { es = \"x\" }";
        keyed("", &[("a", all)]).unwrap();
    }

    #[test]
    fn keys_are_sent_unencrypted_only_on_the_own_network() {
        let asked = |url: &str| keyed("", &[("a", &format!("kind = \"deepl\"\nurl = \"{url}\""))]);
        for url in ["http://api.deepl.com", "http://8.8.8.8:80", "http://[2606:4700::1]", "http://172.32.0.1"]
        {
            assert!(asked(url).unwrap_err().contains("write \"https://"), "{url}");
        }
        for url in [
            "https://api.deepl.com",
            "http://127.0.0.1:1",
            "http://localhost:1",
            "http://mt.lan",
            "http://box",
            "http://[::1]",
            "http://[fd00::1]",
            "http://172.16.0.1",
        ] {
            assert!(asked(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn feelings_are_measured_where_that_is_wanted() {
        let hume = ("hume", "kind = \"hume\"");
        assert_eq!(keyed("emotion = [\"hume\"]", &[hume]).unwrap().emotion[0].name, "hume");
        assert!(keyed("", &[hume]).unwrap().emotion.is_empty());
        assert!(keyed("asr = [\"hume\"]", &[hume]).unwrap_err().contains("not of a kind"));
        assert!(keyed("emotion = [\"device\"]", &[hume]).unwrap_err().contains("not of a kind"));
    }

    #[test]
    fn faults_say_what_to_do() {
        let cases = [
            ("[engines]\nasr = [\"cloud\"]", "[engine.cloud]"),
            ("[engines]\nasr = []", "at least one"),
            ("[engines]\nmt = [\"device\", \"device\"]", "twice"),
            ("[engine.device]\nkind = \"wyoming\"\nurl = \"tcp://a:1\"", "[device]"),
            ("[engine.a]\nkind = \"deepl\"", "key_file"),
            ("[engine.a]\nkind = \"deepl\"\nkey_file = \"/nowhere/key\"", "/nowhere/key"),
            ("[engine.a]\nkind = \"deepl\"\nkey_file = \"/dev/zero\"", "no file"),
            ("[engine.a]\nkind = \"xtts\"", "engine.a.url"),
            ("[engine.a]\nkind = \"xtts\"\nurl = \"tcp://a:1\"", "http://HOST:PORT"),
            ("[engine.a]\nkind = \"xtts\"\nurl = \"http://me:word@a:1\"", "address alone"),
            ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a:1/b c\"", "address alone"),
            ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a:1/?key=word\"", "without what begins"),
            ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a:1/#word\"", "without what begins"),
            ("[device]\ntranslation = \"http://a:1?key=word\"", "without what begins"),
            ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a\"\nvoices = { es = [] }", "no voice"),
            ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a\"\nvoices = { es = \" \" }", "not empty"),
            ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a\"\nvoices = { es = [\"a\\nb\"] }", "one line"),
            ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a\"\nmodel = \"x\"", "remove the key model"),
            ("[engine.a]\nkind = \"xtts\"\nkey_file = 5", "engine.a.key_file: "),
            ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a\"\nvoices = { english = \"x\" }", "voices"),
            ("[engine.a]\nkind = \"wyoming\"\nurl = \"tcp://a:1\"\nmodel = \"x\"", "nothing else"),
            ("[engines]\ntts = [\"a\"]\n[engine.a]\nkind = \"libretranslate\"\nurl = \"http://a\"", "kind"),
        ];
        for (text, words) in cases {
            let message = read(text).unwrap_err();
            assert!(message.contains(words), "{text}: {message}");
        }
    }
}
