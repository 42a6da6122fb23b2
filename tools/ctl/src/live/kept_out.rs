//! Whom dragoman-guard keeps out, for people. What a version of it does not tell is left out.

use std::fmt::{self, Write};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::table::time;

/// No file of the guard's is longer.
const LONGEST: u64 = 1 << 20;
/// Older refusals are of a guard that runs no more.
const LATELY_S: u64 = 3_600;
/// As many bans and refusals are shown each.
const MOST_SHOWN: usize = 10;

/// What the guard's file tells, or why it does not.
pub(super) struct KeptOut {
    told: Result<Told, String>,
    now: u64,
}

#[derive(Serialize, Deserialize)]
struct Told {
    #[serde(default)]
    banned: Vec<Ban>,
    /// How many are banned, told above or not.
    #[serde(default)]
    bans: usize,
    #[serde(default)]
    refused: Vec<Refusal>,
}

#[derive(Serialize, Deserialize)]
struct Ban {
    source: String,
    until: u64,
    why: String,
}

#[derive(Serialize, Deserialize)]
struct Refusal {
    source: String,
    why: String,
    phone: Option<String>,
    times: u64,
    last: u64,
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// `None` where there is no such file: no guard runs, or one that tells nothing.
pub(super) fn read(path: &Path, now: u64) -> Option<KeptOut> {
    let text = match text(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(format!("{error}; ask as root")),
        text => text.map_err(|error| error.to_string()),
    };
    let told = text.and_then(|text| parse(&text, now));
    let told = told.map_err(|reason| format!("{}: {reason}", path.display()));
    Some(KeptOut { told, now })
}

fn text(path: &Path) -> io::Result<Vec<u8>> {
    // Nobody waits for a pipe that nobody writes.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file; name that of dragoman-guard's --state"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// Without what is over.
fn parse(text: &[u8], now: u64) -> Result<Told, String> {
    let mut told: Told = serde_json::from_slice(text).map_err(|error| {
        format!("dragoman-guard did not write this: {error}; restart it, bans outlast that")
    })?;
    let before = told.banned.len();
    told.banned.retain(|ban| ban.until > now);
    told.bans = told.bans.saturating_sub(before - told.banned.len()).max(told.banned.len());
    told.refused.retain(|refusal| refusal.last.saturating_add(LATELY_S) > now);
    Ok(told)
}

impl KeptOut {
    pub(super) fn json(&self) -> serde_json::Value {
        match &self.told {
            Ok(told) => serde_json::json!(told),
            Err(reason) => serde_json::json!({ "error": reason }),
        }
    }
}

impl fmt::Display for KeptOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "kept out")?;
        match &self.told {
            Ok(told) => told.write(f, self.now),
            Err(reason) => writeln!(f, "  {}", shown(reason)),
        }
    }
}

impl Told {
    fn write(&self, f: &mut impl Write, now: u64) -> fmt::Result {
        for ban in self.banned.iter().take(MOST_SHOWN) {
            self.write_ban(f, ban, now)?;
        }
        write_more(f, self.bans.saturating_sub(MOST_SHOWN), "banned")?;
        if let Some(ban) = self.banned.first() {
            let set = if ban.source.contains(':') { "banned6" } else { "banned4" };
            let source = shown(&ban.source);
            let command = format!("nft 'delete element inet dragoman_guard {set} {{ {source} }}'");
            writeln!(f, "  a restart lifts no ban; as root this does: {command}")?;
        }
        let is_banned = |refusal: &&Refusal| self.banned.iter().any(|ban| ban.source == refusal.source);
        let others: Vec<_> = self.refused.iter().filter(|refusal| !is_banned(refusal)).collect();
        for refusal in others.iter().take(MOST_SHOWN) {
            writeln!(f, "  {}: {}", shown(&refusal.source), refusal.reason(now))?;
        }
        write_more(f, others.len().saturating_sub(MOST_SHOWN), "refused")?;
        if self.banned.is_empty() && others.is_empty() { writeln!(f, "  nobody") } else { Ok(()) }
    }

    fn write_ban(&self, f: &mut impl Write, Ban { source, until, why }: &Ban, now: u64) -> fmt::Result {
        let its = self.refused.iter().filter(|refusal| refusal.source == *source);
        let mut reasons: Vec<_> = its.map(|refusal| refusal.reason(now)).collect();
        if reasons.is_empty() {
            // Since the guard knew for which phone they were, it was started anew.
            reasons.push(if why == "wrong_password" { "wrong passwords".to_owned() } else { shown(why) });
        }
        let rest = time(until.saturating_sub(now));
        writeln!(f, "  {} banned for {rest} more: {}", shown(source), reasons.join("; "))
    }
}

fn write_more(f: &mut impl Write, more: usize, what: &str) -> fmt::Result {
    if more > 0 { writeln!(f, "  {more} more are {what}") } else { Ok(()) }
}

