//! Which flags set which keys?

use crate::{
    cli::failure::Failure,
    config::{Assignment, Config, Settings, Sources},
};
use std::path::PathBuf;

/// Flags of every command that reads the configuration.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Common {
    /// Configuration file [default: $TAPEDECK_CONFIG, ./tapedeck.toml or /etc/tapedeck/config.toml]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Sets any key of the configuration, as in --set server.flush_ms=50; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// What is logged: error, warn, info, debug, trace or off, or module=level, separated by commas
    #[arg(long, value_name = "FILTER")]
    log_level: Option<String>,
    /// How it is logged: auto, text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

/// Flags of every command that serves.
#[derive(Debug, clap::Args)]
pub(super) struct Serving {
    /// Address and port to listen on, such as 0.0.0.0:8600
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Symbols to record, separated by commas
    #[arg(long, value_name = "SYMBOLS")]
    symbols: Option<String>,
}

impl Common {
    /// These flags and `more` as assignments; `--set` has the last word.
    pub(super) fn assignments(&self, more: Vec<Assignment>) -> Vec<Assignment> {
        let mut all = more;
        all.extend(flag("--log-level", "log.level", self.log_level.as_deref()));
        all.extend(flag("--log-format", "log.format", self.log_format.as_deref()));
        all.extend(self.set.iter().map(|(key, text)| Assignment {
            flag: "--set",
            key: key.clone(),
            text: text.clone(),
        }));
        all
    }

    /// The settings of this process.
    pub(super) fn settings(self, more: Vec<Assignment>) -> Result<Settings, Failure> {
        let flags = self.assignments(more);
        Ok(Settings::gather(Sources::of_process(self.config, flags))?)
    }

    /// The configuration of this process.
    pub(super) fn load(self, more: Vec<Assignment>) -> Result<Config, Failure> {
        Ok(Config::new(&self.settings(more)?)?)
    }
}

impl Serving {
    pub(super) fn assignments(&self) -> Vec<Assignment> {
        let listen = flag("--listen", "server.listen", self.listen.as_deref());
        listen.into_iter().chain(flag("--symbols", "symbols", self.symbols.as_deref())).collect()
    }
}

/// The assignment that a flag stands for, if it was given.
pub(super) fn flag(flag: &'static str, key: &str, text: Option<&str>) -> Option<Assignment> {
    text.map(|text| Assignment { flag, key: key.to_owned(), text: text.to_owned() })
}

fn assignment(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
