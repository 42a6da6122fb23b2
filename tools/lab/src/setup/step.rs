//! Running the host's own tools (apt, dpkg, pip) as steps: quiet when they work, quoted when they do not.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::interrupt;
use crate::process::last_lines;

/// Runs `command` and returns its standard output.
///
/// # Errors
/// When it cannot be started or fails, with what it said last; when the user interrupts.
pub(super) fn output(command: &mut Command) -> Result<String> {
    each_line(command, |_| {})
}

/// The same, but `on_line` sees the output line by line while the command runs.
pub(super) fn each_line(command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<String> {
    let shown = display(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {shown}"))?;
    let errors = child.stderr.take().context("no standard error")?;
    let errors = std::thread::spawn(move || std::io::read_to_string(errors).unwrap_or_default());
    let mut text = String::new();
    for line in BufReader::new(child.stdout.take().context("no standard output")?).lines() {
        let line = line?;
        on_line(&line);
        text.push_str(&line);
        text.push('\n');
    }
    let status = child.wait()?;
    interrupt::check()?;
    let errors = errors.join().unwrap_or_default();
    if !status.success() {
        bail!(
            "`{shown}` failed ({status}):\n{}",
            last_lines(if errors.trim().is_empty() { &text } else { &errors }, 8)
        );
    }
    Ok(text)
}

fn display(command: &Command) -> String {
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    // A whole program on a command line says nothing to the user.
    let words = all
        .map(|word| word.to_string_lossy())
        .map(|word| if word.contains('\n') { "…".into() } else { word });
    words.collect::<Vec<_>>().join(" ")
}
