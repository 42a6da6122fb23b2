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
    // Who does all stages is tried once, where it hears.
    let (mut trials, mut others) = (Vec::new(), Vec::new());
    for engine in &engines.asr {
        bar.set_message(format!("asr {}", engine.name));
        match engine.provider.speech() {
            Some(speech) => {
                let [heard, rest @ ..] = outside.try_speech(engine, speech, &engines.tts, languages).await;
                trials.push(heard);
                others.extend(rest);
            }
            None => trials.push(outside.try_asr(engine, languages).await),
        }
        bar.inc(1);
    }
    for engine in &engines.mt {
        bar.set_message(format!("mt {}", engine.name));
        trials.push(match engine.provider.speech() {
            Some(_) => tried(&others, &engine.name, "mt"),
            None => outside.try_mt(engine, languages).await,
        });
        bar.inc(1);
    }
    for engine in &engines.tts {
        bar.set_message(format!("tts {}", engine.name));
        trials.push(match engine.provider.speech() {
            Some(_) => tried(&others, &engine.name, "tts"),
            None => outside.try_tts(engine, languages).await,
        });
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

/// What came in this stage of trying an engine that does all.
fn tried(trials: &[Trial], engine: &str, stage: &str) -> Trial {
    let tried = trials.iter().find(|trial| (trial.engine.as_str(), trial.stage) == (engine, stage));
    tried.expect("the configuration admits none that does not hear").clone()
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
