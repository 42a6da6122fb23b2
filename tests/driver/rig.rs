//! An Asterisk for one test, and patience.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use lab::asterisk::{Asterisk, Options};
use lab::cache::Cache;
use lab::run_dir::RunDir;

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A booted Asterisk with the built driver. Fields drop in order: Asterisk ends before its directory goes.
pub(crate) struct Rig {
    pub(crate) asterisk: Asterisk,
    pub(crate) run_dir: RunDir,
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Asterisk's log:\n{}", self.log());
        }
    }
}

impl Rig {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| ())
    }

    /// `prepare` may put things into the run directory before Asterisk starts.
    pub(crate) fn start_with(prepare: impl FnOnce(&Path)) -> Self {
        let cache = Cache::locate().expect("a cache");
        let run_dir = RunDir::create(&cache).expect("a run directory");
        prepare(run_dir.path());
        let repository =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is inside the repository");
        let mut options = Options::new(
            cache.prefix(),
            driver(repository),
            repository.join("asterisk-conf"),
            run_dir.path().to_owned(),
        )
        .expect("options");
        options.sip.set_port(free_port());
        options.http_port = free_port();
        let asterisk = Asterisk::start(options).expect("Asterisk starts");
        Self { asterisk, run_dir }
    }

    pub(crate) fn cli(&self, command: &str) -> String {
        self.asterisk.cli(command).expect("Asterisk answers")
    }

    pub(crate) fn log(&self) -> String {
        self.asterisk.log().expect("a log")
    }

    /// The names in the pipes' directory.
    pub(crate) fn pipes(&self) -> Vec<String> {
        names(&self.asterisk.pipes())
    }

    /// Has the driver of the next calls use pipes of so many bytes.
    pub(crate) fn set_pipe_bytes(&self, bytes: u64) {
        let file = self.asterisk.configuration_file("slinpipe.conf");
        let text = std::fs::read_to_string(&file).expect("the shipped file");
        let (before, rest) = text.split_once("\npipe_bytes = ").expect("the shipped file sets it");
        let (_, after) = rest.split_once('\n').expect("a whole line");
        std::fs::write(&file, format!("{before}\npipe_bytes = {bytes}\n{after}")).expect("written");
        assert!(self.cli("module reload chan_slinpipe.so").contains("reloaded"));
    }

    /// A count of `slinpipe show channels` for the only leg that is up.
    pub(crate) fn count(&self, column: usize) -> u64 {
        let table = self.cli("slinpipe show channels");
        let mut legs =
            table.lines().filter(|line| line.split_whitespace().count() == 8 && line.contains(':'));
        let (leg, None) = (legs.next().unwrap_or_else(|| panic!("no leg in {table}")), legs.next()) else {
            panic!("more than one leg in {table}")
        };
        leg.split_whitespace().nth(column).and_then(|text| text.parse().ok()).expect("a number")
    }
}

/// Columns of `slinpipe show channels`.
pub(crate) const FROM_CALLER: usize = 2;
pub(crate) const TO_CALLER: usize = 3;
pub(crate) const PIPE_FULL: usize = 4;
pub(crate) const DIGITS: usize = 7;

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

/// Asks until the answer is there.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// `DRAGOMAN_DRIVER`, else where `cargo build -p chan-slinpipe --profile driver` puts it.
fn driver(repository: &Path) -> PathBuf {
    std::env::var_os("DRAGOMAN_DRIVER")
        .map_or_else(|| repository.join("target/driver/libchan_slinpipe.so"), PathBuf::from)
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
