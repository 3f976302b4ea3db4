//! `tapedeck serve`: how does the server start?

use crate::cli::{
    args::{Common, Serving},
    failure::Failure,
    logging,
};

/// `tapedeck serve`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = args.common.load(args.serving.assignments())?;
    logging::start(&config.log);
    Err(Failure::NotBuilt("serve"))
}
