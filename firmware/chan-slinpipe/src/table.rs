//! The table of `slinpipe show channels`.

use std::{fmt::Write, sync::atomic::Ordering::Relaxed, time::Duration};

use crate::leg::Entry;

/// One line a leg. Frames are of 20 ms; the three columns after them say why frames were dropped.
pub(crate) fn render<'a>(legs: impl Iterator<Item = &'a Entry>) -> String {
    let mut text =
        row(["Leg", "Duration", "From caller", "To caller", "Pipe full", "Malformed", "Failed", "Digits"]
            .map(str::to_owned));
    let mut total = 0;
    for leg in legs {
        total += 1;
        let counts = &leg.counts;
        let columns = [
            &counts.from_caller,
            &counts.to_caller,
            &counts.pipe_full,
            &counts.malformed,
            &counts.failed,
            &counts.digits,
        ];
        let [a, b, c, d, e, f] = columns.map(|counter| counter.load(Relaxed).to_string());
        text += &row([leg.id.as_str().to_owned(), clock(leg.since.elapsed()), a, b, c, d, e, f]);
    }
    writeln!(text, "{total} SlinPipe channel{}", if total == 1 { "" } else { "s" })
        .expect("a String takes it");
    text
}

fn row([leg, duration, a, b, c, d, e, f]: [String; 8]) -> String {
    format!("{leg:<34} {duration:>9} {a:>11} {b:>10} {c:>9} {d:>9} {e:>7} {f:>6}\n")
}

fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{id::LegId, leg::Counts};

    #[test]
    fn a_leg_is_a_line_under_its_columns() {
        let counts = Counts {
            from_caller: 183_250.into(),
            pipe_full: 7.into(),
            digits: 3.into(),
            ..Counts::default()
        };
        let since =
            Instant::now().checked_sub(Duration::from_secs(3665)).expect("the machine is up that long");
        let leg = Entry { id: LegId::parse(b"700-1763708393.12").expect("a good id"), since, counts };
        assert_eq!(
            render([&leg].into_iter()),
            "\
Leg                                 Duration From caller  To caller Pipe full Malformed  Failed Digits
700-1763708393.12                   01:01:05      183250          0         7         0       0      3
1 SlinPipe channel
"
        );
    }

    #[test]
    fn no_leg_is_said() {
        assert!(render([].into_iter()).ends_with("\n0 SlinPipe channels\n"));
    }
}
