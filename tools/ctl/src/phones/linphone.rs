use std::fmt::Write as _;
use std::net::IpAddr;

use dragomand::config::Phone;

/// What Linphone reads from the address in a QR code: the account of `phone`, once.
pub(crate) fn provisioning(phone: &Phone, secret: &str, server: IpAddr) -> String {
    let Phone { extension, name, .. } = phone;
    let host = match server {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let identity = format!("\"{name}\" <sip:{extension}@{host}>");
    let proxy = format!("<sip:{host};transport=tcp>");
    let sections: [(&str, &[(&str, &str)]); 4] = [
        ("misc", &[("transient_provisioning", "1")]),
        ("sip", &[("default_proxy", "0"), ("media_encryption", "srtp"), ("media_encryption_mandatory", "0")]),
        (
            "proxy_0",
            &[
                ("reg_proxy", &proxy),
                ("reg_identity", &identity),
                ("reg_expires", "600"),
                ("reg_sendregister", "1"),
                ("publish", "0"),
            ],
        ),
        (
            "auth_info_0",
            &[("username", extension), ("passwd", secret), ("realm", "asterisk"), ("domain", &host)],
        ),
    ];
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<config xmlns=\"http://www.linphone.org/xsds/lpconfig.xsd\">\n",
    );
    for (section, entries) in sections {
        writeln!(xml, "  <section name=\"{section}\">").expect("a String takes everything");
        for (entry, value) in entries {
            let value = escaped(value);
            writeln!(xml, "    <entry name=\"{entry}\" overwrite=\"true\">{value}</entry>")
                .expect("a String takes everything");
        }
        xml += "  </section>\n";
    }
    xml + "</config>\n"
}

fn escaped(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_escaped() {
        let phone = Phone {
            extension: "101".into(),
            name: "Door & hall".into(),
            language: "es".parse().unwrap(),
            voice: None,
            codecs: Vec::new(),
        };
        let xml = provisioning(&phone, "0123456789abcdef", "fd00::1".parse().unwrap());
        let line = |name: &str| xml.lines().find(|line| line.contains(&format!("\"{name}\""))).unwrap();
        assert!(
            line("reg_identity").ends_with(">\"Door &amp; hall\" &lt;sip:101@[fd00::1]&gt;</entry>"),
            "{xml}"
        );
        assert!(line("passwd").ends_with(">0123456789abcdef</entry>"));
        assert_eq!(xml.matches("<section").count(), xml.matches("</section>").count());
    }
}
