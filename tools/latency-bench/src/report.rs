//! The figures, and whether they are as they should be.

use std::fmt;

use serde::Serialize;

use crate::talk::Talk;
use crate::turns::Turns;

/// Milliseconds and seconds that are not to be exceeded.
#[derive(Debug, Serialize)]
pub(crate) struct Goals {
    fixed_p50_ms: u64,
    fixed_p95_ms: u64,
    drawn_p95_ms: u64,
    talk_behind_s: f64,
}

impl Default for Goals {
    /// The engines' fixed delays make 480 ms; the rest is the gateway's.
    fn default() -> Self {
        Self { fixed_p50_ms: 560, fixed_p95_ms: 620, drawn_p95_ms: 900, talk_behind_s: 1.5 }
    }
}

/// One JSON object; `met` is true only when all goals are.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) met: bool,
    missed: Vec<String>,
    fixed: Summary,
    drawn: Summary,
    talk: Option<TalkSummary>,
}

#[derive(Debug, Serialize)]
struct Summary {
    p50_ms: u64,
    p95_ms: u64,
    #[serde(flatten)]
    turns: Turns,
}

#[derive(Debug, Serialize)]
struct TalkSummary {
    /// How far behind it ended.
    end_behind_s: f64,
    most_behind_s: f64,
    #[serde(flatten)]
    talk: Talk,
}

impl Report {
    pub(crate) fn new(fixed: Turns, drawn: Turns, talk: Option<Talk>, goals: &Goals) -> Self {
        let (fixed, drawn) = (Summary::new(fixed), Summary::new(drawn));
        let talk = talk.map(|talk| TalkSummary {
            end_behind_s: talk.behind.last().copied().unwrap_or_default(),
            most_behind_s: talk.behind.iter().copied().fold(0.0, f64::max),
            talk,
        });
        let miss = |what: &str, found: f64, goal: f64| {
            (found > goal).then(|| format!("{what}: {found:.2}, wanted {goal:.2} at most"))
        };
        let ms = |ms: u64| ms as f64;
        let missed: Vec<String> = [
            miss("fixed delays, median, ms", ms(fixed.p50_ms), ms(goals.fixed_p50_ms)),
            miss("fixed delays, 95 of 100, ms", ms(fixed.p95_ms), ms(goals.fixed_p95_ms)),
            miss("drawn delays, 95 of 100, ms", ms(drawn.p95_ms), ms(goals.drawn_p95_ms)),
            talk.as_ref().and_then(|talk| miss("the talk's end, s", talk.end_behind_s, goals.talk_behind_s)),
        ]
        .into_iter()
        .flatten()
        .collect();
        Self { met: missed.is_empty(), missed, fixed, drawn, talk }
    }
}

impl Summary {
    fn new(turns: Turns) -> Self {
        let sorted = &turns.first_sample_ms;
        let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
        Self { p50_ms: rank(50), p95_ms: rank(95), turns }
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = &self.turns.first_sample_ms;
        let (first, last) =
            (all.first().copied().unwrap_or_default(), all.last().copied().unwrap_or_default());
        writeln!(
            f,
            "  {} sentences: median {} ms, 95 of 100 within {} ms ({first} to {last})",
            all.len(),
            self.p50_ms,
            self.p95_ms
        )?;
        let width = 48.0 / self.turns.stages_ms.iter().map(|(_, ms)| *ms).sum::<u64>().max(1) as f64;
        let mut before = 0.0;
        for (stage, ms) in self.turns.stages_ms {
            let bar = (ms as f64 * width).round() as usize;
            let gap = " ".repeat((before * width) as usize);
            writeln!(f, "  {stage:<8}{ms:>6} ms  {gap}{}", "█".repeat(bar.max(1)))?;
            before += ms as f64;
        }
        writeln!(f, "  {} clauses were translated beforehand for nothing", self.turns.fallen_guesses)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "From the end of a clause to the first translated sample, at the caller's network")?;
        writeln!(f, "\nEngines with fixed delays (ASR 150, MT 80, TTS 250 ms)")?;
        self.fixed.show(f)?;
        writeln!(f, "\nEngines with drawn delays (99 of 100 within 350, 150, 250 ms)")?;
        self.drawn.show(f)?;
        if let Some(TalkSummary { end_behind_s, most_behind_s, talk }) = &self.talk {
            writeln!(
                f,
                "\nA talk of {:.0} s, {} sentences, interpreted simultaneously",
                talk.seconds, talk.sentences
            )?;
            writeln!(f, "  at its end {end_behind_s:.2} s behind, at most {most_behind_s:.2} s")?;
            writeln!(f, "  its translation was over {:.2} s after it", talk.last_sample_after)?;
        }
        for missed in &self.missed {
            writeln!(f, "MISSED  {missed}")?;
        }
        Ok(())
    }
}
