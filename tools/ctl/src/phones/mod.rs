//! `dragoman phones`: who may register.

mod certificate;
mod edit;
pub(crate) mod file;
mod generate;
mod linphone;
mod secrets;
mod show;
mod trunk;

use std::fs::{self, File};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Subcommand;
use dragomand::config::{self, Config};
use say::say;
use secrecy::ExposeSecret as _;

use certificate::Certificate;
use edit::Entry;
use secrets::Secrets;

#[derive(Subcommand)]
pub(crate) enum Phones {
    /// Give Asterisk the phones and the trunk of the configuration
    ///
    /// A phone that has no password yet gets a random one, and the box a certificate for TLS. Calls are not disturbed.
    Apply(Places),
    /// Add a phone to the configuration, and apply it
    Add {
        #[command(flatten)]
        entry: Entry,
        #[command(flatten)]
        places: Places,
    },
    /// Print the phones of the configuration
    List(Places),
    /// Print a phone's account, and a QR code that gives it to Linphone
    ///
    /// The code holds an address in the box from which the account can be fetched once, within a quarter of an hour. The
    /// box shows the same code on a page until then.
    Show {
        /// Its number
        extension: String,
        /// The address that phones reach this box at; its own one where nothing is said
        #[arg(long, value_name = "ADDRESS")]
        server: Option<IpAddr>,
        /// Write the QR code as an SVG image instead
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
        /// Write the QR code as a PNG image instead
        #[arg(long, value_name = "FILE", conflicts_with = "svg")]
        png: Option<PathBuf>,
        #[command(flatten)]
        places: Places,
    },
    /// Remove a phone from the configuration, and apply it
    Remove {
        /// Its number
        extension: String,
        #[command(flatten)]
        places: Places,
    },
}

/// Where everything is.
#[derive(clap::Args)]
pub(crate) struct Places {
    /// The daemon's configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/dragoman/dragomand.toml")]
    config: PathBuf,
    /// The phones' passwords
    #[arg(long, value_name = "FILE", default_value = "/var/lib/dragoman/phones.secrets")]
    secrets: PathBuf,
    /// What is written for Asterisk
    #[arg(long, value_name = "FILE", default_value = "/etc/asterisk/phones.conf")]
    output: PathBuf,
    /// Asterisk's program, which tells a running Asterisk
    #[arg(long, value_name = "PROGRAM", default_value = "asterisk")]
    asterisk: PathBuf,
}

impl Phones {
    pub(crate) fn run(&self) -> Result<(), String> {
        match self {
            Self::Apply(places) => places.apply(&places.load()?),
            Self::List(places) => places.load().map(|config| say::write(format_args!("{}", list(&config)))),
            Self::Show { extension, server, svg, png, places } => {
                let url = places.show(extension, *server)?;
                match (svg, png) {
                    (Some(path), _) => file::replace(path, show::as_svg(&url)?, 0o600),
                    (_, Some(path)) => file::replace(path, show::as_png(&url)?, 0o600),
                    _ => show::in_terminal(&url).map(|code| say!("{code}")),
                }
            }
            Self::Add { entry, places } => {
                places.change(|text| edit::add(text, entry))?;
                say!("{} may register.", entry.extension);
                Ok(())
            }
            Self::Remove { extension, places } => {
                places.change(|text| edit::remove(text, extension))?;
                say!("{extension} may no longer register.");
                Ok(())
            }
        }
    }
}

impl Places {
    fn load(&self) -> Result<Config, String> {
        config::load(&self.config).map_err(|error| error.to_string())
    }

