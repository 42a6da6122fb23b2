//! The daemon's status, for people. What a version of the daemon does not tell is left out.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde::Deserialize;

use super::recording::Recording;
use super::table::{self, time};

#[derive(Deserialize)]
pub(super) struct Status {
    version: String,
    uptime_s: u64,
    health: Option<String>,
    most_legs: Option<u64>,
    legs: Vec<Leg>,
    #[serde(default)]
    arriving: Vec<Leg>,
    rooms: Vec<Room>,
    engines: BTreeMap<String, Vec<Engine>>,
    media: Media,
    asterisk: Option<Asterisk>,
    recording: Option<Recording>,
    /// Parts of the daemon that died.
    #[serde(default)]
    resets: BTreeMap<String, Reset>,
}

#[derive(Deserialize)]
struct Leg {
    id: String,
    room: Option<String>,
    phone: Option<String>,
    name: Option<String>,
    language: Option<String>,
    codec: Option<String>,
    state: Option<String>,
    up_s: Option<u64>,
    frames: Option<Frames>,
}

#[derive(Deserialize)]
struct Frames {
    #[serde(rename = "in")]
    captured: u64,
    out: u64,
    dropped: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Room {
    extension: String,
    kind: String,
    #[serde(default)]
    languages: Vec<String>,
}

#[derive(Deserialize)]
struct Engine {
    name: String,
    health: String,
    breaker: String,
    fault: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    kind: String,
    detail: String,
}

#[derive(Deserialize)]
struct Reset {
    deaths: u64,
    in_vain: u64,
    dead: bool,
}

#[derive(Deserialize)]
struct Media {
    policy: String,
    priority: u8,
    locked: bool,
    refused: Vec<String>,
    ticks: u64,
    missed_ticks: u64,
    late_us: Lateness,
}

#[derive(Deserialize)]
struct Lateness {
    p99: u32,
    max: u32,
}

#[derive(Deserialize)]
struct Asterisk {
    control: String,
    over: Vec<Over>,
    refusals: Vec<Refusal>,
}

#[derive(Deserialize)]
struct Over {
    id: String,
    phone: Option<String>,
    cause: Option<u32>,
    ago_s: u64,
}

#[derive(Deserialize)]
struct Refusal {
    phone: Option<String>,
    dialled: String,
    reason: String,
    ago_s: u64,
}

impl Status {
    /// The rooms, and who is in them.
    pub(super) fn rooms(&self) -> String {
        let mut text = String::new();
        self.write_rooms(&mut text).expect("a String takes it");
        text
    }

    fn write_rooms(&self, f: &mut impl Write) -> fmt::Result {
        for room in &self.rooms {
            let legs: Vec<&Leg> = self.legs_of(room).collect();
            let languages = room.languages.join(", ");
            let languages = if languages.is_empty() { languages } else { format!(" ({languages})") };
            writeln!(f, "{} {}{languages}: {}", room.extension, room.kind, count(legs.len(), "leg"))?;
            write_legs(f, &legs)?;
        }
        let is_known = |leg: &&Leg| self.rooms.iter().any(|room| leg.dialled() == room.extension);
        let calls: Vec<&Leg> = self.all_legs().filter(|leg| !is_known(leg)).collect();
        if !calls.is_empty() {
            writeln!(f, "calls from phone to phone: {}", count(calls.len(), "leg"))?;
            write_legs(f, &calls)?;
        }
        Ok(())
    }

    fn all_legs(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().chain(&self.arriving)
    }

    fn legs_of<'a>(&'a self, room: &'a Room) -> impl Iterator<Item = &'a Leg> {
        self.all_legs().filter(|leg| leg.dialled() == room.extension)
    }
}

impl Leg {
    fn dialled(&self) -> &str {
        let before = self.id.split('-').next().unwrap_or_default();
        self.room.as_deref().unwrap_or(before)
    }

    /// Refused ones stay in the list for a while, and take nobody's place.
    fn has_place(&self) -> bool {
        self.state.as_deref().is_none_or(|state| state != "error")
    }

