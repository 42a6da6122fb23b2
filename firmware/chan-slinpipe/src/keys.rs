//! Keys of the phone, told to the daemon: a datagram `ID KEY` each, to the socket that it has beside the pipes.

use std::{io, os::unix::net::UnixDatagram, path::Path};

use crate::id::LegId;

/// The daemon's socket; hidden, since what is not is a pipe.
const SOCKET: &str = ".keys";

/// Tells of a key, without waiting for anyone.
pub(crate) fn tell(directory: &Path, id: &LegId, key: u8) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    let told = format!("{} {}", id.as_str(), char::from(key));
    socket.send_to(told.as_bytes(), directory.join(SOCKET)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_to_whoever_listens() {
        let directory = tempfile::tempdir().expect("a directory");
        let id = LegId::parse(b"700-1").expect("a good id");
        assert!(tell(directory.path(), &id, b'1').is_err(), "nobody listens");
        let daemon = UnixDatagram::bind(directory.path().join(SOCKET)).expect("a socket");
        tell(directory.path(), &id, b'#').expect("it is told");
        let mut got = [0; 100];
        let length = daemon.recv(&mut got).expect("a key");
        assert_eq!(&got[..length], b"700-1 #");
    }
}
