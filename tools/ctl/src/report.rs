use std::fmt;
use std::time::Duration;

use dragomand::clients::Trial;
use dragomand::config::Idle;
use engines::Failure;
use serde::Serialize;

/// What came of trying all engines.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Each stage has an engine that works.
    pub(crate) ok: bool,
    engines: Vec<Line>,
    /// Stages without one.
    lost: Vec<&'static str>,
    /// Engines that were not tried, since they stand in no chain.
    idle: Vec<Unused>,
}

/// An engine that nobody asks.
#[derive(Debug, Serialize)]
struct Unused {
    engine: String,
    advice: String,
}

/// What came of trying one.
#[derive(Debug, Serialize)]
struct Line {
    stage: &'static str,
    engine: String,
    address: String,
    connect_ms: Option<u64>,
    answer_ms: Option<u64>,
    /// Whether it does this for whatever is said, and not only for what it heard itself.
    alone: bool,
    fault: Option<Fault>,
}

/// What is to be mended.
#[derive(Debug, Serialize)]
struct Fault {
    kind: &'static str,
    detail: String,
    advice: String,
}

impl Report {
    pub(crate) fn new(trials: &[Trial], idle: &[Idle]) -> Self {
        let engines: Vec<Line> = trials.iter().map(Line::new).collect();
        let works = |stage: &str| {
            engines.iter().any(|line| line.stage == stage && line.alone && line.fault.is_none())
        };
        let lost: Vec<_> = ["asr", "mt", "tts"].into_iter().filter(|stage| !works(stage)).collect();
        Self { ok: lost.is_empty(), engines, lost, idle: idle.iter().map(Unused::new).collect() }
    }
}

impl Unused {
    fn new(Idle { name, chains }: &Idle) -> Self {
        let chains = chains.join(" or ");
        let advice = format!(
            "it stands in no chain and is never asked; to have it asked, put \"{name}\" into {chains} of [engines]"
        );
        Self { engine: name.clone(), advice }
    }
}

impl Line {
    fn new(trial: &Trial) -> Self {
        let answer = trial.answer.as_ref();
        let fault = trial.failure().map(|failure| Fault {
            kind: failure.kind.name(),
            detail: failure.detail.clone(),
            advice: trial.site.advice(&trial.engine, failure.kind),
        });
        Self {
            stage: trial.stage,
            engine: trial.engine.clone(),
            address: trial.site.address.clone(),
            connect_ms: ms(&trial.connect),
            answer_ms: answer.and_then(ms),
            alone: trial.alone,
            fault,
        }
    }
}

fn ms(took: &Result<Duration, Failure>) -> Option<u64> {
    took.as_ref().ok().map(|took| took.as_millis() as u64)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.engines.iter().map(|line| line.engine.chars().count());
        let width = longest.chain(["engine".len()]).max().unwrap_or_default();
        writeln!(f, "stage    {:<width$}  connect    answer", "engine")?;
        for line in &self.engines {
            let took = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
            let (connect, answer) = (took(line.connect_ms), took(line.answer_ms));
            write!(f, "{:<7}  {:<width$}  {connect:>7}  {answer:>8}  ", line.stage, line.engine)?;
            match &line.fault {
                None if line.alone => writeln!(f, "works")?,
                None => writeln!(f, "works for what it hears; others speak the announcement")?,
                Some(fault) => writeln!(f, "{} ({})", fault.advice, fault.detail)?,
            }
        }
        for Unused { engine, advice } in &self.idle {
            writeln!(f, "{engine}: {advice}")?;
        }
        match self.lost.as_slice() {
            [] => writeln!(f, "Each stage has an engine that works."),
            lost => writeln!(f, "No engine works for {}: calls cannot be interpreted.", lost.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dragomand::clients::Site;
    use engines::FailureKind;

    fn trial(stage: &'static str, failure: Option<FailureKind>) -> Trial {
        let site = Site { address: "wss://a".into(), key: Some("/key".into()) };
        let took = Ok(Duration::from_millis(120));
        let answer = failure.map_or(took.clone(), |kind| Err(Failure::new(kind, "HTTP status 401")));
        Trial { stage, engine: "cloud".into(), alone: true, site, connect: took, answer: Some(answer) }
    }

    #[test]
    fn a_stage_is_well_where_one_of_its_engines_works() {
        let wrong = Some(FailureKind::Credential);
        let report = Report::new(
            &[trial("asr", wrong), trial("asr", None), trial("mt", None), trial("tts", None)],
            &[],
        );
        assert!(report.ok);
        let lines: Vec<_> = report.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines[2], "asr      cloud    120 ms    120 ms  works");
        assert!(lines[1].contains("put the key of cloud into /key"), "{}", lines[1]);
    }

    #[test]
    fn who_only_goes_on_with_what_it_heard_cannot_do_a_stage_alone() {
        let goes_on = |stage| Trial { alone: false, ..trial(stage, None) };
        let mut trials = vec![trial("asr", None), goes_on("mt"), goes_on("tts")];
        assert_eq!(Report::new(&trials, &[]).lost, ["mt", "tts"]);
        trials.extend([trial("mt", None), trial("tts", None)]);
        assert!(Report::new(&trials, &[]).ok);
    }

    #[test]
    fn a_stage_without_one_is_named() {
        let report = Report::new(&[trial("asr", None), trial("mt", Some(FailureKind::Quota))], &[]);
        assert!(!report.ok);
        assert_eq!(report.lost, ["mt", "tts"]);
        assert!(report.to_string().ends_with("No engine works for mt, tts: calls cannot be interpreted.\n"));
    }
}