    fn row(&self) -> Vec<String> {
        let or_unknown = |text: Option<&String>| text.cloned().unwrap_or_else(|| "-".to_owned());
        let frames = self.frames.as_ref();
        vec![
            match (&self.phone, &self.name) {
                (Some(phone), Some(name)) => format!("{phone} {name}"),
                (phone, _) => or_unknown(phone.as_ref()),
            },
            or_unknown(self.state.as_ref()),
            or_unknown(self.language.as_ref()),
            or_unknown(self.codec.as_ref()),
            self.up_s.map_or_else(|| "-".to_owned(), time),
            frames.map_or_else(|| "-".to_owned(), |frames| frames.captured.to_string()),
            frames.map_or_else(|| "-".to_owned(), |frames| frames.out.to_string()),
            frames.map_or_else(|| "-".to_owned(), Frames::lost),
            self.id.clone(),
        ]
    }
}

impl Frames {
    fn lost(&self) -> String {
        let lost: Vec<String> =
            self.dropped.iter().map(|(reason, frames)| format!("{reason} {frames}")).collect();
        if lost.is_empty() { "0".to_owned() } else { lost.join(", ") }
    }
}

fn write_legs(f: &mut impl Write, legs: &[&Leg]) -> fmt::Result {
    if legs.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = legs.iter().map(|leg| leg.row()).collect();
    let names = ["phone", "state", "language", "codec", "for", "frames in", "out", "lost", "leg"];
    table::write(f, &names, &rows)
}

fn count(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.most_legs.map_or_else(String::new, |most| format!(" of {most}"));
        writeln!(
            f,
            "dragomand {} runs for {}, {}{most} in use{}",
            self.version,
            time(self.uptime_s),
            count(self.all_legs().filter(|leg| leg.has_place()).count(), "leg"),
            self.health.as_ref().map_or_else(String::new, |at| format!(", health at http://{at}/healthz"))
        )?;
        writeln!(f, "\nrooms")?;
        self.write_rooms(f)?;
        writeln!(f, "\nengines")?;
        self.write_engines(f)?;
        writeln!(f, "\nreal time")?;
        self.media.write(f)?;
        if let Some(asterisk) = &self.asterisk {
            writeln!(f, "\ntelephone side")?;
            asterisk.write(f)?;
        }
        if let Some(recording) = &self.recording {
            writeln!(f, "\nrecordings")?;
            recording.write(f)?;
        }
        if !self.resets.is_empty() {
            writeln!(f, "\nfaults in dragomand, to be reported with its log")?;
            self.resets.iter().try_for_each(|(part, reset)| reset.write(f, part))?;
        }
        Ok(())
    }
}

impl Status {
    fn write_engines(&self, f: &mut impl Write) -> fmt::Result {
        for (stage, engines) in &self.engines {
            for engine in engines {
                write!(f, "  {stage} {}: {}", engine.name, engine.health)?;
                if engine.breaker != "closed" {
                    write!(f, ", not asked now (breaker {})", engine.breaker)?;
                }
                match &engine.fault {
                    Some(fault) => writeln!(f, "; {}: {}", fault.kind, fault.detail)?,
                    None => writeln!(f)?,
                }
            }
        }
        Ok(())
    }
}

impl Reset {
    fn write(&self, f: &mut impl Write, part: &str) -> fmt::Result {
        let Self { deaths, in_vain, dead } = self;
        let now = if *dead { "waits to be started anew" } else { "was started anew" };
        writeln!(
            f,
            "  {part}: died {}, {in_vain} of them within a minute of the one before; {now}",
            count(*deaths as usize, "time")
        )
    }
}

impl Media {
    fn write(&self, f: &mut impl Write) -> fmt::Result {
        let locked = if self.locked { "locked" } else { "not locked" };
        writeln!(f, "  {} priority {}, memory {locked}", self.policy, self.priority)?;
        let Self { ticks, missed_ticks, late_us: Lateness { p99, max }, .. } = self;
        writeln!(
            f,
            "  {ticks} ticks, {missed_ticks} missed; late by {p99} µs (99 of 100), {max} µs at most"
        )?;
        self.refused.iter().try_for_each(|refused| writeln!(f, "  without {refused}"))
    }
}

