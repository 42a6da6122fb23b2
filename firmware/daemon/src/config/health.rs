use std::net::{Ipv4Addr, SocketAddr};

use super::Fault;
use super::file::HealthTable;

const PORT: u16 = 8080;
/// A DNS name is no longer.
const LONGEST_HOST: usize = 253;

/// Where the daemon tells how it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The address it listens at; a free port where that is 0.
    pub listen: SocketAddr,
    /// Names under which it may be asked, besides `localhost` and addresses.
    pub hosts: Vec<String>,
}

impl Health {
    pub(super) fn read(table: HealthTable) -> Result<Self, Fault> {
        let listen = match table.listen {
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            Some(listen) => listen.get_ref().parse().map_err(|_| {
                let advice = format!("health.listen: write ADDRESS:PORT, such as \"127.0.0.1:{PORT}\"");
                (Some(listen.span()), advice)
            })?,
        };
        let mut hosts = Vec::new();
        for host in table.hosts {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
            let name = host.get_ref();
            if name.is_empty() || name.len() > LONGEST_HOST || !name.chars().all(is_plain) {
                let advice = "health.hosts: write names alone, such as \"dragoman.local\"";
                return Err((Some(host.span()), advice.into()));
            }
            hosts.push(name.to_ascii_lowercase());
        }
        Ok(Self { listen, hosts })
    }
}
