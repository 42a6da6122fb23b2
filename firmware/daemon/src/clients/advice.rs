//! What somebody on site can do about an engine that fails.

use engines::FailureKind;
use engines::mt::deepl;
use secrecy::ExposeSecret;

use crate::config::{Asr, DEVICE, Mt, Service, Tts};
use crate::endpoint::Endpoint;

/// Where an engine is asked, and where its key is.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its address, as it is configured.
    pub address: String,
    /// Where its key was read, if it has one.
    pub key: Option<String>,
}

impl Site {
    /// What to do about a failure of this kind of the engine called `name`, in one line.
    pub fn advice(&self, name: &str, kind: FailureKind) -> String {
        let address = &self.address;
        match kind {
            FailureKind::Network => format!(
                "no network to {address}: check the cable, the uplink and the firewall, or the address of {name}"
            ),
            FailureKind::Credential => match &self.key {
                Some(place) => {
                    format!("wrong key: put the key of {name} into {place}, and restart dragomand")
                }
                None => format!("a key is missing: name a key_file in [engine.{name}]"),
            },
            FailureKind::Quota => {
                format!("quota spent: top up the account of {name}, or wait for its next period")
            }
            FailureKind::RateLimited => {
                format!("rate limited: the account of {name} admits no more at once; it is asked again later")
            }
            FailureKind::Slow => {
                format!("engine slow: {address} answers late; check how busy the uplink is, or the engine")
            }
            FailureKind::Down if name == DEVICE => format!(
                "engine down: {address} does not serve; see whether dragoman-engines runs, and what its log says"
            ),
            FailureKind::Down => {
                format!("engine down: {address} does not serve; start it, or ask who runs {name}")
            }
            FailureKind::Certificate => format!(
                "certificate refused: check this machine's clock, the address {address}, and who stands in between"
            ),
            FailureKind::Protocol => {
                format!("unreadable answers: check that {address} is what the kind of {name} says")
            }
            FailureKind::Refused => {
                format!(
                    "request refused: the address {address}, the model or a voice of {name} is wrong, \
                     or it lacks a language of the rooms"
                )
            }
        }
    }
}

impl From<&Endpoint> for Site {
    fn from(endpoint: &Endpoint) -> Self {
        Self { address: endpoint.to_string(), key: None }
    }
}

impl From<&Service> for Site {
    fn from(service: &Service) -> Self {
        let usual = || deepl::host(service.key.as_ref().map_or("", |key| key.expose_secret()));
        let address = if service.url.is_empty() { usual() } else { &service.url };
        Self { address: address.to_owned(), key: service.key_place.clone() }
    }
}

impl From<&Asr> for Site {
    fn from(asr: &Asr) -> Self {
        match asr {
            Asr::Wyoming(endpoint) => endpoint.into(),
            Asr::DeepgramListen(service) | Asr::DeepgramFlux(service) => service.into(),
            Asr::Speech(engine) => (&engine.service).into(),
        }
    }
}

impl From<&Mt> for Site {
    fn from(mt: &Mt) -> Self {
        match mt {
            Mt::LibreTranslate(service) | Mt::DeepL(service) => service.into(),
            Mt::Speech(engine) => (&engine.service).into(),
        }
    }
}

impl From<&Tts> for Site {
    fn from(tts: &Tts) -> Self {
        match tts {
            Tts::Wyoming(endpoint) => endpoint.into(),
            Tts::DeepgramAura(service)
            | Tts::ElevenLabs(service)
            | Tts::OpenAi(service)
            | Tts::Xtts(service) => service.into(),
            Tts::Speech(engine) => (&engine.service).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_words_of_its_own() {
        let site = Site { address: "wss://a".into(), key: Some("/etc/key".into()) };
        let words: std::collections::HashSet<_> = FailureKind::ALL
            .map(|kind| site.advice("cloud", kind).split(':').next().unwrap().to_owned())
            .into();
        assert_eq!(words.len(), FailureKind::ALL.len(), "{words:?}");
        assert!(site.advice("cloud", FailureKind::Credential).contains("/etc/key"));
    }
}