impl Asterisk {
    fn write(&self, f: &mut impl Write) -> fmt::Result {
        let control = match self.control.as_str() {
            "connected" => "Asterisk is under control",
            "lost" => "Asterisk does not answer: see whether it runs",
            _ => "Asterisk is not controlled: there is no [asterisk] in the configuration",
        };
        writeln!(f, "  {control}")?;
        for Refusal { phone, dialled, reason, ago_s } in &self.refusals {
            let who = phone.as_deref().unwrap_or("a caller");
            writeln!(f, "  {} ago {who} dialled {dialled}, refused: {reason}", time(*ago_s))?;
        }
        for Over { id, phone, cause, ago_s } in &self.over {
            let who = phone.as_deref().unwrap_or(id);
            let cause = cause.map_or_else(String::new, |cause| format!(", cause {cause}"));
            writeln!(f, "  {} ago the leg of {who} ended{cause}", time(*ago_s))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{
        "type": "status", "version": "0.1.0", "uptime_s": 7325, "health": "127.0.0.1:8080", "most_legs": 50,
        "legs": [{"leg": 1, "id": "700-1.5-101", "room": "700", "phone": "101", "name": "Hall", "language": "en",
                  "codec": "g722", "state": "translating", "up_s": 61,
                  "frames": {"in": 3050, "out": 3049, "concealed": 0, "dropped": {"pipe_full": 7}}}],
        "arriving": [{"id": "103-1.9-102-1.9", "phone": "102", "codec": null, "state": "ringing"}],
        "rooms": [{"extension": "700", "kind": "interpreter", "languages": ["en", "es"]},
                  {"extension": "790", "kind": "echo", "languages": []}],
        "engines": {"asr": [{"name": "cloud", "health": "failed", "breaker": "open", "success_rate": 0.0,
                             "fault": {"kind": "credential", "detail": "status 401"}},
                            {"name": "device", "health": "healthy", "breaker": "closed", "fault": null}]},
        "media": {"policy": "SCHED_FIFO", "priority": 80, "locked": true, "refused": [], "ticks": 9, "missed_ticks": 0,
                  "late_us": {"p50": 10, "p99": 90, "max": 120}},
        "asterisk": {"control": "connected", "over": [],
                     "refusals": [{"phone": "104", "dialled": "601", "reason": "there is no such number", "ago_s": 5}]},
        "recording": {"on": true, "running": 1, "kept": 7, "bytes": 3145728, "most_bytes": 2097152000,
                      "lost_frames": 9, "faults": 1, "fault": "No space left on device"},
        "resets": {"keys": {"deaths": 3, "mended": 1, "in_vain": 1, "dead": true}},
        "something_new": 1
    }"#;

    fn status() -> Status {
        serde_json::from_str(LINE).expect("a status")
    }

    #[test]
    fn rooms_show_who_is_in_them() {
        let expected = "\
700 interpreter (en, es): 1 leg
  phone     state        language  codec  for         frames in  out   lost         leg
  101 Hall  translating  en        g722   1 min 01 s  3050       3049  pipe_full 7  700-1.5-101
790 echo: no leg
calls from phone to phone: 1 leg
  phone  state    language  codec  for  frames in  out  lost  leg
  102    ringing  -         -      -    -          -    -     103-1.9-102-1.9
";
        assert_eq!(status().rooms(), expected);
    }

    #[test]
    fn who_was_refused_takes_no_place() {
        let refused = LINE.replace("\"state\": \"ringing\"", "\"state\": \"error\"");
        let status: Status = serde_json::from_str(&refused).unwrap();
        assert!(status.to_string().contains("1 leg of 50 in use"));
    }

    #[test]
    fn a_status_says_what_is_wrong() {
        let text = status().to_string();
        for words in [
            "runs for 2 h 02 min, 2 legs of 50 in use",
            "asr cloud: failed, not asked now (breaker open); credential: status 401",
            "5 s ago 104 dialled 601, refused: there is no such number",
            "SCHED_FIFO priority 80, memory locked",
            "1 under way, 7 kept, 3 MiB of 2000 MiB\n  9 frames are in no recording",
            "not all calls are recorded: No space left on device",
            "keys: died 3 times, 1 of them within a minute of the one before; waits to be started anew",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
