//! Keys of the phones, as the channel driver tells them: a datagram `ID KEY` each, to a socket beside the pipes.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::time::sleep;

use crate::hub::Hub;

/// Hidden, since what is not is a pipe.
const SOCKET: &str = ".keys";
/// Longer ones are none of the driver's.
const LONGEST: usize = 128;

/// The socket; its path is removed when it is dropped.
pub(crate) struct Keys {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Keys {
    /// Listens in the directory of pipes, mode 0660. What a killed daemon left there is replaced.
    pub(crate) fn bind(directory: &Path) -> io::Result<Self> {
        let path = directory.join(SOCKET);
        if std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.file_type().is_socket()) {
            std::fs::remove_file(&path)?;
        }
        let socket = UnixDatagram::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o660))?;
        Ok(Self { socket, path })
    }

    /// Passes keys on to their legs, for ever.
    pub(crate) async fn serve(&self, hub: &Hub) {
        let mut told = [0; LONGEST];
        loop {
            match self.socket.recv(&mut told).await {
                Ok(length) => match parse(&told[..length]) {
                    Some((id, key)) => hub.key(id, key),
                    None => log::debug!("{length} bytes that tell of no key"),
                },
                Err(error) => {
                    log::warn!("keys cannot be read now: {error}");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            log::warn!("{}: not removed: {error}", self.path.display());
        }
    }
}

/// The call and its key that a datagram tells of.
pub fn parse(told: &[u8]) -> Option<(&str, char)> {
    let (id, key) = std::str::from_utf8(told).ok()?.split_once(' ')?;
    let mut keys = key.chars();
    keys.next().filter(|key| keys.next().is_none() && "0123456789*#ABCD".contains(*key)).map(|key| (id, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_nothing_else() {
        assert_eq!(parse(b"700-1732.5 #"), Some(("700-1732.5", '#')));
        for told in [&b""[..], b"700-1", b"700-1 ", b"700-1 12", b"700-1 x", b"\xff 1"] {
            assert_eq!(parse(told), None, "{told:?}");
        }
    }

    #[tokio::test]
    async fn the_socket_replaces_its_own_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SOCKET);
        let first = Keys::bind(directory.path()).unwrap();
        // As a killed daemon leaves it.
        std::mem::forget(first);
        drop(Keys::bind(directory.path()).unwrap());
        assert!(!path.exists());
        std::fs::write(&path, "precious").unwrap();
        assert!(Keys::bind(directory.path()).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
