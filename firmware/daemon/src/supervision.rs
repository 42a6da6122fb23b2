//! What is done about faults of ours: a part of the daemon that may die alone is started anew, the last tier of recovery.
//!
//! What a panic says is shown nowhere here: it may quote what was said in a call. Its place is in the log.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audio_path::Timestamp;
use futures_util::FutureExt as _;
use serde_json::{Map, Value, json};
use session::recovery::{RecoveryCounts, Reset, Tier};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until};

/// Something was ended by a fault of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault;

/// A part of the daemon that can be started anew alone, and how it does; where there are several of a kind, all of them.
#[derive(Debug)]
pub(crate) struct Part {
    /// As metrics spell it.
    pub(crate) name: &'static str,
    /// How often it died, or a request of it.
    deaths: AtomicU64,
    /// How many wait to be started anew.
    dead: AtomicU64,
    recoveries: Mutex<RecoveryCounts>,
}

/// The parts that no call can do without for long, and that no call is lost with.
#[derive(Debug)]
pub(crate) struct Parts {
    /// What looks after the engines.
    pub(crate) engines: Part,
    /// The HTTP server.
    pub(crate) web: Part,
    /// The control socket.
    pub(crate) control: Part,
    /// What watches and commands Asterisk.
    pub(crate) asterisk: Part,
    /// Where the driver tells of keys.
    pub(crate) keys: Part,
    /// What keeps what is known of callers.
    pub(crate) memory: Part,
    /// Where calls come in that come through no pipes.
    pub(crate) doors: Part,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            engines: Part::new("engines"),
            web: Part::new("web"),
            control: Part::new("control"),
            asterisk: Part::new("asterisk"),
            keys: Part::new("keys"),
            memory: Part::new("memory"),
            doors: Part::new("doors"),
        }
    }
}

impl Parts {
    /// All of them.
    pub(crate) fn all(&self) -> [&Part; 7] {
        let Self { engines, web, control, asterisk, keys, memory, doors } = self;
        [engines, web, control, asterisk, keys, memory, doors]
    }
}

impl Part {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, deaths: AtomicU64::new(0), dead: AtomicU64::new(0), recoveries: Mutex::default() }
    }

    /// What came of starting it anew.
    pub(crate) fn recoveries(&self) -> RecoveryCounts {
        *self.counts()
    }

    /// Whether one waits to be started anew, since it died twice within a minute.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed) > 0
    }

    /// A request of it died, and nothing else, so that nothing is to be started anew.
    pub(crate) fn lost_one(&self) {
        self.deaths.fetch_add(1, Ordering::Relaxed);
        log::error!("{}: a request died of a fault in dragomand, see above", self.name);
    }

    fn counts(&self) -> MutexGuard<'_, RecoveryCounts> {
        // Each change is a single step, so a panic elsewhere leaves it whole.
        self.recoveries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the status: the parts that ever died.
pub(crate) fn report<'a>(parts: impl Iterator<Item = &'a Part>) -> Value {
    let died = parts.filter(|part| part.deaths.load(Ordering::Relaxed) > 0);
    let entry = |part: &Part| {
        let counts = part.recoveries();
        let [mended, in_vain] = [true, false].map(|success| counts.get(Tier::Reset, success));
        let deaths = part.deaths.load(Ordering::Relaxed);
        (
            part.name.to_owned(),
            json!({ "deaths": deaths, "mended": mended, "in_vain": in_vain, "dead": part.is_dead() }),
        )
    };
    Value::Object(died.map(entry).collect::<Map<String, Value>>())
}

/// The lives of one part, one after the other.
pub(crate) struct Lives<'a> {
    part: &'a Part,
    reset: Reset,
    origin: Instant,
    is_dead: bool,
}

impl<'a> Lives<'a> {
    pub(crate) fn of(part: &'a Part) -> Self {
        Self { part, reset: Reset::new(), origin: Instant::now(), is_dead: false }
    }

    /// Lives once.
    ///
    /// # Errors
    /// Where it died: when it may live again.
    pub(crate) async fn live<T>(&mut self, life: impl Future<Output = T>) -> Result<T, Instant> {
        self.show(false);
        let mut life = pin!(caught(life));
        let outcome = loop {
            let mended_at = self.reset.mended_at().map(|at| self.instant(at));
            tokio::select! {
                biased;
                outcome = &mut life => break outcome,
                () = until(mended_at) => self.mended(),
            }
        };
        match outcome {
            Ok(done) => {
                self.mended();
                Ok(done)
            }
            Err(Fault) => Err(self.died()),
        }
    }

    fn mended(&mut self) {
        self.reset.mended();
        self.count();
    }

