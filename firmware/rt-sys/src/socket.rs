//! Sockets, read and written without waiting, whatever their flags say.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use crate::fifo::Transfer;

/// Reads what is there of a stream, up to `buffer`.
pub fn receive(fd: impl AsFd, buffer: &mut [u8]) -> Transfer {
    match rustix::net::recv(fd, buffer, RecvFlags::DONTWAIT) {
        Ok((bytes, _)) if bytes > 0 => Transfer::Bytes(bytes),
        Err(Errno::AGAIN | Errno::INTR) => Transfer::NotNow,
        _ => Transfer::Gone,
    }
}

/// Writes as much as there is room for. Raises no signal.
pub fn send(fd: impl AsFd, bytes: &[u8]) -> Transfer {
    sent(rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL))
}

/// Takes one datagram and who sent it; of one that is longer than `buffer`, the beginning.
pub fn receive_from(fd: impl AsFd, buffer: &mut [u8]) -> (Transfer, Option<SocketAddr>) {
    match rustix::net::recvfrom(fd, buffer, RecvFlags::DONTWAIT) {
        Ok((bytes, _, from)) => (Transfer::Bytes(bytes), from.and_then(|from| from.try_into().ok())),
        Err(Errno::AGAIN | Errno::INTR) => (Transfer::NotNow, None),
        Err(_) => (Transfer::Gone, None),
    }
}

/// Sends one datagram.
pub fn send_to(fd: impl AsFd, bytes: &[u8], to: &SocketAddr) -> Transfer {
    sent(rustix::net::sendto(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL, to))
}

fn sent(result: Result<usize, Errno>) -> Transfer {
    match result {
        Ok(bytes) => Transfer::Bytes(bytes),
        Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => Transfer::NotNow,
        Err(_) => Transfer::Gone,
    }
}

/// Bounds what may wait in a stream to be sent; the kernel doubles it for its own bookkeeping.
///
/// # Errors
/// Those of `setsockopt(2)`.
pub fn set_send_buffer(fd: impl AsFd, bytes: usize) -> std::io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_send_buffer_size(fd, bytes)?)
}
