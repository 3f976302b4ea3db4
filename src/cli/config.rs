//! `tapedeck config`: is the configuration right, and where does each value come from?

use crate::{
    cli::{
        args::{Common, Serving},
        failure::Failure,
    },
    config::{Config, Origin, Settings},
};
use std::io::{self, Write as _};

/// `tapedeck config check | show`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Checks the configuration without starting anything: exit 0 or 2
    Check(Flags),
    /// Shows the value of every key and where it comes from; secrets are masked
    Show(Flags),
}

#[derive(Debug, clap::Args)]
struct Flags {
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    common: Common,
}

impl Flags {
    fn settings(self) -> Result<Settings, Failure> {
        let settings = self.common.settings(self.serving.assignments())?;
        Config::new(&settings)?;
        Ok(settings)
    }
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match args.action {
        Action::Check(flags) => {
            let settings = flags.settings()?;
            let set = settings.iter().filter(|setting| setting.origin != Origin::Default).count();
            writeln!(out, "the configuration is valid; {set} of {} keys are set", settings.iter().count())?;
        }
        Action::Show(flags) => write!(out, "{}", flags.settings()?)?,
    }
    Ok(())
}