impl Refusal {
    fn reason(&self, now: u64) -> String {
        let ago = time(now.saturating_sub(self.last));
        let times = |one: &str| format!("{} {one}{}", self.times, if self.times == 1 { "" } else { "s" });
        match (self.why.as_str(), &self.phone) {
            ("wrong_password", Some(phone)) => {
                format!("{} for {}, last {ago} ago", times("wrong password"), shown(phone))
            }
            ("wrong_password", None) => {
                format!("{} for no phone of the box, last {ago} ago", times("wrong password"))
            }
            ("outside_lan", _) => {
                format!(
                    "not of the LAN, whose phones alone may register; {}, last {ago} ago",
                    times("packet")
                )
            }
            (other, _) => format!("{}, last {ago} ago", times(&shown(other))),
        }
    }
}

/// What a terminal does not obey.
fn shown(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn show(text: &str, now: u64) -> String {
        KeptOut { told: parse(text.as_bytes(), now), now }.to_string()
    }

    fn refusal(source: &str, why: &str, phone: &str, times: u64, last: u64) -> String {
        format!(
            r#"{{"source":"{source}","why":"{why}","phone":{phone},"times":{times},"last":{last},"new":1}}"#
        )
    }

    fn ban(source: &str, until: u64) -> String {
        format!(r#"{{"source":"{source}","until":{until},"why":"wrong_password"}}"#)
    }

    fn file(banned: &[String], refused: &[String]) -> String {
        let (bans, banned, refused) = (banned.len(), banned.join(","), refused.join(","));
        format!(r#"{{"banned":[{banned}],"bans":{bans},"refused":[{refused}]}}"#)
    }

    #[test]
    fn who_is_kept_out_is_told_with_the_reason_and_what_lifts_it() {
        let file = file(
            &[ban("192.168.1.44", NOW + 785), ban("fd00::/64", NOW + 60)],
            &[
                refusal("192.168.1.50", "wrong_password", "null", 1, NOW - 5),
                refusal("192.168.1.44", "wrong_password", "\"102\"", 4, NOW - 120),
                refusal("203.0.113.9", "outside_lan", "null", 12, NOW - 3_000),
                refusal("192.168.1.44", "wrong_password", "\"101\"", 1, NOW - 130),
            ],
        );
        let expected = "\
kept out
  192.168.1.44 banned for 13 min 05 s more: 4 wrong passwords for 102, last 2 min 00 s ago; \
1 wrong password for 101, last 2 min 10 s ago
  fd00::/64 banned for 1 min 00 s more: wrong passwords
  a restart lifts no ban; as root this does: nft 'delete element inet dragoman_guard banned4 { 192.168.1.44 }'
  192.168.1.50: 1 wrong password for no phone of the box, last 5 s ago
  203.0.113.9: not of the LAN, whose phones alone may register; 12 packets, last 50 min 00 s ago
";
        assert_eq!(show(&file, NOW), expected);
    }

    #[test]
    fn what_is_over_is_not_told() {
        let refused = [refusal("192.168.1.44", "wrong_password", "\"102\"", 4, NOW - 60)];
        let file = file(&[ban("192.168.1.44", NOW + 1), ban("fd00::1/64", NOW)], &refused);
        assert!(show(&file, NOW).contains("192.168.1.44 banned for 1 s more"));
        assert!(!show(&file, NOW).contains("fd00"));
        let later = show(&file, NOW + 1);
        assert_eq!(later, "kept out\n  192.168.1.44: 4 wrong passwords for 102, last 1 min 01 s ago\n");
        assert_eq!(show(&file, NOW + LATELY_S), "kept out\n  nobody\n");
        let told = parse(file.as_bytes(), NOW).unwrap();
        assert_eq!((told.banned.len(), told.bans), (1, 1));
    }

    #[test]
    fn a_flood_does_not_fill_the_screen() {
        let banned: Vec<_> = (1..=50).map(|host| ban(&format!("10.0.0.{host}"), NOW + 60)).collect();
        let refused: Vec<_> = (1..=50)
            .map(|host| refusal(&format!("203.0.113.{host}"), "outside_lan", "null", 1, NOW))
            .collect();
        let text = show(&file(&banned, &refused).replace("\"bans\":50", "\"bans\":4096"), NOW);
        assert_eq!(text.lines().count(), 1 + 2 * (MOST_SHOWN + 1) + 1, "{text}");
        assert!(
            text.contains("  4086 more are banned\n") && text.ends_with("  40 more are refused\n"),
            "{text}"
        );
    }

    #[test]
    fn nothing_in_a_file_moves_a_terminal_and_new_reasons_are_shown() {
        let file = file(&[], &[refusal("\\u001b[2J", "new\\nthing", "\"\\u0007\"", 2, NOW)]);
        assert_eq!(show(&file, NOW), "kept out\n   [2J: 2 new things, last 0 s ago\n");
    }
}
