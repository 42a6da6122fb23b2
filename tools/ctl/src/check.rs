use std::io::{IsTerminal, stderr};
use std::time::Duration;

use dragomand::clients::{Outside, Trial};
use dragomand::config::Config;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Tries all engines, one after the other: two at once would wait for each other.
pub(crate) async fn all(config: &Config) -> Result<Vec<Trial>, String> {
    let (engines, languages) = (&config.engines, config.languages());
    let outside = Outside::new(engines, languages).map_err(|failure| failure.to_string())?;
    let count = engines.asr.len() + engines.mt.len() + engines.tts.len() + engines.emotion.len();
    let bar = progress(count);
    let mut trials = Vec::new();
    for engine in &engines.asr {
        bar.set_message(format!("asr {}", engine.name));
        trials.push(outside.try_asr(engine, languages).await);
        bar.inc(1);
    }
    for engine in &engines.mt {
        bar.set_message(format!("mt {}", engine.name));
        trials.push(outside.try_mt(engine, languages).await);
        bar.inc(1);
    }
    for engine in &engines.tts {
        bar.set_message(format!("tts {}", engine.name));
        trials.push(outside.try_tts(engine, languages).await);
        bar.inc(1);
    }
    for engine in &engines.emotion {
        bar.set_message(format!("emotion {}", engine.name));
        trials.push(outside.try_emotion(engine).await);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(trials)
}

/// Shown on a terminal alone.
fn progress(engines: usize) -> ProgressBar {
    let bar = ProgressBar::new(engines as u64);
    if !stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{spinner} {pos}/{len} {msg} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
