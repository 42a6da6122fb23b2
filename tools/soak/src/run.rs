//! One soak, from an empty box to an empty box.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use engine_emulators::{Delay, Delays};
use indicatif::{ProgressBar, ProgressStyle};
use lab::cache::Cache;
use lab::daemon::Room;
use lab::interrupt;
use lab::run_dir::RunDir;

use crate::callers::{Callers, Load};
use crate::leftovers;
use crate::place::{Place, Plan};
use crate::process::Process;
use crate::report::{Busy, Memory, Outcome, Report};
use crate::speech::{EVERY, Speech};
use crate::told::Ears;
use crate::watch::{Depths, Look, dropped_by_driver};

const ROOM: &str = "700";
const TRANSLATION: &str = "Esta es una de las muchas frases que se dicen aquí.";
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Until the box has looked at its engines and at Asterisk.
const READY_AFTER: Duration = Duration::from_secs(3);
/// Answering, announcing and registering may take so long after the last call was placed.
const SETTLING: Duration = Duration::from_secs(10);
/// Warm caches and allocators are waited for no longer.
const WARM_AT_MOST: Duration = Duration::from_secs(300);

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Soak {
    /// Calls at once.
    pub legs: u16,
    /// How long all of them stand.
    pub lasts: Duration,
    /// Whether a line on the terminal shows how it goes.
    pub shows: bool,
}

/// Does it.
///
/// # Errors
/// When the box does not start, or a part of it dies.
pub fn run(soak: &Soak) -> Result<Report> {
    let cache = Cache::locate()?;
    let run_dir = RunDir::create(&cache)?;
    let speech = Speech::write(&cache, run_dir.path())?;
    let ms = Duration::from_millis;
    let fixed = |millis| Delay::Fixed(ms(millis));
    let all = u64::from(soak.legs) * (soak.lasts.as_secs() / EVERY.as_secs() + 12);
    let plan = Plan {
        calls: soak.legs,
        rooms: vec![Room::interpreter(ROOM, ["en", "es"])],
        phones: Vec::new(),
        // More than can be said: an utterance may be heard as two.
        heard: speech.lines(2 * all),
        translation: TRANSLATION,
        delays: Delays { asr: fixed(150), mt: fixed(80), tts: fixed(250) },
    };
    let mut place = Place::start_in(&cache, plan, run_dir)?;
    interrupt::sleep(READY_AFTER)?;
    let before = Look::at(&mut place)?;
    let ears = Ears::listen(place.daemon.listen()?);
    let directory = place.run_dir().path().to_owned();
    let mut load = Load {
        number: ROOM,
        calls: soak.legs,
        lasts: Duration::ZERO,
        recording: &speech.path,
        directory: &directory,
    };
    load.lasts = soak.lasts + load.ramp() + SETTLING;
    let mut callers = Callers::start(&place.asterisk, &load)?;
    let watched = watch(soak, &mut place, &mut callers, &ears, load.ramp() + SETTLING)?;
    callers.finish()?;
    let left = leftovers::look_for(&mut place, &before)?;
    let after = Look::at(&mut place)?;
    let [asr, mt, tts] = place.counts();
    Ok(Report::new(Outcome {
        soak: *soak,
        watched,
        before,
        after,
        told: ears.finish()?,
        engines: [("asr", asr), ("mt", mt), ("tts", tts)],
        left,
    }))
}

/// What was seen while all calls stood.
pub(crate) struct Watched {
    /// The last look at all of them.
    pub(crate) last: Look,
    pub(crate) depths: Depths,
    pub(crate) memory: Memory,
    pub(crate) busy: Busy,
    pub(crate) most_descriptors: u64,
    pub(crate) most_threads: u64,
    pub(crate) most_tasks: u64,
    pub(crate) dropped_by_driver: u64,
}

