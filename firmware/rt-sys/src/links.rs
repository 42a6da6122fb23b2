use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

const GROUPS: libc::c_int = libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV6_ROUTE;

/// What the kernel tells of this machine's links, addresses and routes, as `rtnetlink(7)` has it.
#[derive(Debug)]
pub struct LinkNews(AsyncFd<OwnedFd>);

impl LinkNews {
    /// Listens from now on. Must be called within a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// Those of `socket(2)`: a sandbox may admit no such socket; and of the reactor.
    pub fn listen() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS as u32))?;
        // SAFETY: `OwnedFd` gives the same descriptor each time and closes it only when dropped.
        Ok(Self(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?))
    }

    /// How much of `buffer` the next messages take; `None` where some were missed. May be dropped and called again without
    /// loss.
    ///
    /// # Errors
    /// Those of `recv(2)` and of the reactor.
    pub async fn next(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            let mut ready = self.0.readable().await?;
            match recv(self.0.get_ref(), &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((bytes, _)) => return Ok(Some(bytes)),
                Err(Errno::NOBUFS) => return Ok(None),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
