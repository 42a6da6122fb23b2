use std::path::{Path, PathBuf};

use super::file;

/// What the box shows to phones that call by TLS: made once, by itself and for itself.
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// The one in `directory`; makes it where there is none.
    pub(crate) fn in_directory(directory: &Path) -> Result<Self, String> {
        let made =
            Self { certificate: directory.join("sip-certificate.pem"), key: directory.join("sip-key.pem") };
        let name = made.certificate.display().to_string();
        if name.contains([';', '"', '\\']) || name.contains(char::is_control) {
            return Err(format!("{name:?}: Asterisk does not take such a path; name another"));
        }
        if !(made.certificate.exists() && made.key.exists()) {
            made.make()?;
        }
        Ok(made)
    }

    fn make(&self) -> Result<(), String> {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("dragoman");
        let names = [host.to_owned(), format!("{host}.local"), "localhost".into(), "127.0.0.1".into()];
        let failed = |error: rcgen::Error| format!("no certificate: {error}");
        let made = rcgen::generate_simple_self_signed(names).map_err(failed)?;
        file::replace(&self.key, made.signing_key.serialize_pem(), 0o600)?;
        file::replace(&self.certificate, made.cert.pem(), 0o644)
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
        let read = |made: &Certificate| std::fs::read_to_string(&made.key).unwrap();
        let first = Certificate::in_directory(directory.path()).unwrap();
        let key = read(&first);
        assert!(key.contains("PRIVATE KEY"));
        assert_eq!(first.key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&Certificate::in_directory(directory.path()).unwrap()), key);
        assert!(Certificate::in_directory(Path::new("/a;b")).is_err());
    }
}
