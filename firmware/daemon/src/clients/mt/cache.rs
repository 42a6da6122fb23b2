//! Translations of what was said before, for all legs: in memory only, for a short time only.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audio_path::Timestamp;
use lru::LruCache;
use serde_json::{Value, json};
use session::Language;

/// Translations that are kept.
const MOST_ENTRIES: usize = 2_048;
/// Bytes of text that are kept, sources and translations together.
const MOST_BYTES: usize = 512 << 10;
/// What was said in a call is gone after this, whether it was said again or not.
const LONGEST_KEPT: Duration = Duration::from_secs(600);

/// What was said, in which language, and the language that it is wanted in.
///
/// What was said before it is not part of this: with it hardly a sentence would ever be found again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    source: Language,
    target: Language,
    text: String,
}

struct Entry {
    text: String,
    /// The place in the chain of the engine that made it.
    made_by: usize,
    made: Timestamp,
}

/// What the cache did so far, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Translations that no engine was asked for.
    pub hits: u64,
    /// Translations that an engine had to be asked for.
    pub misses: u64,
    /// Translations that are kept now.
    pub entries: usize,
    /// Their texts, bytes.
    pub bytes: usize,
}

/// The translations that all legs share.
pub struct Cache(Mutex<Kept>);

struct Kept {
    entries: LruCache<Key, Entry>,
    counts: CacheCounts,
}

impl Key {
    /// Spaces make no difference; case and punctuation do, as "polish" is not "Polish".
    pub(super) fn new(text: &str, source: Language, target: Language) -> Self {
        Self { source, target, text: text.split_whitespace().collect::<Vec<_>>().join(" ") }
    }
}

impl Default for Cache {
    fn default() -> Self {
        let most = NonZeroUsize::new(MOST_ENTRIES).expect("more than none");
        Self(Mutex::new(Kept { entries: LruCache::new(most), counts: CacheCounts::default() }))
    }
}

impl Cache {
    /// The translation, where it was made by the engine at `place` of the chain or by a better one.
    pub(super) fn get(&self, now: Timestamp, key: &Key, place: usize) -> Option<String> {
        let mut kept = self.lock();
        let fits = |entry: &&Entry| entry.made_by <= place && now.since(entry.made) < LONGEST_KEPT;
        let found = kept.entries.get(key).filter(fits).map(|entry| entry.text.clone());
        match found {
            Some(_) => kept.counts.hits += 1,
            None => kept.counts.misses += 1,
        }
        found
    }

    /// Keeps what the engine at `made_by` answered.
    pub(super) fn put(&self, now: Timestamp, key: Key, text: &str, made_by: usize) {
        let mut kept = self.lock();
        let bytes = key.text.len() + text.len();
        if bytes > MOST_BYTES {
            return;
        }
        kept.counts.bytes += bytes;
        if let Some((key, entry)) =
            kept.entries.push(key, Entry { text: text.to_owned(), made_by, made: now })
        {
            kept.counts.bytes -= key.text.len() + entry.text.len();
        }
        while kept.counts.bytes > MOST_BYTES {
            kept.forget_oldest();
        }
    }

    /// Forgets what was kept for long enough. To be called from time to time, whoever speaks.
    pub fn forget_old(&self, now: Timestamp) {
        let mut kept = self.lock();
        let is_old = |entry: &Entry| now.since(entry.made) >= LONGEST_KEPT;
        let old: Vec<Key> =
            kept.entries.iter().filter(|(_, entry)| is_old(entry)).map(|(key, _)| key.clone()).collect();
        for key in old {
            if let Some(entry) = kept.entries.pop(&key) {
                kept.counts.bytes -= key.text.len() + entry.text.len();
            }
        }
    }

    /// What it did so far.
    pub fn counts(&self) -> CacheCounts {
        let kept = self.lock();
        CacheCounts { entries: kept.entries.len(), ..kept.counts }
    }

