//! What a technician reads who sets a phone up: no script, no picture but the code, nothing from elsewhere.

use std::sync::LazyLock;
use std::time::Duration;

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use qrcode::QrCode;
use qrcode::render::svg;
use qrcode::types::QrError;
use sha2::{Digest as _, Sha256};

use super::offers::Newcomer;

pub(super) const CONTENT_TYPE: &str = "text/html; charset=utf-8";
const STYLE: &str = include_str!("sheet.css");

/// Only the style that is on the page.
pub(super) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = BASE64.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    policy.try_into().expect("base64 is plain ASCII")
});

/// As long as nobody has fetched the account. The password is not on it: it may be read more than once.
pub(super) fn open(newcomer: &Newcomer, token: &str, left: Duration) -> Result<String, QrError> {
    let Newcomer { extension, language, at, .. } = newcomer;
    let (extension, server, minutes) = (escaped(extension), at.ip(), left.as_secs().div_ceil(60));
    let address = format!("http://{at}/provision/{token}");
    let code = code(&address)?;
    let body = format!(
        r"<p>This page is for one phone. Time left: {minutes} min.</p>
{code}
<ol>
<li>Install Linphone on the phone, and join it to this box's network.</li>
<li>In Linphone's assistant choose <b>Scan QR code</b>, and hold its camera on this page.</li>
<li>Wait until Linphone says that {extension} is connected. Then call another phone.</li>
</ol>
<p>Without a camera, give Linphone this address as its remote configuration. It works once: open it nowhere else.</p>
<p><code>{address}</code></p>
<h2>Another softphone, by hand</h2>
<dl>
<dt>Server</dt><dd>{server}</dd>
<dt>User name</dt><dd>{extension}</dd>
<dt>Password</dt><dd>on the box: <code>dragoman phones show {extension}</code></dd>
<dt>Transport</dt><dd>TCP or UDP, port 5060; TLS, port 5061</dd>
<dt>Language</dt><dd>{language}, to be spoken into it</dd>
</dl>
"
    );
    Ok(page(&title(newcomer), &body))
}

/// Once somebody has.
pub(super) fn used(newcomer: &Newcomer) -> String {
    let extension = escaped(&newcomer.extension);
    let body = format!(
        "<p>A phone has fetched this account. It is given away once.</p>\n\
         <p>If that was not your phone, give {extension} another password: <code>dragoman phones remove {extension}</code>, \
         then <code>dragoman phones add</code>. If it was and does not work, <code>dragoman phones show {extension}</code> \
         makes another page.</p>\n"
    );
    page(&title(newcomer), &body)
}

/// Whatever there was.
pub(super) fn over() -> String {
    let body = "<p>This page is over: it holds for a quarter of an hour. <code>dragoman phones show</code>, with the \
                phone's number, makes another.</p>\n";
    page("No phone waits here", body)
}

fn title(Newcomer { extension, name, .. }: &Newcomer) -> String {
    escaped(&format!("Phone {extension}: {name}"))
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// Black on white whatever the page's colours are, or no camera would read it.
fn code(address: &str) -> Result<String, QrError> {
    let image = QrCode::new(address)?.render::<svg::Color<'_>>().module_dimensions(1, 1).build();
    let image = image.split_once("<svg").map_or(image.as_str(), |(_, image)| image);
    Ok(format!("<svg role=\"img\" aria-label=\"QR code: where Linphone fetches the account\"{image}"))
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use session::Language;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn newcomer(name: &str) -> Newcomer {
        let at = "[fd00::1]:8080".parse().unwrap();
        Newcomer { extension: "102".into(), name: name.into(), language: Language::ENGLISH, at }
    }

    #[test]
    fn whatever_a_phone_is_called_stays_text() {
        let evil = newcomer("</title><script>alert(1)</script>\"' & <b>");
        for sheet in [open(&evil, TOKEN, Duration::from_secs(900)).unwrap(), used(&evil)] {
            let name =
                "Phone 102: &lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39; &amp; &lt;b&gt;";
            assert!(sheet.contains(&format!("<title>{name}</title>")), "{sheet}");
            assert!(sheet.contains(&format!("<h1>{name}</h1>")) && !sheet.contains("<script"));
        }
    }

    #[test]
    fn the_address_goes_with_the_account() {
        let sheet = open(&newcomer("Door"), TOKEN, Duration::from_secs(781)).unwrap();
        assert!(sheet.contains(&format!("<code>http://[fd00::1]:8080/provision/{TOKEN}</code>")));
        assert!(sheet.contains("Time left: 14 min.") && sheet.contains("<dd>fd00::1</dd>"));
        assert!(sheet.contains("<svg role=\"img\" aria-label=\"") && !sheet.contains("<?xml"));
        assert!(sheet.len() < 32 << 10, "{} bytes", sheet.len());
        let [used, over] = [used(&newcomer("Door")), over()];
        assert!([&used, &over].iter().all(|sheet| !sheet.contains("provision") && !sheet.contains("<svg")));
    }

    #[test]
    fn nothing_but_its_own_style_is_let_in() {
        let policy = POLICY.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("img-src") && !policy.contains("script-src"));
        let sheet = over();
        let (_, rest) = sheet.split_once("<style>").unwrap();
        let style = rest.split_once("</style>").unwrap().0;
        assert!(policy.contains(&BASE64.encode(Sha256::digest(style))));
        assert!(!sheet.contains("style="), "no style but the one that was hashed");
    }
}
