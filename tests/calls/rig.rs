//! A whole box and what its daemon tells, for one test.

use std::path::PathBuf;
use std::time::Duration;

use dragoman_tests::callers::Plan;
pub(crate) use dragoman_tests::watch::Watch;
use dragoman_tests::wav::Wav;
use lab::appliance::{Appliance, Options};
use lab::cache::Cache;
use lab::speech::{self, Utterance};

/// A running box.
pub(crate) struct Rig {
    pub(crate) appliance: Appliance,
    pub(crate) utterance: Utterance,
}

impl Rig {
    pub(crate) fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// The same, with a PIN for its conferences.
    pub(crate) fn start_with_pin(pin: &str) -> Self {
        let mut options = Options::default();
        for room in options.rooms.iter_mut().filter(|room| room.kind == "conference") {
            room.pin = Some(pin.to_owned());
        }
        Self::start_with(options)
    }

    /// The same without one, and with these tables in the daemon's configuration.
    pub(crate) fn start_and(tables: &str) -> Self {
        Self::start_as(Options::default(), tables)
    }

    fn start_with(options: Options) -> Self {
        Self::start_as(options, "")
    }

    fn start_as(options: Options, tables: &str) -> Self {
        let cache = Cache::locate().expect("a cache");
        let utterance = speech::sentence(&cache).expect("the sentence");
        let appliance = Appliance::start_with(&cache, options, |_, _| Ok(tables.parse()?));
        Self { appliance: appliance.expect("the box starts"), utterance }
    }

    /// What the callers say, with silence around it, as a file of `rate` samples a second.
    pub(crate) fn speech(&self, before: Duration, after: Duration, rate: u32) -> PathBuf {
        let path = self.appliance.run_dir().join("speech.wav");
        Wav::read(&self.utterance.wav).at(rate).padded(before, after).write(&path);
        path
    }

    /// The plan of the caller with the phone `index`.
    pub(crate) fn plan<'a>(&'a self, index: usize, codec: &'a str, speech: &'a std::path::Path) -> Plan<'a> {
        Plan {
            sip: self.appliance.asterisk.sip(),
            extension: "700",
            phone: &self.appliance.asterisk.phones()[index],
            codec,
            speech,
            directory: self.appliance.run_dir().path(),
        }
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch::new(&self.appliance)
    }

    /// Neither the daemon nor the driver has dropped anything, over all legs there are now: `legs` of them in both.
    pub(crate) fn assert_none_dropped(&self, legs: usize) {
        let status = self.appliance.daemon.status().expect("the daemon answers");
        let of_daemon = status["legs"].as_array().expect("legs");
        let table = self.appliance.asterisk.cli("slinpipe show channels").expect("Asterisk answers");
        let of_driver: Vec<u64> = table.lines().filter_map(dropped_by_driver).collect();
        assert_eq!(of_daemon.len(), legs, "{status}");
        assert!(of_daemon.iter().all(|leg| leg["frames"]["dropped"] == serde_json::json!({})), "{status}");
        assert_eq!(of_driver, vec![0; legs], "{table}");
    }
}

/// The columns of drops in a line of `slinpipe show channels`: pipe full, malformed, failed.
fn dropped_by_driver(line: &str) -> Option<u64> {
    let columns: Vec<_> = line.split_whitespace().collect();
    let number = |index: usize| columns.get(index)?.parse::<u64>().ok();
    (columns.len() == 8 && line.starts_with(|first: char| first.is_ascii_digit()))
        .then(|| Some(number(4)? + number(5)? + number(6)?))?
}
