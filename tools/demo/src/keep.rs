//! `--keep`: the box stays, for phones of one's own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Result;
use lab::appliance::Appliance;
use lab::interrupt;
use nix::net::if_::InterfaceFlags;
use say::say;

const SIP_PORT: u16 = 5060;

/// All interfaces, so that a phone on the desk reaches it; the usual port when it is free.
pub(crate) fn address() -> SocketAddr {
    let usual = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SIP_PORT);
    let free = UdpSocket::bind(usual).is_ok() && std::net::TcpListener::bind(usual).is_ok();
    SocketAddr::new(usual.ip(), if free { SIP_PORT } else { 0 })
}

/// Says how to register and dial, and waits.
///
/// # Errors
/// When a part of the box ends.
pub(crate) fn until_interrupted(appliance: &mut Appliance) -> Result<()> {
    tell(appliance);
    while !interrupt::requested() {
        appliance.ensure_running()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn tell(appliance: &Appliance) {
    let address = own_address(&interfaces(), default_route());
    say!("\nThe box stays on. Register a SIP phone (UDP or TCP) as one of these:");
    say!("  server {}:{}", address.unwrap_or(Ipv4Addr::LOCALHOST), appliance.asterisk.sip().port());
    for phone in appliance.asterisk.phones().iter().take(3) {
        say!("  user {}   password {}", phone.extension, phone.secret);
    }
    if address.is_none() {
        say!(
            "Only this machine can register: it has no private address (10/8, 172.16/12, 192.168/16, 169.254/16),"
        );
        say!("and callers from others are refused, see [lan] in asterisk-conf/pjsip.conf.");
    }
    say!(
        "Dial 700: English and Spanish, each into the other. 790: an echo through the daemon. 799: an echo of"
    );
    say!("Asterisk alone. Its files are in {}. Ctrl-C ends it.", appliance.run_dir().path().display());
}

/// Where a phone on the LAN reaches this machine: rather by the default route, and by an assigned address than by one
/// that the machine gave itself.
fn own_address(interfaces: &[Ipv4Addr], default: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
    let admitted = interfaces.iter().copied().filter(|address| is_admitted(*address));
    admitted.min_by_key(|address| (Some(*address) != default, address.is_link_local()))
}

/// Callers from the same network pass [lan] in pjsip.conf.
fn is_admitted(address: Ipv4Addr) -> bool {
    address.is_private() || address.is_link_local()
}

fn interfaces() -> Vec<Ipv4Addr> {
    let all = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let up = all.filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP));
    up.filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip())).collect()
}

/// The address of the interface with the default route; nothing is sent.
fn default_route() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // A documentation address (RFC 5737): only the routing table is asked.
    socket.connect("192.0.2.1:9").ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_that_asterisk_admits_is_told() {
        let [loopback, carrier, public] =
            [Ipv4Addr::LOCALHOST, Ipv4Addr::new(100, 64, 0, 1), Ipv4Addr::new(192, 0, 2, 2)];
        let [own, docker, lan] = [[169, 254, 1, 1], [172, 17, 0, 1], [192, 168, 1, 5]].map(Ipv4Addr::from);
        assert_eq!(own_address(&[loopback, carrier, public], Some(public)), None);
        assert_eq!(own_address(&[loopback, own, public], Some(public)), Some(own));
        assert_eq!(own_address(&[loopback, own, lan], None), Some(lan));
        assert_eq!(own_address(&[docker, lan], Some(lan)), Some(lan));
    }
}