fn watch(
    soak: &Soak,
    place: &mut Place,
    callers: &mut Callers,
    ears: &Ears,
    up_within: Duration,
) -> Result<Watched> {
    let line = Line::new(soak);
    let legs = usize::from(soak.legs);
    let placed = Instant::now();
    let mut last = look(place, callers)?;
    while last.legs < legs {
        anyhow::ensure!(
            placed.elapsed() < up_within,
            "{} of {legs} calls stand after {up_within:?}",
            last.legs
        );
        line.show(&format!("{} of {legs} calls stand", last.legs), Duration::ZERO);
        interrupt::sleep(LOOK_EVERY)?;
        last = look(place, callers)?;
    }
    let began = Instant::now();
    let cpu = Cpu::read(place, callers)?;
    let (mut depths, mut memory) = (Depths::default(), Memory::new((soak.lasts / 3).min(WARM_AT_MOST)));
    let (mut most_descriptors, mut most_threads, mut most_tasks) = (0, 0, 0);
    let mut next = began;
    while began.elapsed() < soak.lasts {
        last = look(place, callers)?;
        anyhow::ensure!(last.legs == legs, "{} of {legs} calls stand after {:?}", last.legs, began.elapsed());
        depths.look(&last.status);
        memory.look(began.elapsed(), last.resident_kib);
        most_descriptors = most_descriptors.max(last.descriptors);
        most_threads = most_threads.max(last.threads);
        most_tasks = most_tasks.max(last.tasks);
        line.show(&told(&last, ears), began.elapsed());
        next += LOOK_EVERY;
        interrupt::sleep(next.saturating_duration_since(Instant::now()))?;
    }
    let busy = Cpu::read(place, callers)?.since(&cpu, began.elapsed());
    let dropped_by_driver = dropped_by_driver(place)?;
    Ok(Watched { last, depths, memory, busy, most_descriptors, most_threads, most_tasks, dropped_by_driver })
}

fn look(place: &mut Place, callers: &mut Callers) -> Result<Look> {
    place.ensure_running()?;
    callers.ensure_running()?;
    Look::at(place)
}

fn told(look: &Look, ears: &Ears) -> String {
    let mut told = ears.so_far();
    told.latencies_ms.sort_unstable();
    let median = told.latencies_ms.get(told.latencies_ms.len() / 2).copied().unwrap_or_default();
    format!(
        "{} calls, {} translations after {median} ms, {} frames dropped of {}, {} MiB",
        look.legs,
        look.translations,
        look.dropped(),
        look.frames_processed,
        look.resident_kib / 1024
    )
}

/// Time that everybody has spent on a CPU.
struct Cpu([Duration; 5]);

impl Cpu {
    fn read(place: &mut Place, callers: &Callers) -> Result<Self> {
        let daemon = Process::new(place.daemon.process().id());
        let asterisk = Process::new(place.asterisk.process().id());
        let callers = Process::new(callers.id());
        let context = "CPU times";
        let of = |process: Process| process.cpu(None).context(context);
        Ok(Self([of(daemon)?, daemon.cpu(Some("media"))?, of(asterisk)?, of(callers)?, of(Process::own())?]))
    }

    fn since(&self, before: &Self, time: Duration) -> Busy {
        let percent = |index: usize| {
            let spent = self.0[index].saturating_sub(before.0[index]);
            (1_000.0 * spent.as_secs_f64() / time.as_secs_f64()).round() / 10.0
        };
        Busy {
            daemon: percent(0),
            media_thread: percent(1),
            asterisk: percent(2),
            callers: percent(3),
            engines_and_watching: percent(4),
        }
    }
}

/// How it goes, on a terminal; nothing elsewhere.
struct Line(Option<ProgressBar>);

impl Line {
    fn new(soak: &Soak) -> Self {
        let bar = soak.shows.then(|| ProgressBar::new(soak.lasts.as_secs()));
        let style = ProgressStyle::with_template("{bar:20} {pos} of {len} s  {msg}");
        Self(bar.map(|bar| bar.with_style(style.expect("the template above is well-formed"))))
    }

    fn show(&self, text: &str, elapsed: Duration) {
        if let Some(bar) = &self.0 {
            bar.set_message(text.to_owned());
            bar.set_position(elapsed.as_secs());
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
