//! The voices of XTTS servers' studios: each studio is read once, and again only for a voice that was not wanted before.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engines::tts::xtts::{Speaker, StudioReader, refused, studio_speakers};
use engines::{Failure, FailureKind};
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::{SpeakJob, refusal};
use crate::clients::{Transport, http};
use crate::config::Service;

/// How long a studio may take: some sixty voices of half a megabyte each, over a LAN.
const DEADLINE: Duration = Duration::from_secs(20);
/// Voices for speakers for whom none is named: the first ones of a studio.
const USUAL: usize = 8;
/// Voices that are kept of a studio; one takes some 400 KB.
const MOST_VOICES: usize = 24;

/// The studios of all servers, by the server's URL.
#[derive(Default)]
pub(in crate::clients) struct Studios(Mutex<HashMap<String, Shelf>>);

/// A server's. Held while it is read.
type Shelf = Arc<tokio::sync::Mutex<Known>>;

#[derive(Default)]
struct Known {
    /// All voices; empty until the studio was read.
    names: Vec<String>,
    voices: BTreeMap<String, Arc<Speaker>>,
}

impl Studios {
    fn of(&self, service: &Service) -> Shelf {
        // Each change is a single step, so a panic elsewhere leaves it whole.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(service.url.clone()).or_default())
    }
}

impl Known {
    /// What the voice is called that says a text.
    fn choose(&self, service: &Service, job: &SpeakJob) -> Result<&str, Failure> {
        let wanted = job.voice.as_deref();
        let known = |name: &str| self.names.iter().find(|known| *known == name).map(String::as_str);
        if let Some(his) = wanted.and_then(known) {
            return Ok(his);
        }
        if let Some(name) = service.voice(job.language, job.seat, wanted) {
            return known(name).ok_or_else(|| no_voice(name));
        }
        let usual = &self.names[..self.names.len().min(USUAL)];
        job.seat.choose(usual).map(String::as_str).ok_or_else(|| no_voice("any"))
    }
}

/// The voice of the studio that says a text. Who gives up waiting leaves the studio to be read for the next text.
pub(super) async fn voice(
    transport: &Transport,
    service: &Service,
    job: &SpeakJob,
) -> Result<Arc<Speaker>, Failure> {
    let shelf = transport.studios.of(service);
    for _attempt in 0..2 {
        let known = Arc::clone(&shelf).lock_owned().await;
        if !known.names.is_empty()
            && let Some(voice) = known.voices.get(known.choose(service, job)?)
        {
            return Ok(Arc::clone(voice));
        }
        let named = service.voices.values().flatten().cloned();
        let wanted = named.chain(job.voice.as_deref().map(str::to_owned)).collect();
        let usual = if service.voices.contains_key(job.language.code()) { 0 } else { USUAL };
        let reader = StudioReader::new(wanted, usual);
        let reading = read(known, transport.clone(), service.clone(), reader);
        let ended = |_| Failure::new(FailureKind::Down, "the studio was not read");
        tokio::spawn(reading).await.map_err(ended)??;
    }
    Err(Failure::new(FailureKind::Refused, "too many voices of the voice server are wanted"))
}

async fn read(
    mut known: OwnedMutexGuard<Known>,
    transport: Transport,
    service: Service,
    mut reader: StudioReader,
) -> Result<(), Failure> {
    let late = |_| Failure::new(FailureKind::Slow, "the studio takes too long");
    let studio = timeout(DEADLINE, async {
        let mut response = http::send(&transport.http, studio_speakers(&service.url)).await?;
        if response.status() != 200 {
            let (status, _, body) = refusal(response).await;
            return Err(refused(status, &body));
        }
        while let Some(bytes) = http::chunk(&mut response).await? {
            reader.push(&bytes)?;
        }
        reader.finish()
    });
    let studio = studio.await.map_err(late)??;
    for (name, voice) in studio.voices {
        if known.voices.len() < MOST_VOICES {
            known.voices.entry(name).or_insert_with(|| Arc::new(voice));
        }
    }
    known.names = studio.names;
    if known.names.is_empty() { Err(no_voice("any")) } else { Ok(()) }
}

fn no_voice(name: &str) -> Failure {
    Failure::new(FailureKind::Refused, format!("the voice server has no voice {name:?}"))
}
