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

fn load(args: Args) -> Result<Config, Failure> {
    let flags = args.common.assignments(args.serving.assignments());
    let settings = Settings::gather(Sources::of_demo(args.common.config, flags))?;
    Ok(upstream_is_ours(Config::new(&settings)?))
}

/// Whatever else was configured, the demonstration speaks to the simulated exchange of its own process.
fn upstream_is_ours(mut config: Config) -> Config {
    let exchange = reachable(config.sim.listen);
    config.binance.rest_url = format!("http://{exchange}");
    config.binance.ws_url = format!("ws://{exchange}");
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demonstration_never_leaves_the_machine() {
        let settings = Settings::gather(Sources::default()).expect("the defaults are valid");
        let mut config = Config::new(&settings).expect("the defaults are valid");
        config.sim.listen = "0.0.0.0:8701".parse().expect("an address");
        let config = upstream_is_ours(config);
        assert_eq!(config.binance.rest_url, "http://127.0.0.1:8701");
        assert_eq!(config.binance.ws_url, "ws://127.0.0.1:8701");
    }
}
