//! Addresses of Wyoming servers.

use std::fmt;
use std::path::PathBuf;

/// Where a Wyoming server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Host name or address, and port.
    Tcp(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Endpoint {
    /// Reads `tcp://HOST:PORT` or `unix:///PATH`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix://") {
            return path.starts_with('/').then(|| Self::Unix(path.into()));
        }
        let (host, port) = text.strip_prefix("tcp://")?.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().ok().filter(|&port| port != 0)?;
        (!host.is_empty() && !host.contains('/')).then(|| Self::Tcp(host.to_owned(), port))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "tcp://{host}:{port}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read_and_written() {
        for text in ["tcp://127.0.0.1:10300", "tcp://asr.local:1", "unix:///run/asr.sock"] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Endpoint::parse("tcp://[::1]:5"), Some(Endpoint::Tcp("::1".into(), 5)));
        for text in [
            "",
            "tcp://",
            "tcp://:1",
            "tcp://a",
            "tcp://a:0",
            "tcp://a:70000",
            "unix://a",
            "http://a:1",
            "a:1",
        ] {
            assert_eq!(Endpoint::parse(text), None, "{text}");
        }
    }
}
