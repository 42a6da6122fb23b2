//! A real `dragomand` in a directory of its own, for the process rung.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use lab::cache::Cache;
use lab::process::{Process, wrapped};
use lab::run_dir::RunDir;
use serde_json::Value;

const ROOMS: &str = "[[room]]\nextension = \"790\"\nkind = \"echo\"\n\
                     [[room]]\nextension = \"791\"\nkind = \"echo-direct\"\n";

/// What the machine of a daemon trusts, if it is not what this one does.
const TRUSTED: &str = "trusted.pem";
/// Who it asks for names.
const RESOLVER: &str = "resolv.conf";
/// Where it has a small disk.
const SMALL_DISK: &str = "small_disk";
/// Its sound cards.
const SOUND: &str = "asound.conf";
/// How far its wall clock is off.
const CLOCK: &str = "clock";
/// Shows it another one.
const FALSE_CLOCK: (&str, &str) = ("false_clock.c", include_str!("false_clock.c"));

/// What any fault may cost in memory.
const GROWTH_KIB: u64 = 10 * 1024;

/// What a daemon without legs holds.
pub struct Holding {
    descriptors: usize,
    resident_kib: u64,
}

/// How a daemon's machine differs from this one.
#[derive(Default)]
pub struct Machine<'a> {
    /// The certificates that it trusts alone, PEM.
    pub certificates: Option<&'a str>,
    /// The server that it asks for names. Only root can start a daemon that does.
    pub name_server: Option<IpAddr>,
    /// Where it has a disk of 128 KiB. Only root can start a daemon that does.
    pub small_disk: Option<&'a Path>,
    /// By how many seconds its wall clock is off; [`Daemon::set_clock`] sets it then.
    pub clock: Option<i64>,
    /// Where it is asked over HTTP, instead of on loopback.
    pub page: Option<Ipv4Addr>,
}

/// The daemon, its directory, and what it says of itself.
pub struct Daemon {
    process: Option<Process>,
    directory: RunDir,
}

impl Daemon {
    /// Starts a daemon with an echo room 790 (at the tick) and 791 (at once).
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start() -> Self {
        Self::start_with(ROOMS)
    }

