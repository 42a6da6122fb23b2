//! Where the time between the last word and its translation goes, drawn.

use std::fmt::Write;

const WIDTH: f64 = 48.0;

/// One line a stage, `(name, milliseconds)`, each beginning where the one before ends.
pub(crate) fn draw(stages: &[(&str, f64)]) -> String {
    let total: f64 = stages.iter().map(|(_, ms)| ms.max(0.0)).sum();
    let scale = WIDTH / total.max(1.0);
    let mut text = String::new();
    let mut at = 0.0;
    for (name, ms) in stages {
        let end = at + ms.max(0.0);
        let (from, to) = ((at * scale).round() as usize, (end * scale).round() as usize);
        // Even the shortest stage is seen.
        let bar = "█".repeat((to - from).max(1));
        let gap = " ".repeat(from.min(WIDTH as usize - 1));
        writeln!(text, "  {name:<8}{ms:>7.0} ms  {gap}{bar}").ok();
        at = end;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_begins_where_the_one_before_ends() {
        let text = draw(&[("asr", 500.0), ("mt", 0.0), ("tts", 500.0)]);
        let lines: Vec<&str> = text.lines().collect();
        let start = |line: &str| line.chars().position(|c| c == '█').unwrap();
        assert_eq!(start(lines[2]) - start(lines[0]), 24);
        assert!(lines[1].contains('█'));
    }
}
