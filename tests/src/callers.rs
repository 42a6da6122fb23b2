//! SIP callers that nobody here wrote, as child processes: PJSUA2 and baresip.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use lab::asterisk::Phone;
use lab::cache::Cache;

use crate::wav::Wav;

/// How long a call may take to be answered.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Whom to call as whom, and with what.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Asterisk's SIP address.
    pub sip: SocketAddr,
    /// The room's extension.
    pub extension: &'a str,
    /// Who calls.
    pub phone: &'a Phone,
    /// The codec as the caller's program names it.
    pub codec: &'a str,
    /// What he says: 16 kHz mono.
    pub speech: &'a Path,
    /// A directory for the caller's own files and recordings.
    pub directory: &'a Path,
}

/// PJSUA2, the user agent of the PJSIP project, through its own Python package.
pub struct Pjsua2 {
    child: Child,
    words: ChildStdin,
    said: Receiver<String>,
    recording: PathBuf,
}

impl Pjsua2 {
    /// Calls, and returns once the call is answered. From then on all that is heard is recorded.
    ///
    /// # Panics
    /// Where the call is refused or not answered.
    pub fn call(plan: &Plan<'_>) -> Self {
        let mut caller = Self::dial(plan);
        caller.wait_connected();
        caller
    }

    /// Calls, without waiting for an answer.
    ///
    /// # Panics
    /// Where PJSUA2 cannot be started.
    pub fn dial(plan: &Plan<'_>) -> Self {
        Self::start(plan, &[])
    }

    /// Registers, and will give the first call this answer, a SIP status.
    ///
    /// # Panics
    /// Where the phone is not registered.
    pub fn register(plan: &Plan<'_>, answer: u16) -> Self {
        let mut phone = Self::start(plan, &[answer.to_string()]);
        phone.wait_for("registered", ANSWER_WITHIN);
        phone
    }

    fn start(plan: &Plan<'_>, more: &[String]) -> Self {
        let python = Cache::locate().expect("a cache").test_python();
        let recording = plan.directory.join(format!("pjsua2-{}.wav", plan.phone.extension));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("callers/pjsua2_caller.py");
        let mut child = Command::new(python)
            .arg(script)
            .arg(format!("sip:{}@{}", plan.extension, plan.sip))
            .args([&plan.phone.extension, plan.codec])
            .args([plan.speech, &recording])
            .args(more)
            .env("SIP_PASSWORD", &plan.phone.secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs: `cargo xtask test` installs it");
        let words = child.stdin.take().expect("a pipe");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (sender, said) = channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, words, said, recording }
    }

    /// Waits for the call to be answered.
    ///
    /// # Panics
    /// Where it is not.
    pub fn wait_connected(&mut self) {
        self.wait_for("connected", ANSWER_WITHIN);
    }

    /// Waits for the other side to end or refuse the call; the SIP status and its words.
    ///
    /// # Panics
    /// Where the call goes on.
    pub fn ended(&mut self, limit: Duration) -> String {
        self.wait_for("ended ", limit)["ended ".len()..].to_owned()
    }

    /// Waits for the call to be refused; the SIP status and its words, and what was heard before.
    ///
    /// # Panics
    /// Where it is not refused, or nothing was heard.
    pub fn refused(mut self, limit: Duration) -> (String, Wav) {
        let status = self.ended(limit);
        (status, Wav::read(&self.recording))
    }

    /// Begins to speak.
    ///
    /// # Panics
    /// Where the call is over.
    pub fn speak(&mut self) {
        writeln!(self.words, "play").expect("the caller is there");
    }

    /// Presses keys, as RFC 4733 has it.
    ///
    /// # Panics
    /// Where the call is over.
    pub fn press(&mut self, keys: &str) {
        writeln!(self.words, "keys {keys}").expect("the caller is there");
    }

    /// Neither sends nor answers anything from now on.
    ///
    /// # Panics
    /// Where PJSUA2 has ended.
    pub fn freeze(&self) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::STOP).expect("PJSUA2 runs");
    }

    /// Hangs up and gives what was heard since the call was answered.
    ///
    /// # Panics
    /// Where the call ended before.
    pub fn hang_up(mut self) -> Wav {
        writeln!(self.words, "hangup").expect("the caller is there");
        self.wait_for("hung up", Duration::from_secs(5));
        self.child.wait().expect("it ends");
        Wav::read(&self.recording)
    }

    /// The next line that begins with `word`. PJSIP writes its own messages between the script's words.
    fn wait_for(&mut self, word: &str, limit: Duration) -> String {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.said.recv_timeout(left).expect("PJSUA2 says what it does: see its message above");
            if line.starts_with(word) {
                return line;
            }
            eprintln!("PJSUA2: {line}");
        }
    }
}

