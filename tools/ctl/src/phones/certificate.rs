use std::path::{Path, PathBuf};

use secret_file::For;

use super::file::{self, Staged};

/// What the box shows to phones that call by TLS: made once, by itself and for itself.
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// The one in `directory`, whether it is there or not.
    pub(crate) fn of(directory: &Path) -> Result<Self, String> {
        // Asterisk works elsewhere.
        let whole = std::path::absolute(directory);
        let directory = whole.map_err(|error| format!("{}: {error}", directory.display()))?;
        let own =
            Self { certificate: directory.join("sip-certificate.pem"), key: directory.join("sip-key.pem") };
        let name = own.certificate.display().to_string();
        if name.contains([';', '"', '\\']) || name.contains(char::is_control) {
            return Err(format!("{name:?}: Asterisk does not take such a path; name another"));
        }
        Ok(own)
    }

    /// A new one where there is none.
    pub(crate) fn stage(&self) -> Result<Vec<Staged>, String> {
        if self.certificate.exists() && self.key.exists() {
            let checked = secret_file::check(&self.key, For::Group);
            return checked.map(|()| Vec::new()).map_err(|error| format!("{}: {error}", self.key.display()));
        }
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("dragoman");
        let names = [host.to_owned(), format!("{host}.local"), "localhost".into(), "127.0.0.1".into()];
        let failed = |error: rcgen::Error| format!("no certificate: {error}");
        let made = rcgen::generate_simple_self_signed(names).map_err(failed)?;
        let key = file::stage(&self.key, made.signing_key.serialize_pem(), 0o600)?;
        Ok(vec![key, file::stage(&self.certificate, made.cert.pem(), 0o644)?])
    }

    /// The transport for it.
    pub(crate) fn transport(&self) -> String {
        format!(
            "\n[tls]\ntype = transport\nprotocol = tls\nbind = 0.0.0.0:5061\nmethod = tlsv1_2\ncert_file = {}\n\
             priv_key_file = {}\n",
            self.certificate.display(),
            self.key.display(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_its_key_is_for_asterisk_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let own = Certificate::of(directory.path()).unwrap();
        let made = own.stage().unwrap();
        assert!(!own.key.exists(), "not before all the rest can be written");
        for file in made {
            file.put().unwrap();
        }
        assert!(std::fs::read_to_string(&own.key).unwrap().contains("PRIVATE KEY"));
        assert_eq!(own.key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(own.stage().unwrap().is_empty(), "it stays");
        std::fs::set_permissions(&own.key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(own.stage().err().unwrap().contains("chmod o="));
        assert!(Certificate::of(Path::new("/a;b")).is_err());
        assert!(Certificate::of(Path::new(".")).unwrap().transport().contains("key_file = /"));
    }
}