    /// Prints the account, and answers with the address that it can be fetched from.
    fn show(&self, extension: &str, server: Option<IpAddr>) -> Result<String, String> {
        let config = self.load()?;
        let unknown =
            || format!("there is no phone {extension}: `dragoman phones list` tells which there are");
        let phone = config.phone(extension).ok_or_else(unknown)?;
        let secrets = Secrets::load(&self.secrets)?;
        let advice = || format!("{extension} has no password yet: `dragoman phones apply` makes one");
        let secret = secrets.of(extension).ok_or_else(advice)?.expose_secret();
        let server = server.map_or_else(show::own_address, Ok)?;
        let document = linphone::provisioning(phone, secret, server);
        let show::Offered { account, page, seconds } =
            show::offer(&config.control, phone, &document, server)?;
        say!("number    {extension}\nname      {}\nserver    {server}\npassword  {secret}", phone.name);
        say!("account   {account}\n          for Linphone, once, within {} minutes", seconds / 60);
        say!("page      {page}\n          with the same QR code, and what to do");
        Ok(account)
    }

    /// Writes the changed configuration where it is a good one, and applies it.
    fn change(&self, change: impl FnOnce(&str) -> Result<String, String>) -> Result<(), String> {
        let _alone = self.alone()?;
        let here = |reason: String| format!("{}: {reason}", self.config.display());
        let text = fs::read_to_string(&self.config).map_err(|error| here(error.to_string()))?;
        let changed = change(&text).map_err(here)?;
        let config =
            config::read(&self.config, &changed).map_err(|error| format!("nothing was changed: {error}"))?;
        file::replace(&self.config, &changed, mode(&self.config)?)?;
        self.apply_alone(&config)
    }

    fn apply(&self, config: &Config) -> Result<(), String> {
        let _alone = self.alone()?;
        self.apply_alone(config)
    }

    fn apply_alone(&self, config: &Config) -> Result<(), String> {
        let mut secrets = Secrets::load(&self.secrets)?;
        let extensions = config.phones.iter().map(|phone| phone.extension.as_str());
        if secrets.keep_for(extensions).map_err(|error| format!("no random bytes: {error}"))? {
            secrets.save(&self.secrets)?;
        }
        let directory = self.output.parent().unwrap_or(Path::new("/"));
        let transport = Certificate::in_directory(directory)?.transport();
        let trunk = config.trunk.as_ref();
        let outside = trunk.map_or(&[][..], |trunk| &trunk.phones);
        let mut phones = generate::phones_conf(&config.phones, outside, &secrets) + &transport;
        if let Some(trunk) = trunk {
            phones += &trunk::sections(trunk, &trunk::password(&trunk.password_file)?);
        }
        file::replace(&self.output, &phones, 0o640)?;
        // What leads outside comes last: never before what it stands on, and gone with it at once.
        file::replace(&directory.join("trunk-numbers.conf"), trunk::numbers(trunk), 0o640)?;
        self.reload("module reload res_pjsip.so")?;
        self.reload("dialplan reload")
    }

    /// Calls go on: Asterisk only reads its phones again.
    fn reload(&self, command: &str) -> Result<(), String> {
        let advice = "it takes the phones from its files when it starts";
        let program = self.asterisk.display();
        let output = Command::new(&self.asterisk).args(["-rx", command]).output();
        let output = output.map_err(|error| format!("{program}: {error}; is Asterisk installed?"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "Asterisk was not told of the phones: {}; {advice}",
            said.lines().next().unwrap_or("no answer")
        ))
    }

    /// Two changes at once would lose one of them.
    fn alone(&self) -> Result<File, String> {
        let directory = self.secrets.parent().unwrap_or(Path::new("/"));
        let lock = File::open(directory).and_then(|directory| directory.lock().map(|()| directory));
        lock.map_err(|error| format!("{}: {error}; make the directory", directory.display()))
    }
}

pub(crate) fn mode(path: &Path) -> Result<u32, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = path.metadata().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(metadata.permissions().mode() & 0o777)
}

fn list(config: &Config) -> String {
    if config.phones.is_empty() {
        return "There is no phone: `dragoman phones add` adds one.\n".to_owned();
    }
    let line = |number: &str, language: &str, name: &str| format!("{number:<15}  {language:<8}  {name}\n");
    let phones = config.phones.iter().map(|phone| line(&phone.extension, phone.language.code(), &phone.name));
    std::iter::once(line("number", "language", "name")).chain(phones).collect()
}
