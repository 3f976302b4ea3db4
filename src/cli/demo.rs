//! `tapedeck demo`: what does a newcomer see first?

use crate::{
    cli::{
        args::{Common, Serving},
        failure::Failure,
        healthcheck::reachable,
        logging,
        screen::banner,
    },
    config::{Config, Settings, Sources},
};
use std::io::{self, Write as _};

/// `tapedeck demo`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = load(args)?;
    logging::start(&config.log);
    io::stdout().write_all(banner(reachable(config.server.listen), &config.symbols).as_bytes())?;
    Err(Failure::NotBuilt("demo"))
}

/// The demonstration's configuration; whatever it says, the upstream is the simulated exchange of this process.
fn load(args: Args) -> Result<Config, Failure> {
    let flags = args.common.assignments(args.serving.assignments());
    let mut config = Config::new(&Settings::gather(Sources::of_demo(args.common.config, flags))?)?;
    let exchange = reachable(config.sim.listen);
    config.binance.rest_url = format!("http://{exchange}");
    config.binance.ws_url = format!("ws://{exchange}");
    Ok(config)
}