    /// Starts a daemon whose configuration goes on with `rooms`, and with whatever other tables are in it.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start_with(rooms: &str) -> Self {
        Self::start_trusting(rooms, None)
    }

    /// The same, on a machine that trusts these certificates alone, PEM.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start_trusting(rooms: &str, certificates: Option<&str>) -> Self {
        Self::start_in(rooms, &Machine { certificates, ..Machine::default() })
    }

    /// The same, on such a machine.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start_in(rooms: &str, machine: &Machine<'_>) -> Self {
        Self::start_prepared(rooms, machine.page, |directory| {
            if let Some(certificates) = machine.certificates {
                fs::write(directory.join(TRUSTED), certificates).expect("a file");
            }
            if let Some(name_server) = machine.name_server {
                fs::write(directory.join(RESOLVER), format!("nameserver {name_server}\n")).expect("a file");
            }
            if let Some(place) = machine.small_disk {
                fs::write(directory.join(SMALL_DISK), place.display().to_string()).expect("a file");
            }
            if let Some(seconds) = machine.clock {
                write_clock(directory.path(), seconds);
            }
        })
    }

    /// The same as [`Self::start_with`], with these definitions of sound cards instead of the machine's.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start_with_sound(rooms: &str, asound: &str) -> Self {
        Self::start_prepared(rooms, None, |directory| {
            fs::write(directory.join(SOUND), asound).expect("a file");
        })
    }

    fn start_prepared(rooms: &str, page: Option<Ipv4Addr>, prepare: impl FnOnce(&RunDir)) -> Self {
        let cache = Cache::locate().expect("a cache directory");
        let directory = RunDir::create(&cache).expect("a run directory");
        fs::create_dir(directory.join("pipes")).expect("a pipe directory");
        let page = page.unwrap_or(Ipv4Addr::LOCALHOST);
        fs::write(directory.join("dragomand.toml"), configuration_at(page, directory.path(), rooms))
            .expect("a config");
        prepare(&directory);
        let mut daemon = Self { process: None, directory };
        daemon.restart();
        daemon
    }

    /// Starts the daemon again after [`Self::kill`].
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn restart(&mut self) {
        let mut command = Command::new(program("dragomand"));
        command.arg("--config").arg(self.directory.join("dragomand.toml"));
        let trusted = self.directory.join(TRUSTED);
        if trusted.exists() {
            command.env("SSL_CERT_FILE", trusted);
        }
        let sound = self.directory.join(SOUND);
        if sound.exists() {
            command.env("ALSA_CONFIG_PATH", sound);
        }
        let clock = self.directory.join(CLOCK);
        if clock.exists() {
            command.env("LD_PRELOAD", false_clock(self.directory.path())).env("FALSE_CLOCK", clock);
        }
        let resolver = self.directory.join(RESOLVER);
        let mut mounts = Vec::new();
        if resolver.exists() {
            mounts.push(format!("mount --bind {} /etc/resolv.conf", resolver.display()));
        }
        if let Ok(place) = fs::read_to_string(self.directory.join(SMALL_DISK)) {
            mounts.push(format!("mount -t tmpfs -o size=128k tmpfs '{place}'"));
        }
        if !mounts.is_empty() {
            let script = format!("{} && exec \"$@\"", mounts.join(" && "));
            command = wrapped(&["unshare", "--mount", "--", "sh", "-c", &script, "sh"], &command);
        }
        let mut process = Process::spawn("dragomand", &command, &self.log()).expect("dragomand starts");
        let ready = || self.status().is_some();
        process
            .wait_until("status on its control socket", Duration::from_secs(10), ready)
            .expect("dragomand is ready");
        self.process = Some(process);
    }

    /// Ends the daemon without a chance to clean up.
    ///
    /// # Panics
    /// Where it is not running.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("dragomand runs");
        process.signal(rustix::process::Signal::KILL).expect("a signal can be sent");
        process.wait(Duration::from_secs(5)).expect("a killed process ends");
    }

    /// Asks the daemon to end.
    ///
    /// # Panics
    /// Where it is not running.
    pub fn terminate(&self) {
        let process = self.process.as_ref().expect("dragomand runs");
        process.signal(rustix::process::Signal::TERM).expect("a signal can be sent");
    }

    /// Keeps all its threads from running for so long.
    ///
    /// # Panics
    /// Where it is not running.
    pub fn freeze(&self, time: Duration) {
        let process = self.process.as_ref().expect("dragomand runs");
        process.signal(rustix::process::Signal::STOP).expect("a signal can be sent");
        thread::sleep(time);
        process.signal(rustix::process::Signal::CONT).expect("a signal can be sent");
    }

    /// Sets its wall clock: by so many seconds it is off from now on.
    ///
    /// # Panics
    /// Where it was not started with a clock of its own.
    pub fn set_clock(&self, seconds: i64) {
        assert!(self.directory.join(CLOCK).exists(), "it has a clock of its own");
        write_clock(self.directory.path(), seconds);
    }

    /// How many of its threads have this name.
    ///
    /// # Panics
    /// Where the daemon is gone.
    pub fn threads(&self, name: &str) -> usize {
        let tasks = fs::read_dir(self.proc("task")).expect("the daemon runs");
        let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|found| found.trim_end() == name).count()
    }

    /// Waits until the daemon has ended by itself; whether it called that a success.
    ///
    /// # Panics
    /// Where it still runs after `limit`.
    pub fn ended_well(&mut self, limit: Duration) -> bool {
        let mut process = self.process.take().expect("dragomand runs");
        process.wait(limit).expect("dragomand ends").success()
    }

    /// What it holds now, before any call.
    pub fn holding(&self) -> Holding {
        // The last look at its status is closed by then.
        thread::sleep(Duration::from_millis(200));
        Holding { descriptors: self.descriptors(), resident_kib: self.resident_kib() }
    }

    /// Once all calls are over, no descriptor is left and memory has not grown by more than a fault may cost.
    ///
    /// # Panics
    /// Where that is not so within two seconds.
    pub fn assert_nothing_left(&self, before: &Holding) {
        let until = Instant::now() + Duration::from_secs(2);
        while self.descriptors() > before.descriptors {
            assert!(
                Instant::now() < until,
                "{} descriptors, before {}",
                self.descriptors(),
                before.descriptors
            );
            thread::sleep(Duration::from_millis(20));
        }
        let grown = self.resident_kib().saturating_sub(before.resident_kib);
        assert!(grown <= GROWTH_KIB, "{grown} KiB more memory");
    }

    /// Where the daemon looks for pipes.
    pub fn pipes(&self) -> PathBuf {
        self.directory.join("pipes")
    }

    /// The daemon's own directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What the daemon has logged so far.
    ///
    /// # Panics
    /// Where there is no log.
    pub fn logged(&self) -> String {
        fs::read_to_string(self.log()).expect("a log")
    }

    /// The status object from the control socket; `None` where nobody answers.
    pub fn status(&self) -> Option<Value> {
        use std::io::BufRead;
        let stream = std::os::unix::net::UnixStream::connect(self.directory.join("control.sock")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let mut line = String::new();
        std::io::BufReader::new(stream).read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// What it answers to a command on its control socket, done or refused.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn command(&self, command: &Value) -> Value {
        use std::io::BufRead;
        let socket = self.directory.join("control.sock");
        let mut stream = std::os::unix::net::UnixStream::connect(socket).expect("the socket");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a time limit");
        writeln!(stream, "{command}").expect("it listens");
        let lines = std::io::BufReader::new(stream).lines().map(|line| line.expect("a line"));
        let mut told = lines.map(|line| serde_json::from_str::<Value>(&line).expect("an object"));
        let is_answer = |told: &Value| {
            told["type"] == "obeyed" || told["type"] == "reloaded" || told["component"] == "control"
        };
        told.find(is_answer).expect("an answer")
    }

    /// What it answers to `GET path` under the name `host`: the status and the body.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn get(&self, path: &str, host: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    }

    /// What its health server answers to this request, which closes the connection.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = self.health_connection();
        stream.write_all(request.as_bytes()).expect("the request is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, body.to_owned())
    }

    /// A connection to its health server.
    ///
    /// # Panics
    /// Where there is none.
    pub fn health_connection(&self) -> TcpStream {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let status = self.status().expect("a status");
            if let Some(address) = status["health"].as_str() {
                let stream = TcpStream::connect(address).expect("the health server listens");
                stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
                return stream;
            }
            assert!(Instant::now() < until, "no health server");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// `GET /healthz`: the status and the object.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn health(&self) -> (u16, Value) {
        let (status, body) = self.get("/healthz", "127.0.0.1");
        (status, serde_json::from_str(&body).expect("an object"))
    }

    /// The value of a line of `GET /metrics`, which begins with `name` and its labels; 0 where there is none.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics", "127.0.0.1");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Frames that were dropped for `reason`, over all legs there are now.
    pub fn dropped(&self, reason: &str) -> u64 {
        let status = self.status().expect("the daemon answers");
        let legs = status["legs"].as_array().expect("a list of legs").iter();
        legs.filter_map(|leg| leg["frames"]["dropped"][reason].as_u64()).sum()
    }

    /// CPU time used so far by all its threads.
    ///
    /// # Panics
    /// Where the daemon is gone.
    pub fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(self.proc("task")).expect("the daemon runs");
        let nanos = tasks.filter_map(|task| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// Resident memory, KiB.
    ///
    /// # Panics
    /// Where the daemon is gone.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(self.proc("status")).expect("the daemon runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The most memory that was resident since the last call of this, KiB.
    ///
    /// # Panics
    /// Where the daemon is gone.
    pub fn take_peak_kib(&self) -> u64 {
        let status = fs::read_to_string(self.proc("status")).expect("the daemon runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
        fs::write(self.proc("clear_refs"), "5").expect("the mark can be taken away");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Open descriptors.
    ///
    /// # Panics
    /// Where the daemon is gone.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).expect("the daemon runs").count()
    }

    fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.process.as_ref().expect("dragomand runs").id()))
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }
}

