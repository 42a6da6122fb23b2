use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use qrcode::QrCode;
use qrcode::render::{svg, unicode};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(5);

/// The address that other devices reach this box at, as the kernel would send to them.
pub(crate) fn own_address() -> Result<IpAddr, String> {
    let socket = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        // Nothing is sent: an address for examples.
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    socket
        .map(|address| address.ip())
        .map_err(|_| "this box has no address that phones could reach; name it with --server".into())
}

/// Leaves a document with the daemon. Where it can be fetched, once, and for how many seconds.
pub(crate) fn offer(control: &Path, document: &str, server: IpAddr) -> Result<(String, u64), String> {
    let failed = |error: std::io::Error| format!("{}: {error}; is dragomand running?", control.display());
    let mut stream = UnixStream::connect(control).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let command = serde_json::json!({ "command": "offer", "document": document });
    stream.write_all(format!("{command}\n").as_bytes()).map_err(failed)?;
    let (mut health, mut lines) = (None, BufReader::new(stream).lines());
    loop {
        let line = lines.next().ok_or("dragomand hung up")?.map_err(failed)?;
        let said: Value = serde_json::from_str(&line).map_err(|error| format!("dragomand: {error}"))?;
        match said["type"].as_str() {
            Some("status") => health = said["health"].as_str().and_then(|at| at.parse::<SocketAddr>().ok()),
            Some("offered") => {
                let at = health.ok_or("dragomand serves no page: see [health] listen")?;
                if at.ip().is_loopback() && !server.is_loopback() {
                    return Err(
                        "no phone reaches dragomand's page: let [health] listen name an address of the LAN"
                            .into(),
                    );
                }
                let at = SocketAddr::new(server, at.port());
                let path = said["path"].as_str().ok_or("dragomand names no path")?;
                return Ok((format!("http://{at}{path}"), said["seconds"].as_u64().unwrap_or_default()));
            }
            Some("error") if said["component"] == "control" => {
                return Err(format!("dragomand: {}", said["message"].as_str().unwrap_or("refused")));
            }
            _ => {}
        }
    }
}

/// For a terminal with light letters on a dark ground.
pub(crate) fn in_terminal(url: &str) -> Result<String, String> {
    let code = QrCode::new(url).map_err(|error| error.to_string())?;
    let colours = (unicode::Dense1x2::Light, unicode::Dense1x2::Dark);
    Ok(code.render().dark_color(colours.1).light_color(colours.0).build())
}

pub(crate) fn as_svg(url: &str) -> Result<String, String> {
    let code = QrCode::new(url).map_err(|error| error.to_string())?;
    Ok(code.render::<svg::Color<'_>>().min_dimensions(240, 240).build())
}