impl Drop for Pjsua2 {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(|_| ()).unwrap_or_default();
    }
}

/// baresip, the Debian package. It speaks as soon as the call is answered, so its speech begins with a silence.
pub struct Baresip {
    child: Child,
    codec: String,
    directory: PathBuf,
}

impl Baresip {
    /// Calls. `plan.codec` is as in `l16/16000/1` or `opus/48000/1`.
    ///
    /// # Panics
    /// Where baresip cannot be started.
    pub fn call(plan: &Plan<'_>) -> Self {
        Self::start(plan, &account(plan), &format!("sip:{}@{}", plan.extension, plan.sip), "")
    }

    /// Calls by TLS, and only with SRTP; the box must show this certificate.
    ///
    /// # Panics
    /// Where baresip cannot be started.
    pub fn call_encrypted(plan: &Plan<'_>, certificate: &Path) -> Self {
        let uri = format!("sip:{}@{};transport=tls", plan.extension, plan.sip);
        let unencrypted = account(plan);
        let account = unencrypted.replacen('>', ";transport=tls>;mediaenc=srtp-mand", 1);
        let trust = format!("module srtp.so\nsip_verify_server yes\nsip_cafile {}\n", certificate.display());
        Self::start(plan, &account, &uri, &trust)
    }

    fn start(plan: &Plan<'_>, account: &str, uri: &str, more: &str) -> Self {
        let directory = plan.directory.join("baresip");
        fs::create_dir_all(&directory).expect("a directory");
        let write = |name: &str, text: String| fs::write(directory.join(name), text).expect("a file");
        write("config", configuration(plan.speech, &directory) + more);
        write("accounts", account.to_owned());
        write("contacts", String::new());
        let dial = format!("d {uri}");
        let log = fs::File::create(directory.join("log")).expect("a log");
        let child = Command::new("baresip")
            .arg("-f")
            .arg(&directory)
            .args(["-e", &dial])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("baresip runs: `cargo xtask test` installs it");
        let codec = plan.codec.split('/').next().unwrap_or_default().to_owned();
        Self { child, codec, directory }
    }

    /// Hangs up and gives what was heard.
    ///
    /// # Panics
    /// Where nothing was recorded: the call failed.
    pub fn hang_up(mut self) -> Wav {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("baresip runs");
        self.child.wait().expect("it ends");
        let files = fs::read_dir(&self.directory).expect("its directory").flatten();
        let heard = files.map(|file| file.path()).find(|path| path.to_string_lossy().ends_with("-dec.wav"));
        let log = || fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        // A codec that it does not have, baresip leaves out with a word in its log, and calls with another.
        assert!(log().to_lowercase().contains(&format!("set audio encoder: {}", self.codec)), "{}", log());
        Wav::read(&heard.unwrap_or_else(|| panic!("baresip recorded nothing:\n{}", log())))
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(|_| ()).unwrap_or_default();
    }
}

fn configuration(speech: &Path, directory: &Path) -> String {
    let modules = ["l16", "g711", "g722", "opus", "aufile", "sndfile"];
    let modules: String = modules.map(|name| format!("module {name}.so\n")).concat();
    format!(
        "net_interface 127.0.0.1\nsip_listen 127.0.0.1:0\naudio_source aufile,{}\naudio_player aufile,{}\n\
         snd_path {}\nopus_stereo no\nopus_sprop_stereo no\nmodule_path {}\n{modules}module_app account.so\nmodule_app menu.so\n",
        speech.display(),
        directory.join("played.wav").display(),
        directory.display(),
        "/usr/lib/baresip/modules",
    )
}

fn account(plan: &Plan<'_>) -> String {
    let Plan { phone: Phone { extension, secret }, codec, sip, .. } = plan;
    format!(
        "<sip:{extension}@{sip}>;auth_user={extension};auth_pass={secret};regint=0;audio_codecs={codec}\n"
    )
}
