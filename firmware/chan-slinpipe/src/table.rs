//! The table of `slinpipe show channels`.

use std::{
    fmt::{Display, Write},
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

use crate::leg::Entry;

/// One line a leg. Frames are of 20 ms; the three columns after them say why frames were dropped.
pub(crate) fn render<'a>(legs: impl Iterator<Item = &'a Entry>) -> String {
    let mut text = String::new();
    row(
        &mut text,
        "Leg",
        "Duration",
        &["From caller", "To caller", "Pipe full", "Malformed", "Failed", "Digits"],
    );
    let mut total = 0;
    for Entry { id, since, counts } in legs {
        total += 1;
        let columns = [
            &counts.from_caller,
            &counts.to_caller,
            &counts.pipe_full,
            &counts.malformed,
            &counts.failed,
            &counts.digits,
        ];
        row(&mut text, id.as_str(), &clock(since.elapsed()), &columns.map(|counter| counter.load(Relaxed)));
    }
    writeln!(text, "{total} SlinPipe channel{}", if total == 1 { "" } else { "s" })
        .expect("a String takes it");
    text
}

fn row(text: &mut String, leg: &str, duration: &str, columns: &[impl Display; 6]) {
    write!(text, "{leg:<34} {duration:>9}").expect("a String takes it");
    for (column, width) in columns.iter().zip([11, 10, 9, 9, 7, 6]) {
        write!(text, " {column:>width$}").expect("a String takes it");
    }
    text.push('\n');
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
