//! What `/proc` tells of a process.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

/// A process of this machine.
#[derive(Clone, Copy)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn new(id: u32) -> Self {
        Self(id)
    }

    /// Ourselves.
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    /// Time on a CPU so far, of the threads that are there; of those called `thread` alone where one is named.
    pub(crate) fn cpu(self, thread: Option<&str>) -> Result<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(self.path("task"))? {
            let task = task?.path();
            let of_it =
                |name: &str| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name);
            if thread.is_none_or(of_it) {
                // A thread may end meanwhile.
                let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
                nanos += text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0);
            }
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// A line of its status that is a number: `VmRSS` in KiB, `Threads`.
    pub(crate) fn number(self, name: &str) -> Result<u64> {
        let text = fs::read_to_string(self.path("status"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let word = line.and_then(|line| line.split_whitespace().next());
        word.and_then(|word| word.parse().ok()).with_context(|| format!("no {name} of process {}", self.0))
    }

    /// Open descriptors.
    pub(crate) fn descriptors(self) -> Result<u64> {
        Ok(fs::read_dir(self.path("fd"))?.count() as u64)
    }

    fn path(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_run_with_some_memory_and_a_thread() {
        let own = Process::own();
        assert!(own.number("VmRSS").unwrap() > 100 && own.number("Threads").unwrap() >= 1);
        assert!(own.descriptors().unwrap() > 2 && own.cpu(None).unwrap() > Duration::ZERO);
        assert_eq!(own.cpu(Some("nobody")).unwrap(), Duration::ZERO);
        assert!(own.number("VmNothing").is_err());
    }
}
