//! `dragoman phones`: who may register.

mod apply;
mod certificate;
mod daemon;
mod edit;
pub(crate) mod file;
mod generate;
mod linphone;
mod secrets;
mod show;
mod trunk;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use dragomand::config::{self, Config};
use say::say;
use secrecy::ExposeSecret as _;

use apply::Places;
use edit::Entry;
use secrets::Secrets;

#[derive(Subcommand)]
pub(crate) enum Phones {
    /// Give Asterisk and the daemon the phones and the trunk of the configuration
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
    List(Configuration),
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
        configuration: Configuration,
        #[command(flatten)]
        passwords: Passwords,
    },
    /// Remove a phone from the configuration, and apply it
    Remove {
        /// Its number
        extension: String,
        #[command(flatten)]
        places: Places,
    },
}

/// The daemon's configuration.
#[derive(clap::Args)]
pub(crate) struct Configuration {
    /// The daemon's configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/dragoman/dragomand.toml")]
    config: PathBuf,
}

/// The phones' passwords.
#[derive(clap::Args)]
pub(crate) struct Passwords {
    /// The phones' passwords
    #[arg(long, value_name = "FILE", default_value = "/var/lib/dragoman/phones.secrets")]
    secrets: PathBuf,
}

impl Phones {
    pub(crate) fn run(&self) -> Result<(), String> {
        match self {
            Self::Apply(places) => places.apply(),
            Self::List(configuration) => {
                configuration.load().map(|config| say::write(format_args!("{}", list(&config))))
            }
            Self::Show { extension, server, svg, png, configuration, passwords } => {
                let url = show(&configuration.load()?, passwords, extension, *server)?;
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

impl Configuration {
    fn load(&self) -> Result<Config, String> {
        config::load(&self.config).map_err(|error| error.to_string())
    }
}

/// Prints the account, and answers with the address that it can be fetched from.
fn show(
    config: &Config,
    passwords: &Passwords,
    extension: &str,
    server: Option<IpAddr>,
) -> Result<String, String> {
    let unknown = || format!("there is no phone {extension}: `dragoman phones list` tells which there are");
    let phone = config.directory.phone(extension).ok_or_else(unknown)?;
    let secrets = Secrets::load(&passwords.secrets)?;
    let advice = || format!("{extension} has no password yet: `dragoman phones apply` makes one");
    let secret = secrets.of(extension).ok_or_else(advice)?.expose_secret();
    let server = server.map_or_else(show::own_address, Ok)?;
    let document = linphone::provisioning(phone, secret, server);
    let show::Offered { account, page, seconds } = show::offer(&config.control, phone, &document, server)?;
    say!("number    {extension}\nname      {}\nserver    {server}\npassword  {secret}", phone.name);
    say!("account   {account}\n          for Linphone, once, within {} minutes", seconds / 60);
    say!("page      {page}\n          with the same QR code, and what to do");
    Ok(account)
}

pub(crate) fn mode(path: &Path) -> Result<u32, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = path.metadata().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(metadata.permissions().mode() & 0o777)
}

fn list(config: &Config) -> String {
    if config.directory.phones.is_empty() {
        return "There is no phone: `dragoman phones add` adds one.\n".to_owned();
    }
    let line = |number: &str, language: &str, name: &str| format!("{number:<15}  {language:<8}  {name}\n");
    let phones = config
        .directory
        .phones
        .iter()
        .map(|phone| line(&phone.extension, phone.language.code(), &phone.name));
    std::iter::once(line("number", "language", "name")).chain(phones).collect()
}
