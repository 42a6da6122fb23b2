//! What the configuration says of phones, written for Asterisk.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use dragomand::config::{self, Config};

use super::certificate::Certificate;
use super::file::{self, Staged};
use super::secrets::Secrets;
use super::{Configuration, Passwords, daemon, generate, mode, trunk};

/// Where everything is.
#[derive(clap::Args)]
pub(crate) struct Places {
    #[command(flatten)]
    configuration: Configuration,
    #[command(flatten)]
    passwords: Passwords,
    /// What is written for Asterisk
    #[arg(long, value_name = "FILE", default_value = "/etc/asterisk/phones.conf")]
    output: PathBuf,
    /// Asterisk's program, which tells a running Asterisk
    #[arg(long, value_name = "PROGRAM", default_value = "asterisk")]
    asterisk: PathBuf,
}

impl Places {
    /// Writes the changed configuration where it is a good one, and applies it.
    pub(super) fn change(&self, change: impl FnOnce(&str) -> Result<String, String>) -> Result<(), String> {
        let _alone = self.alone()?;
        let (config, files) = self.changed(change).map_err(|reason| unchanged(&reason))?;
        self.put(&config, files)
    }

    pub(super) fn apply(&self) -> Result<(), String> {
        let _alone = self.alone()?;
        let config = self.configuration.load().map_err(|reason| unchanged(&reason))?;
        self.put(&config, self.prepare(&config).map_err(|reason| unchanged(&reason))?)
    }

    fn changed(
        &self,
        change: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<(Config, Vec<Staged>), String> {
        let path = &self.configuration.config;
        let here = |reason: String| format!("{}: {reason}", path.display());
        let text = fs::read_to_string(path).map_err(|error| here(error.to_string()))?;
        let changed = change(&text).map_err(here)?;
        let config = config::read(path, &changed).map_err(|error| error.to_string())?;
        let mut files = self.prepare(&config)?;
        // Last, so that whoever repeats the command after a failure finds it as it was.
        files.push(file::stage(path, &changed, mode(path)?)?);
        Ok((config, files))
    }

    /// All that is to be written, in this order. Nothing stands where it is read yet.
    fn prepare(&self, config: &Config) -> Result<Vec<Staged>, String> {
        let mut files = Vec::new();
        let mut secrets = Secrets::load(&self.passwords.secrets)?;
        let extensions = config.directory.phones.iter().map(|phone| phone.extension.as_str());
        if secrets.keep_for(extensions).map_err(|error| format!("no random bytes: {error}"))? {
            files.push(secrets.stage(&self.passwords.secrets)?);
        }
        let directory = file::directory(&self.output);
        let certificate = Certificate::of(directory)?;
        files.extend(certificate.stage()?);
        let trunk = config.directory.trunk.as_ref();
        let outside = trunk.map_or(&[][..], |trunk| &trunk.phones);
        let mut phones =
            generate::phones_conf(&config.directory.phones, outside, &secrets) + &certificate.transport();
        if let Some(trunk) = trunk {
            phones += &trunk::sections(trunk, &trunk::password(&trunk.password_file)?);
        }
        files.push(file::stage(&self.output, &phones, 0o640)?);
        // What leads outside comes after what it stands on.
        files.push(file::stage(&directory.join("trunk-numbers.conf"), trunk::numbers(trunk), 0o640)?);
        Ok(files)
    }

    fn put(&self, config: &Config, files: Vec<Staged>) -> Result<(), String> {
        for file in files {
            file.put().map_err(|reason| format!("{reason}; a part is written: mend that and repeat it"))?;
        }
        // First, so that nobody registers whom the daemon does not know.
        daemon::reload(&config.control)
            .map_err(|reason| format!("all is written, but dragomand was not told of it: {reason}"))?;
        self.reload("module reload res_pjsip.so")?;
        self.reload("dialplan reload")
    }

    /// Calls go on: Asterisk only reads its phones again.
    fn reload(&self, command: &str) -> Result<(), String> {
        let told = |reason: &str| {
            format!(
                "all is written, but Asterisk was not told of it: {reason}; it takes the phones from its files when it \
                 starts"
            )
        };
        let output = Command::new(&self.asterisk).args(["-rx", command]).output();
        let output = output
            .map_err(|error| told(&format!("{}: {error}; is it installed?", self.asterisk.display())))?;
        if output.status.success() {
            return Ok(());
        }
        Err(told(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("no answer")))
    }

    /// Two changes at once would lose one of them.
    fn alone(&self) -> Result<File, String> {
        let directory = file::directory(&self.passwords.secrets);
        let locked = |directory: &Path| -> io::Result<File> {
            let directory = File::open(directory)?;
            directory.lock()?;
            Ok(directory)
        };
        locked(directory).map_err(|error| {
            format!("{}: {error}; make the directory; nothing was changed", directory.display())
        })
    }
}

fn unchanged(reason: &str) -> String {
    format!("{reason}; nothing was changed")
}
