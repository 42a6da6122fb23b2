use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;

use dragomand::config::Phone;
use qrcode::render::{svg, unicode};
use qrcode::{Color, QrCode};
use serde_json::{Value, json};

use super::daemon::{self, Daemon};

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

/// Where an account waits for its phone.
pub(crate) struct Offered {
    /// It is fetched there, once.
    pub(crate) account: String,
    /// The page for who sets the phone up.
    pub(crate) page: String,
    pub(crate) seconds: u64,
}

/// Leaves a phone's account with the daemon.
pub(crate) fn offer(
    control: &Path,
    phone: &Phone,
    document: &str,
    server: IpAddr,
) -> Result<Offered, String> {
    let mut daemon = Daemon::connect(control).map_err(|error| daemon::advise(control, &error))?;
    let at = reached_at(&daemon.status()?, server)?;
    let command = json!({
        "command": "offer", "document": document, "at": at,
        "extension": phone.extension, "name": phone.name, "language": phone.language.code(),
    });
    let said = daemon.ask(&command, "offered")?;
    let url = |path: &str| {
        let path = said[path].as_str().ok_or("dragomand is of another version: restart it")?;
        Ok::<_, String>(format!("http://{at}{path}"))
    };
    let seconds = said["seconds"].as_u64().unwrap_or_default();
    Ok(Offered { account: url("path")?, page: url("page")?, seconds })
}

/// Where phones reach the daemon's page.
fn reached_at(status: &Value, server: IpAddr) -> Result<SocketAddr, String> {
    let at = status["health"].as_str().and_then(|at| at.parse::<SocketAddr>().ok());
    let at = at
        .ok_or("dragomand serves no page for phones to read from: its log says why [health] listen failed")?;
    if at.ip().is_loopback() && !server.is_loopback() {
        return Err(
            "no phone reaches dragomand's page: let [health] listen name an address of the LAN".into()
        );
    }
    Ok(SocketAddr::new(server, at.port()))
}

/// For a terminal with light letters on a dark ground.
pub(crate) fn in_terminal(url: &str) -> Result<String, String> {
    let code = QrCode::new(url).map_err(|error| error.to_string())?;
    let colours = (unicode::Dense1x2::Light, unicode::Dense1x2::Dark);
    Ok(code.render().dark_color(colours.1).light_color(colours.0).build())
}

/// A side of the smallest square of a PNG code, and the margin that readers want around it.
const PIXELS: usize = 8;
const MARGIN: usize = 4 * PIXELS;

/// Black on white, a bit a pixel.
pub(crate) fn as_png(url: &str) -> Result<Vec<u8>, String> {
    let code = QrCode::new(url).map_err(|error| error.to_string())?;
    let side = code.width() * PIXELS + 2 * MARGIN;
    let is_dark = |x: usize, y: usize| {
        let square = |at: usize| at.checked_sub(MARGIN).map(|at| at / PIXELS).filter(|at| *at < code.width());
        square(x).zip(square(y)).is_some_and(|at| code[at] == Color::Dark)
    };
    let mut rows = vec![0; side * side.div_ceil(8)];
    for (y, row) in rows.chunks_exact_mut(side.div_ceil(8)).enumerate() {
        for x in (0..side).filter(|x| !is_dark(*x, y)) {
            row[x / 8] |= 0x80 >> (x % 8);
        }
    }
    let (mut image, side) = (Vec::new(), u32::try_from(side).map_err(|error| error.to_string())?);
    let mut encoder = png::Encoder::new(&mut image, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&rows));
    written.map_err(|error| error.to_string())?;
    Ok(image)
}

pub(crate) fn as_svg(url: &str) -> Result<String, String> {
    let code = QrCode::new(url).map_err(|error| error.to_string())?;
    Ok(code.render::<svg::Color<'_>>().min_dimensions(240, 240).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_holds_the_code_with_a_margin() {
        let url = "http://192.168.1.20:8080/provision/0123456789abcdef0123456789abcdef";
        let code = QrCode::new(url).unwrap();
        let image = as_png(url).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&image)).read_info().unwrap();
        let side = reader.info().width as usize;
        assert_eq!(side, (code.width() + 8) * PIXELS);
        let mut rows = vec![0; side * side.div_ceil(8)];
        reader.next_frame(&mut rows).unwrap();
        let is_dark = |x: usize, y: usize| rows[y * side.div_ceil(8) + x / 8] & (0x80 >> (x % 8)) == 0;
        for (x, y) in (0..side).flat_map(|x| (0..side).map(move |y| (x, y))) {
            let square = |at: usize| (at / PIXELS).checked_sub(4).filter(|at| *at < code.width());
            let expected = square(x).zip(square(y)).is_some_and(|at| code[at] == Color::Dark);
            assert_eq!(is_dark(x, y), expected, "{x} {y}");
        }
        assert!(image.len() < 4_000, "{} bytes", image.len());
    }
}
