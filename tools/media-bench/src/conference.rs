//! Rooms of four on a media thread in this process: each leg hears three voices, ducked under a lane of speech.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use audio_path::{Frame, Gain, Level, Playable, SAMPLES_PER_FRAME, SegmentId};
use dragomand::media::{self, LegEnds, Media, MediaConfig, MediaEvents};
use dragomand::ports::{PipePort, Port};
use serde::Serialize;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::daemon;
use crate::phones::Phones;

const EXTENSION: &str = "800";
const LEGS_A_ROOM: usize = 4;
const PRIORITY: u8 = 80;
/// Within what the rings hold.
const FEED_EVERY: Duration = Duration::from_millis(200);

/// What the rooms cost.
#[derive(Serialize)]
pub(crate) struct Conference {
    /// Of the media thread, user and system, for one frame in and one out.
    pub(crate) cpu_us_per_frame: f64,
    media_thread_percent: f64,
    frames_played: u64,
    pub(crate) frames_dropped: BTreeMap<&'static str, u64>,
    pub(crate) media: Value,
}

/// Runs `legs` legs for `seconds`.
pub(crate) fn measure(legs: u16, seconds: u32) -> Result<Conference> {
    let runtime = Runtime::new()?;
    let _within = runtime.enter();
    let (media, news) = media::start(&MediaConfig { priority: PRIORITY, cpu: None })?;
    runtime.spawn(listen(news));
    let directory = daemon::memory_directory()?;
    let phones = Phones::make(directory.path(), EXTENSION, legs)?;
    let ends: Result<Vec<_>> = (0..legs).map(|leg| attach(&media, directory.path(), leg)).collect();
    let mut ends = ends?;
    seat(&media, &ends)?;
    let over = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| feed(&mut ends, &over));
        let outcome = talk(&phones, seconds);
        over.store(true, Ordering::Relaxed);
        outcome
    });
    let (used, wall) = outcome?;
    let count = |of: fn(&LegEnds) -> u64| ends.iter().map(of).sum::<u64>();
    let mut frames_dropped = BTreeMap::new();
    for (reason, frames) in ends.iter().flat_map(|leg| leg.shared.counters.drops()) {
        *frames_dropped.entry(reason.name()).or_default() += frames;
    }
    let outcome = Conference {
        cpu_us_per_frame: used.as_secs_f64() * 1e6 / (f64::from(legs) * f64::from(seconds) * 50.0),
        media_thread_percent: 100.0 * used.as_secs_f64() / wall.as_secs_f64(),
        frames_played: count(|leg| leg.shared.counters.frames_out()),
        frames_dropped,
        media: serde_json::to_value(media.status())?,
    };
    media.stop();
    Ok(outcome)
}

async fn listen(mut news: MediaEvents) {
    while news.wait().await.is_ok() {
        while news.next_event().is_some() {}
    }
}

fn attach(media: &Media, directory: &Path, leg: u16) -> Result<LegEnds> {
    let port = PipePort::open(directory, &format!("{EXTENSION}-{leg}"))?;
    Ok(media.attach_room(Port::Pipe(Box::new(port)), 1)?)
}

fn seat(media: &Media, ends: &[LegEnds]) -> Result<()> {
    let gain = Gain { plain: Level::UNITY, ducked: Level::from_db(-18.0) };
    for room in ends.chunks(LEGS_A_ROOM) {
        for listener in room {
            let others = room.iter().map(|leg| leg.id).filter(|leg| *leg != listener.id);
            media.hear(listener.id, &others.map(|leg| (leg, gain)).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// What the media thread used of the time that all phones talked.
fn talk(phones: &Phones, seconds: u32) -> Result<(Duration, Duration)> {
    let process = Path::new("/proc/self");
    phones.talk(Duration::from_secs(1))?;
    let before = daemon::usage_of(process)?;
    phones.talk(Duration::from_secs(u64::from(seconds)))?;
    let after = daemon::usage_of(process)?;
    let used = after.media_cpu.checked_sub(before.media_cpu).context("time went back")?;
    Ok((used, after.at - before.at))
}

/// Speaks to all legs without end, and takes what they say.
fn feed(ends: &mut [LegEnds], over: &AtomicBool) {
    let frame = Frame([1000; SAMPLES_PER_FRAME]);
    while !over.load(Ordering::Relaxed) {
        for LegEnds { captured, playable, shared, .. } in ends.iter_mut() {
            while captured.pop().is_some() {}
            let speech = Playable { epoch: shared.epoch(0), segment: SegmentId(1), last: false, frame };
            while playable[0].push(speech).is_ok() {}
        }
        std::thread::sleep(FEED_EVERY);
    }
}