    /// The same, for the status.
    pub fn report(&self) -> Value {
        let counts = self.counts();
        json!({
            "hits": counts.hits, "misses": counts.misses, "hit_rate": counts.hit_rate(),
            "entries": counts.entries, "bytes": counts.bytes,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // At worst a panic elsewhere leaves a miscount of bytes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget_oldest(&mut self) {
        match self.entries.pop_lru() {
            Some((key, entry)) => self.counts.bytes -= key.text.len() + entry.text.len(),
            None => self.counts.bytes = 0,
        }
    }
}

impl CacheCounts {
    /// Hits among all that was asked for; `None` before anything was.
    pub fn hit_rate(&self) -> Option<f64> {
        let asked = self.hits + self.misses;
        (asked > 0).then(|| self.hits as f64 / asked as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        let [source, target] = ["en", "es"].map(|code| code.parse().unwrap());
        Key::new(text, source, target)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn what_was_translated_is_found_by_language_and_words() {
        let cache = Cache::default();
        cache.put(at(1), key("Good  morning. "), "Buenos días.", 0);
        assert_eq!(cache.get(at(2), &key("Good morning."), 0).as_deref(), Some("Buenos días."));
        assert_eq!(cache.get(at(2), &key("good morning."), 0), None);
        let back = Key { source: key("").target, target: key("").source, text: "Good morning.".into() };
        assert_eq!(cache.get(at(2), &back, 0), None);
        let counts = cache.counts();
        assert_eq!((counts.hits, counts.misses, counts.entries, counts.bytes), (1, 2, 1, 13 + 13));
        assert_eq!(counts.hit_rate(), Some(1.0 / 3.0));
    }

    #[test]
    fn a_better_engine_is_asked_again() {
        let cache = Cache::default();
        cache.put(at(1), key("Hi."), "of the spare", 1);
        assert_eq!(cache.get(at(1), &key("Hi."), 0), None);
        assert_eq!(cache.get(at(1), &key("Hi."), 1).as_deref(), Some("of the spare"));
        cache.put(at(1), key("Hi."), "of the best", 0);
        assert_eq!(cache.get(at(1), &key("Hi."), 1).as_deref(), Some("of the best"));
        assert_eq!(cache.counts().bytes, 3 + 11);
    }

    #[test]
    fn nothing_is_kept_for_long_however_often_it_is_used() {
        let cache = Cache::default();
        cache.put(at(0), key("Hi."), "Hola.", 0);
        cache.put(at(300), key("Bye."), "Adiós.", 0);
        assert!(cache.get(at(599), &key("Hi."), 0).is_some());
        assert!(cache.get(at(600), &key("Hi."), 0).is_none());
        cache.forget_old(at(600));
        let counts = cache.counts();
        assert_eq!((counts.entries, counts.bytes), (1, 4 + 7));
        cache.forget_old(at(900));
        assert_eq!((cache.counts().entries, cache.counts().bytes), (0, 0));
    }

    #[test]
    fn it_is_bounded_by_entries_and_by_bytes() {
        let cache = Cache::default();
        for number in 0..2 * MOST_ENTRIES {
            cache.put(at(1), key(&number.to_string()), "x", 0);
        }
        assert_eq!(cache.counts().entries, MOST_ENTRIES);
        assert!(cache.get(at(1), &key("0"), 0).is_none(), "the oldest went first");

        let long = "x".repeat(64 << 10);
        for number in 0..20 {
            cache.put(at(1), key(&format!("long {number}")), &long, 0);
            assert!(cache.counts().bytes <= MOST_BYTES);
        }
        assert!(cache.get(at(1), &key("long 19"), 0).is_some());
        cache.put(at(1), key("huge"), &"x".repeat(MOST_BYTES), 0);
        assert!(cache.get(at(1), &key("huge"), 0).is_none());
        assert!(cache.get(at(1), &key("long 19"), 0).is_some(), "it drove nothing out");
    }
}
