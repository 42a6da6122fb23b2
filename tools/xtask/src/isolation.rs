//! A network of its own and a real-time class for tests, where the kernel lets us.

use std::process::{Command, Stdio};

use lab::process::wrapped;

/// What wraps a test command.
pub(crate) struct Isolation {
    network: bool,
    real_time: bool,
}

impl Isolation {
    /// Tries both: a container may be root and still not be allowed either.
    pub(crate) fn detect() -> Self {
        let works = |program: &str, args: &[&str]| {
            let quiet = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
            quiet.is_ok_and(|status| status.success())
        };
        let network = works("unshare", &["--net", "--", "ip", "link", "set", "lo", "up"]);
        Self { network, real_time: works("chrt", &["--rr", "10", "true"]) }
    }

    /// For the user: what the tests get and what they do not.
    pub(crate) fn describe(&self) -> String {
        let network =
            if self.network { "in a network of their own" } else { "on this machine's loopback (not root)" };
        let class =
            if self.real_time { "before other programs" } else { "competing with other programs (not root)" };
        format!("Tests run {network}, {class}.")
    }

    /// Whether each command gets a network of its own.
    pub(crate) fn has_networks(&self) -> bool {
        self.network
    }

    /// Words for a test program: what needs a network of its own runs where it has one, and counts as ignored elsewhere.
    pub(crate) fn selection(&self) -> &'static [&'static str] {
        if self.network { &["--include-ignored"] } else { &[] }
    }

    /// The same command inside. The namespace has only loopback, so ports never collide and nothing leaves the
    /// machine. Real-time because a busy machine ruins recordings; the daemon's own media thread stands above it.
    pub(crate) fn wrap(&self, command: &Command, real_time: bool) -> Command {
        let mut words = Vec::new();
        if self.network {
            words.extend(["unshare", "--net", "--", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"]);
        }
        if real_time && self.real_time {
            words.extend(["chrt", "--rr", "10"]);
        }
        wrapped(&words, command)
    }
}
