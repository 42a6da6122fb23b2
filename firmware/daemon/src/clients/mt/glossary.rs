//! The glossary that `DeepL` keeps for us, and the terms that no glossary was there for.

use std::collections::HashMap;
use std::fs::read_to_string;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engines::asr::keyterms;
use engines::http::Request;
use engines::mt::deepl::glossary::{
    Dictionary, Glossary, LIST_AT_MOST, delete, list, owner, read_created, read_deleted, read_list,
};
use engines::{Failure, FailureKind};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::TranslateJob;
use super::deepl::place;
use crate::clients::{Transport, http};
use crate::config::{Asr, Engines, Mt, Service};

/// How long a vendor may take to have the glossary ready. No translation waits for it.
const DEADLINE: Duration = Duration::from_secs(10);

/// The glossaries of all engines, by their names in the configuration.
#[derive(Default)]
pub(in crate::clients) struct Glossaries {
    engines: Mutex<HashMap<String, Arc<Held>>>,
    /// Translations that had a term in them and were made without a glossary.
    missed: AtomicU64,
}

/// One engine's.
#[derive(Default)]
struct Held {
    state: Mutex<State>,
    /// One at a time sees to it.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
enum State {
    #[default]
    Missing,
    Ready(String),
    Failed(Failure),
}

impl Glossaries {
    /// What is wrong with `engines`' glossary before anything is translated, in words for whoever installs a box.
    pub(in crate::clients) fn announce(engines: &Engines) {
        let terms: usize = engines.glossary.iter().map(|direction| direction.terms.len()).sum();
        if terms == 0 {
            return;
        }
        for engine in &engines.mt {
            if matches!(engine.provider, Mt::LibreTranslate(_) | Mt::Speech(_)) {
                log::warn!("mt: {} knows no glossary: it translates without its {terms} terms", engine.name);
            }
        }
        let all: Vec<_> = engines.glossary.iter().map(|direction| direction.source).collect();
        for engine in &engines.asr {
            let (Asr::DeepgramListen(service) | Asr::DeepgramFlux(service)) = &engine.provider else {
                continue;
            };
            let told = keyterms(service.expected_words(&all)).len();
            let words = service.expected_words(&all).count();
            if told < words {
                log::warn!(
                    "asr: {} is told to expect {told} of the glossary's {words} words, no more",
                    engine.name
                );
            }
        }
    }

    /// The vendor's number of the glossary for what is to be translated, once there is one.
    pub(super) fn ready(&self, service: &Service, job: &TranslateJob) -> Option<String> {
        service.terms(job.source, job.target)?;
        match &*lock(&self.of(service).state) {
            State::Ready(id) => Some(id.clone()),
            State::Missing | State::Failed(_) => None,
        }
    }

    /// The vendor does not know it any more.
    pub(super) fn forget(&self, service: &Service) {
        *lock(&self.of(service).state) = State::Missing;
    }

    /// A translation was made without a glossary: whether that makes a difference.
    pub(super) fn is_missed(&self, service: &Service, job: &TranslateJob) -> bool {
        let missed = service.terms(job.source, job.target).is_some_and(|terms| terms.are_in(&job.text));
        self.missed.fetch_add(u64::from(missed), Ordering::Relaxed);
        missed
    }

    /// How it is with them, for the status.
    pub(in crate::clients) fn report(&self) -> Value {
        let engines = lock(&self.engines);
        let state = |held: &Held| match &*lock(&held.state) {
            State::Missing => json!({ "state": "missing" }),
            State::Ready(_) => json!({ "state": "ready" }),
            State::Failed(failure) => {
                json!({ "state": "failed", "kind": failure.kind.name(), "detail": failure.detail })
            }
        };
        let engines: Value = engines.iter().map(|(name, held)| (name.clone(), state(held))).collect();
        json!({ "engines": engines, "translations_without": self.missed.load(Ordering::Relaxed) })
    }

    fn of(&self, service: &Service) -> Arc<Held> {
        Arc::clone(lock(&self.engines).entry(service.name.clone()).or_default())
    }
}

/// Sees to it, beside everything else, that the vendor has the glossary.
pub(super) fn ensure(transport: &Transport, service: &Service) {
    if service.glossary.is_empty() {
        return;
    }
    let (transport, service) = (transport.clone(), service.clone());
    tokio::spawn(async move {
        let held = transport.glossaries.of(&service);
        let Ok(_turn) = held.turn.try_lock() else { return };
        if matches!(*lock(&held.state), State::Ready(_)) {
            return;
        }
        let late = |_| Failure::new(FailureKind::Slow, "no answer about the glossary in time");
        let settled = timeout(DEADLINE, settle(&transport, &service)).await.map_err(late).flatten();
        *lock(&held.state) = match settled {
            Ok(id) => {
                log::info!("mt: {} has the glossary", service.name);
                State::Ready(id)
            }
            Err(failure) => {
                log::warn!("mt: {} translates without the glossary: {failure}", service.name);
                State::Failed(failure)
            }
        };
    });
}

/// Finds the glossary or has it made, and removes those that we made before.
async fn settle(transport: &Transport, service: &Service) -> Result<String, Failure> {
    let wanted = wanted(service)?;
    let (base, key) = place(service);
    let listed = ask(transport, list(base, key), read_list).await?;
    let plan = wanted.plan(&listed);
    let id = match plan.present {
        Some(id) => id,
        None => ask(transport, wanted.create(base, key), read_created).await?,
    };
    for stale in plan.stale {
        if let Err(failure) = ask(transport, delete(base, key, &stale), read_deleted).await {
            log::info!("mt: {} keeps a glossary of ours that is out of date: {failure}", service.name);
        }
    }
    Ok(id)
}

fn wanted(service: &Service) -> Result<Glossary, Failure> {
    let terms: Vec<Vec<(&str, &str)>> = service
        .glossary
        .iter()
        .map(|direction| direction.terms.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect())
        .collect();
    let dictionaries: Vec<Dictionary<'_>> = service
        .glossary
        .iter()
        .zip(&terms)
        .filter(|(_, terms)| !terms.is_empty())
        .map(|(direction, terms)| Dictionary {
            source: direction.source.code(),
            target: direction.target.code(),
            terms,
        })
        .collect();
    // Boxes that share an account must not delete each other's.
    let machine = read_to_string("/etc/machine-id").or_else(|_| read_to_string("/proc/sys/kernel/hostname"));
    Glossary::new(&owner(machine.unwrap_or_default().trim()), &dictionaries)
}

async fn ask<T>(
    transport: &Transport,
    request: Request,
    read: impl Fn(u16, Option<&str>, &[u8]) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let response = http::send(&transport.http, request).await?;
    let (status, retry_after) = (response.status().as_u16(), http::retry_after(&response));
    let body = http::body(response, LIST_AT_MOST).await?;
    read(status, retry_after.as_deref(), &body)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is a single step, so a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
