//! The order of passes: finals first, first come first served; partials only when nobody waits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, anyhow};
use tokio::sync::oneshot;

use super::whisper::{Heard, Language, Model, Worker};

/// How much a pass matters, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Urgency {
    /// Speech goes on. Skipped under load, and aborted when a final comes.
    Partial,
    /// Speech may have ended.
    Speculative,
    /// Somebody waits for it.
    Final,
}

/// What a pass is to hear.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// 16 kHz, −1 to 1.
    pub audio: Arc<[f32]>,
    /// In which language.
    pub language: Language,
    /// Only which language it is is asked for; the text stays empty.
    pub identifies_only: bool,
}

/// What became of a pass.
#[derive(Debug)]
pub enum Outcome {
    /// It heard this.
    Heard(Heard),
    /// It gave way to a more urgent one, or was abandoned.
    Aborted,
    /// It failed.
    Failed(String),
}

/// A pass that was asked for. Dropping it abandons the pass.
#[derive(Debug)]
pub struct Pass {
    ticket: Arc<Ticket>,
    outcome: oneshot::Receiver<Outcome>,
    shared: Arc<Shared>,
}

impl Pass {
    /// Changes how much it matters.
    pub fn set_urgency(&self, urgency: Urgency) {
        let jobs = self.shared.lock();
        self.ticket.urgency.store(urgency as u8, Ordering::Relaxed);
        self.shared.count_urgent(&jobs);
    }

    /// Waits for the outcome. May be dropped and called again.
    pub async fn outcome(&mut self) -> Outcome {
        (&mut self.outcome).await.unwrap_or_else(|_| Outcome::Failed("the recogniser has stopped".into()))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.ticket.is_abandoned.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Ticket {
    urgency: AtomicU8,
    is_abandoned: AtomicBool,
}

struct Job {
    request: Request,
    ticket: Arc<Ticket>,
    reply: oneshot::Sender<Outcome>,
}

#[derive(Default)]
struct Jobs {
    waiting: Vec<Job>,
    idle_workers: usize,
    is_closed: bool,
}

#[derive(Default)]
struct Shared {
    jobs: Mutex<Jobs>,
    changed: Condvar,
    /// Waiting jobs that a running partial must give way to.
    urgent: AtomicUsize,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("urgent", &self.urgent).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Jobs> {
        // Nothing in here can be left half done by a panic.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_urgent(&self, jobs: &Jobs) {
        let is_urgent = |job: &&Job| job.ticket.urgency.load(Ordering::Relaxed) == Urgency::Final as u8;
        self.urgent.store(jobs.waiting.iter().filter(is_urgent).count(), Ordering::Relaxed);
    }

    /// Blocks until there is something to do; none when the queue is closed.
    fn take(&self) -> Option<Job> {
        let mut jobs = self.lock();
        jobs.idle_workers += 1;
        loop {
            if jobs.is_closed {
                return None;
            }
            jobs.waiting.retain(|job| !job.ticket.is_abandoned.load(Ordering::Relaxed));
            // Of equals the first, which has waited longest.
            let urgencies = jobs.waiting.iter().map(|job| job.ticket.urgency.load(Ordering::Relaxed));
            let next = urgencies.enumerate().min_by_key(|&(at, urgency)| (std::cmp::Reverse(urgency), at));
            if let Some((at, _)) = next {
                jobs.idle_workers -= 1;
                let job = jobs.waiting.remove(at);
                self.count_urgent(&jobs);
                return Some(job);
            }
            jobs = self.changed.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Workers and the passes they are asked for.
pub struct Queue {
    shared: Arc<Shared>,
    languages: Vec<&'static str>,
}

impl Queue {
    /// Starts `workers` threads that share `model`, with `threads` threads a pass.
    ///
    /// # Errors
    /// When a worker has not enough memory or cannot be started.
    pub fn start(model: &Model, workers: usize, threads: usize) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        for number in 0..workers {
            let running: Arc<Mutex<Option<Arc<Ticket>>>> = Arc::default();
            let abort = abort_when(shared.clone(), running.clone());
            let worker = Worker::new(model, threads, &abort)?;
            let shared = shared.clone();
            thread::Builder::new()
                .name(format!("whisper-{number}"))
                .spawn(move || work(worker, &shared, &running))
                .context("cannot start a thread")?;
        }
        Ok(Self { shared, languages: model.languages().to_vec() })
    }

    /// The languages that can be asked for.
    pub fn languages(&self) -> &[&'static str] {
        &self.languages
    }

    /// Asks for a pass. A partial is refused unless a worker is idle.
    pub fn ask(&self, request: Request, urgency: Urgency) -> Option<Pass> {
        let mut jobs = self.shared.lock();
        if urgency == Urgency::Partial && jobs.idle_workers <= jobs.waiting.len() {
            return None;
        }
        let ticket =
            Arc::new(Ticket { urgency: AtomicU8::new(urgency as u8), is_abandoned: AtomicBool::new(false) });
        let (reply, outcome) = oneshot::channel();
        jobs.waiting.push(Job { request, ticket: ticket.clone(), reply });
        self.shared.count_urgent(&jobs);
        drop(jobs);
        self.shared.changed.notify_one();
        Some(Pass { ticket, outcome, shared: self.shared.clone() })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_all();
    }
}

type Running = Mutex<Option<Arc<Ticket>>>;

fn abort_when(shared: Arc<Shared>, running: Arc<Running>) -> Arc<dyn Fn() -> bool + Send + Sync> {
    Arc::new(move || {
        let running = running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().is_some_and(|ticket| {
            ticket.is_abandoned.load(Ordering::Relaxed)
                || (ticket.urgency.load(Ordering::Relaxed) == Urgency::Partial as u8
                    && shared.urgent.load(Ordering::Relaxed) > 0)
        })
    })
}

fn work(mut worker: Worker, shared: &Shared, running: &Running) {
    let set_running = |ticket| *running.lock().unwrap_or_else(PoisonError::into_inner) = ticket;
    while let Some(job) = shared.take() {
        set_running(Some(job.ticket.clone()));
        // A pass starts from nothing, so a panic in one costs the worker no more than that pass.
        let result = catch_unwind(AssertUnwindSafe(|| worker.hear(&job.request)))
            .unwrap_or_else(|_| Err(anyhow!("the recogniser panicked in this pass")));
        set_running(None);
        let outcome = match result {
            Ok(heard) => Outcome::Heard(heard),
            Err(_) if job.ticket.is_abandoned.load(Ordering::Relaxed) => Outcome::Aborted,
            Err(_) if job.ticket.urgency.load(Ordering::Relaxed) == Urgency::Partial as u8 => {
                Outcome::Aborted
            }
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        // Whoever asked may have gone.
        job.reply.send(outcome).ok();
    }
}