    fn died(&mut self) -> Instant {
        let now = Timestamp::default() + self.origin.elapsed();
        let again = self.reset.died(now);
        self.count();
        self.show(true);
        self.part.deaths.fetch_add(1, Ordering::Relaxed);
        let wait = match again.since(now) {
            Duration::ZERO => "at once".to_owned(),
            wait => format!("in {} s, since it died lately", wait.as_secs() + 1),
        };
        log::error!(
            "{}: it died of a fault in dragomand, see above, and is started anew {wait}",
            self.part.name
        );
        self.instant(again)
    }

    fn count(&mut self) {
        self.part.counts().include(self.reset.take_counts());
    }

    fn show(&mut self, dead: bool) {
        if std::mem::replace(&mut self.is_dead, dead) != dead {
            let dead_ones = &self.part.dead;
            if dead {
                dead_ones.fetch_add(1, Ordering::Relaxed)
            } else {
                dead_ones.fetch_sub(1, Ordering::Relaxed)
            };
        }
    }

    fn instant(&self, at: Timestamp) -> Instant {
        self.origin + at.since(Timestamp::default())
    }
}

/// Who hangs up meanwhile wants it no more.
impl Drop for Lives<'_> {
    fn drop(&mut self) {
        self.show(false);
    }
}

/// Serves by what `serve` makes, until that ends in order; where it dies, by the next one.
pub(crate) async fn supervise<F: Future<Output = ()>>(part: &Part, serve: impl Fn() -> F) {
    let mut lives = Lives::of(part);
    while let Err(again) = lives.live(serve()).await {
        sleep_until(again).await;
    }
}

/// What came of `life`, or that a fault of ours ended it. What it shares with others it must change in single steps.
pub(crate) async fn caught<T>(life: impl Future<Output = T>) -> Result<T, Fault> {
    AssertUnwindSafe(life).catch_unwind().await.map_err(|_what_it_says| Fault)
}

/// Why a task has no outcome.
pub(crate) fn end_of(error: &JoinError) -> &'static str {
    if error.is_panic() { "a fault in dragomand, see above" } else { "it was broken off" }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::{sleep, timeout};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn counts(part: &Part) -> [u64; 2] {
        [true, false].map(|success| part.recoveries().get(Tier::Reset, success))
    }

    /// A part whose lives last as long as these, each of which ends by a panic, and that then ends in order; when it
    /// began to live.
    async fn lived(part: &Part, lasting: &[Duration]) -> Vec<Duration> {
        let (began, starts) = (Instant::now(), Mutex::new(Vec::new()));
        supervise(part, || async {
            let life = {
                let mut starts = starts.lock().unwrap();
                starts.push(began.elapsed());
                starts.len() - 1
            };
            let Some(lasts) = lasting.get(life) else { return };
            sleep(*lasts).await;
            panic!("a fault of ours");
        })
        .await;
        starts.into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_panics_is_started_anew_at_once_and_then_once_a_minute() {
        let part = Part::new("web");
        let second = Duration::from_secs(1);
        let starts = lived(&part, &[second, second, 2 * MINUTE]).await;
        let expected = [Duration::ZERO, second, second + MINUTE, second + 3 * MINUTE];
        let late = |(start, expected): (&Duration, &Duration)| start.abs_diff(*expected);
        assert!(starts.iter().zip(&expected).all(|pair| late(pair) < second / 100), "{starts:?}");
        assert_eq!((starts.len(), counts(&part)), (4, [2, 1]), "the last one ended in order");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_told_that_a_part_is_dead_and_when_it_is_known_to_be_mended() {
        let part = Arc::new(Part::new("keys"));
        let supervised = Arc::clone(&part);
        let life = tokio::spawn(async move {
            let times = AtomicU64::new(0);
            let serve = || async {
                assert!(times.fetch_add(1, Ordering::Relaxed) >= 2, "a fault of ours");
                sleep(10 * MINUTE).await;
            };
            supervise(&supervised, serve).await;
        });
        sleep(MINUTE / 2).await;
        assert!(part.is_dead(), "it died twice");
        sleep(MINUTE).await;
        assert_eq!((part.is_dead(), counts(&part)), (false, [0, 1]), "it is not known yet");
        sleep(MINUTE).await;
        assert_eq!(counts(&part), [1, 1]);
        let told = report([&*part, &Part::new("web")].into_iter());
        assert_eq!(told, json!({ "keys": { "deaths": 2, "mended": 1, "in_vain": 1, "dead": false } }));
        life.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_broken_off_while_dead_is_not_dead_any_more() {
        let part = Part::new("memory");
        let dies = supervise(&part, || async { panic!("a fault of ours") });
        assert!(timeout(MINUTE / 2, dies).await.is_err());
        assert_eq!((part.is_dead(), counts(&part)), (false, [0, 1]));
    }

    #[tokio::test]
    async fn what_a_panic_says_is_told_to_nobody() {
        let error = tokio::spawn(async { panic!("meet me at noon") }).await.unwrap_err();
        assert_eq!(end_of(&error), "a fault in dragomand, see above");
    }
}
