//! `dragoman apps`: who may listen in and have texts said.

use std::path::PathBuf;

use clap::Subcommand;
use dragomand::apps::token;
use dragomand::config;
use secrecy::ExposeSecret as _;

use crate::phones::{self, file};

#[derive(Subcommand)]
pub(crate) enum Apps {
    /// Print where the token is that programs have to know, or make another
    ///
    /// The daemon makes it when it starts. It is readable for its owner alone: give it to whom it concerns with chgrp and
    /// chmod g+r.
    Token {
        /// Make another: whoever only knows the old one is disconnected within seconds
        #[arg(long)]
        new: bool,
        /// The daemon's configuration
        #[arg(long, value_name = "FILE", default_value = "/etc/dragoman/dragomand.toml")]
        config: PathBuf,
    },
}

impl Apps {
    pub(crate) fn run(&self) -> Result<(), String> {
        let Self::Token { new, config } = self;
        let path = config.display();
        let apps = config::load(config).map_err(|error| error.to_string())?.apps;
        let apps = apps.ok_or_else(|| format!("{path}: no program is let in; add the line [apps]"))?;
        let file = apps.token_file.as_path();
        if *new {
            let token = token::new().map_err(|error| format!("no random bytes: {error}"))?;
            let mode = if file.exists() { phones::mode(file)? & 0o660 } else { 0o600 };
            file::replace(file, token.expose_secret(), mode)?;
        } else if !file.exists() {
            return Err(format!(
                "{}: it is not there yet; the daemon makes it when it starts",
                file.display()
            ));
        }
        super::print(&format!("{}\n", file.display()))
    }
}
