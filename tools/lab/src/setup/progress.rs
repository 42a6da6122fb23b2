//! A progress bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// One long step: its title, how far it is, how long it took.
pub struct Progress {
    title: String,
    started: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Shows that the step has begun.
    pub fn start(title: impl Into<String>) -> Self {
        let title = title.into();
        let bar = stderr().is_terminal().then(|| spinning(&title));
        if bar.is_none() {
            eprintln!("{title} …");
        }
        Self { title, started: Instant::now(), bar }
    }

    /// `done` of `total`, in whatever unit the step counts.
    pub fn set(&self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            if bar.length() != Some(total) {
                bar.set_style(style("{spinner} {msg} [{bar:30}] {percent}% {elapsed} "));
                bar.set_length(total);
            }
            bar.set_position(done);
        }
    }

    /// Shows that the step is done and how long it took.
    pub fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!("{}: done in {:.1} s", self.title, self.started.elapsed().as_secs_f32());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn spinning(title: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(title.to_owned());
    bar.set_style(style("{spinner} {msg} {elapsed}"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are well-formed")
}