/// The library that does so.
fn false_clock(directory: &Path) -> PathBuf {
    let (name, source) = FALSE_CLOCK;
    let (source_file, library) = (directory.join(name), directory.join("false_clock.so"));
    fs::write(&source_file, source).expect("a file");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O2", "-o"]).args([&library, &source_file]);
    assert!(compiler.status().expect("a compiler").success(), "{name} is built");
    library
}

/// At once: who looks at the clock meanwhile sees the time before or after.
fn write_clock(directory: &Path, seconds: i64) {
    let next = directory.join("clock.next");
    fs::write(&next, format!("{seconds:+}\n")).expect("a file");
    fs::rename(next, directory.join(CLOCK)).expect("a file");
}

/// A configuration for a daemon in `directory`.
pub fn configuration(directory: &Path, rooms: &str) -> String {
    configuration_at(Ipv4Addr::LOCALHOST, directory, rooms)
}

fn configuration_at(page: Ipv4Addr, directory: &Path, rooms: &str) -> String {
    let path = directory.display();
    format!(
        "[pipes]\ndirectory = \"{path}/pipes\"\n[control]\nsocket = \"{path}/control.sock\"\n\
         [health]\nlisten = \"{page}:0\"\n{rooms}"
    )
}

/// A program of this workspace, built in the same profile as this test.
///
/// # Panics
/// Where it was not built.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test's own path");
    let path = test.parent().and_then(Path::parent).expect("target/<profile>/deps").join(name);
    assert!(path.exists(), "{} is not there: run `cargo xtask test`, which builds it", path.display());
    path
}
