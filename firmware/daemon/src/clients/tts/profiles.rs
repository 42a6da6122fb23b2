//! Speakers' own voices: in memory only, few, and forgotten with the call or with the daemon.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audio_path::LegId;
use engines::tts::xtts::Speaker;
use engines::{Failure, FailureKind};
use lru::LruCache;
use serde_json::{Value, json};
use session::Language;
use tokio::time::timeout;

use super::xtts;
use crate::clients::Outside;
use crate::config::Tts;

/// Voices that are kept.
const MOST_VOICES: usize = 64;
/// What they may take, bytes; one takes some 400 KB.
const MOST_BYTES: usize = 32 << 20;
/// How long a server may take to make one.
const DEADLINE: Duration = Duration::from_secs(20);

/// How long a voice is kept, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VoiceOwner {
    /// Until this leg hangs up.
    Leg(LegId),
    /// As long as the daemon runs, for the phone of this number.
    Phone(String),
}

/// Whose voice it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VoiceKey {
    /// How long it is kept.
    pub owner: VoiceOwner,
    /// The language that he speaks himself.
    pub language: Language,
}

/// A voice, by the engines that made it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MadeVoice(Vec<(String, Arc<Speaker>)>);

/// The voices of all speakers.
pub struct Profiles(Mutex<Kept>);

struct Kept {
    voices: LruCache<VoiceKey, MadeVoice>,
    bytes: usize,
}

impl MadeVoice {
    /// Whether no engine made it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(_, speaker)| speaker.bytes()).sum()
    }
}

impl Default for Profiles {
    fn default() -> Self {
        let most = NonZeroUsize::new(MOST_VOICES).expect("more than none");
        Self(Mutex::new(Kept { voices: LruCache::new(most), bytes: 0 }))
    }
}

impl Profiles {
    /// Keeps a voice.
    pub fn put(&self, key: VoiceKey, voice: MadeVoice) {
        let mut kept = self.lock();
        kept.bytes += voice.bytes();
        if let Some((_, old)) = kept.voices.push(key, voice) {
            kept.bytes -= old.bytes();
        }
        while kept.bytes > MOST_BYTES
            && let Some((_, oldest)) = kept.voices.pop_lru()
        {
            kept.bytes -= oldest.bytes();
        }
    }

    /// Forgets one.
    pub fn forget(&self, key: &VoiceKey) {
        let mut kept = self.lock();
        if let Some(voice) = kept.voices.pop(key) {
            kept.bytes -= voice.bytes();
        }
    }

    /// Whether it is kept.
    pub fn has(&self, key: &VoiceKey) -> bool {
        self.lock().voices.contains(key)
    }

    /// As the engine of this name made it.
    pub(super) fn get(&self, key: &VoiceKey, engine: &str) -> Option<Arc<Speaker>> {
        let mut kept = self.lock();
        let (_, speaker) = kept.voices.get(key)?.0.iter().find(|(name, _)| name == engine)?;
        Some(Arc::clone(speaker))
    }

    /// How many voices are kept, and how many bytes they take.
    pub fn size(&self) -> (usize, usize) {
        let kept = self.lock();
        (kept.voices.len(), kept.bytes)
    }

    /// The same, for the status.
    pub fn report(&self) -> Value {
        let (voices, bytes) = self.size();
        json!({ "voice_embedding_cache_size": voices, "bytes": bytes })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // At worst a panic elsewhere leaves a miscount of bytes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a voice made of `samples`, 16 kHz, by every engine that can.
///
/// # Errors
/// What the last one failed of, where none could.
pub async fn make_voice(outside: &Outside, samples: &[i16]) -> Result<MadeVoice, Failure> {
    let mut made = Vec::new();
    let mut failure = Failure::new(FailureKind::Refused, "no engine makes voices");
    for provider in outside.tts.providers() {
        let Tts::Xtts(service) = provider else { continue };
        let late = |_| Failure::new(FailureKind::Slow, "no voice in time");
        match timeout(DEADLINE, xtts::clone(&outside.transport, service, samples))
            .await
            .map_err(late)
            .flatten()
        {
            Ok(speaker) => made.push((service.name.clone(), Arc::new(speaker))),
            Err(failed) => failure = failed,
        }
    }
    if made.is_empty() { Err(failure) } else { Ok(MadeVoice(made)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice() -> MadeVoice {
        let numbers = serde_json::json!({"gpt_cond_latent": [vec![0.5; 1024]], "speaker_embedding": [0.5]});
        let speaker = engines::tts::xtts::read_speaker(200, numbers.to_string().as_bytes()).unwrap();
        MadeVoice(vec![("x".into(), Arc::new(speaker))])
    }

    fn key(leg: u32) -> VoiceKey {
        VoiceKey { owner: VoiceOwner::Leg(LegId(leg)), language: "en".parse().unwrap() }
    }

    #[test]
    fn voices_are_bounded_and_forgotten() {
        let profiles = Profiles::default();
        let one = voice().bytes();
        for leg in 0..100 {
            profiles.put(key(leg), voice());
        }
        assert_eq!(profiles.size(), (MOST_VOICES, MOST_VOICES * one));
        assert!(profiles.get(&key(0), "x").is_none() && profiles.get(&key(99), "y").is_none());
        assert!(profiles.get(&key(99), "x").is_some());
        profiles.put(key(99), voice());
        assert_eq!(profiles.size(), (MOST_VOICES, MOST_VOICES * one));
        (0..100).for_each(|leg| profiles.forget(&key(leg)));
        assert_eq!(profiles.size(), (0, 0));
    }

    #[test]
    fn they_are_bounded_in_bytes() {
        let profiles = Profiles::default();
        let huge = MadeVoice(voice().0.into_iter().cycle().take(MOST_BYTES / voice().bytes() / 2).collect());
        for leg in 0..3 {
            profiles.put(key(leg), huge.clone());
            assert!(profiles.size().1 <= MOST_BYTES);
        }
        assert!(profiles.has(&key(2)) && !profiles.has(&key(0)));
    }
}
