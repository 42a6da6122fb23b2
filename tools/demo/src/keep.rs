//! `--keep`: the box stays, for phones of one's own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use lab::appliance::Appliance;
use lab::interrupt;

const SIP_PORT: u16 = 5060;

/// All interfaces, so that a phone on the desk reaches it; the usual port when it is free.
pub(crate) fn address() -> SocketAddr {
    let usual = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SIP_PORT);
    let free = UdpSocket::bind(usual).is_ok() && std::net::TcpListener::bind(usual).is_ok();
    SocketAddr::new(usual.ip(), if free { SIP_PORT } else { 0 })
}

/// Says how to register and dial, and waits.
pub(crate) fn until_interrupted(appliance: &Appliance) {
    let host = own_address();
    println!("\nThe box stays on. Register a SIP phone (UDP or TCP) as one of these:");
    println!("  server {host}:{}", appliance.asterisk.sip().port());
    for phone in appliance.asterisk.phones().iter().take(3) {
        println!("  user {}   password {}", phone.extension, phone.secret);
    }
    println!(
        "Dial 700: English and Spanish, each into the other. 790: an echo through the daemon. 799: an echo of"
    );
    println!("Asterisk alone. Its files are in {}. Ctrl-C ends it.", appliance.run_dir().path().display());
    while !interrupt::requested() {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The address of the interface with the default route; nothing is sent.
fn own_address() -> IpAddr {
    // A documentation address (RFC 5737): only the routing table is asked.
    let asked = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    asked.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}
