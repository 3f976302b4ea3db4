//! `tapedeck sim`: how does the simulated exchange start alone?

use crate::cli::{
    args::{Common, flag},
    failure::Failure,
    logging,
};

/// `tapedeck sim`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address and port to listen on, such as 127.0.0.1:8700
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The market is a function of this number and of time
    #[arg(long, value_name = "NUMBER")]
    seed: Option<String>,
    /// How many times faster than real time
    #[arg(long, value_name = "TIMES")]
    speed: Option<String>,
    /// A recording to replay instead of a generated market
    #[arg(long, value_name = "PATH")]
    recording: Option<String>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let flags = [
        flag("--listen", "sim.listen", args.listen.as_deref()),
        flag("--seed", "sim.seed", args.seed.as_deref()),
        flag("--speed", "sim.speed", args.speed.as_deref()),
        flag("--recording", "sim.recording", args.recording.as_deref()),
    ];
    let config = args.common.load(flags.into_iter().flatten().collect())?;
    logging::start(&config.log);
    Err(Failure::NotBuilt("sim"))
}
