//! `tapedeck demo`: what does a newcomer see first?

use crate::{
    app::{self, Running},
    cli::{
        args::{Common, Serving},
        failure::Failure,
        healthcheck::reachable,
        logging,
        screen::{Screen, Status, banner},
        sim,
    },
    config::{Config, Settings, Sources},
    metrics::Labels,
    model::Symbol,
};
use anyhow::Context as _;
use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

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
    actix::System::new().block_on(demonstrate(&config))
}

/// Starts the exchange, then the server against it; however telling ends, both are stopped in order.
async fn demonstrate(config: &Config) -> Result<(), Failure> {
    let exchange = sim::start(config).await?;
    let running = app::start(config)?;
    let told = tell(&running, config).await;
    running.stop().await;
    exchange.stop().await;
    told
}

/// Tells how it goes until a signal comes, or until nobody reads it any more.
async fn tell(running: &Running, config: &Config) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    let mut screen = Screen::new(stdout.is_terminal());
    let begun = Instant::now();
    let mut status = Status::default();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut stopped = std::pin::pin!(app::stop_signal().context("signals cannot be listened to")?);
    stdout.write_all(banner(reachable(running.address), &config.symbols.named).as_bytes())?;
    loop {
        tokio::select! {
            () = &mut stopped => {
                return Ok(stdout.write_all(screen.end().as_bytes())?);
            }
            _ = ticks.tick() => {
                status = next_status(running, &status, begun.elapsed());
                if let Some(text) = screen.next(&status) {
                    stdout.write_all(text.as_bytes())?;
                    stdout.flush()?;
                }
            }
        }
    }
}

fn next_status(running: &Running, before: &Status, uptime: Duration) -> Status {
    let trades = |symbol: &Symbol| {
        let labels = Labels::new([("symbol", symbol.as_str()), ("source", "live")]);
        running.metrics.ingest_trades.get_or_create(&labels).get()
    };
    let contracts = || running.engine.contracts.iter();
    let trades = contracts().map(|contract| trades(&contract.symbol)).sum();
    Status {
        trades_per_s: trades - before.trades,
        trades,
        candles_closed: running.metrics.candles_closed.get(),
        subscribers: u64::try_from(running.metrics.ws_connections.get()).unwrap_or(0),
        gaps: contracts().map(|contract| contract.tape.aside().holes().iter().count() as u64).sum(),
        uptime,
    }
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
    config.binance.archive_url = format!("http://{exchange}/archive");
    config.binance.archive_list_url = None;
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
        assert_eq!(config.binance.archive_url, "http://127.0.0.1:8701/archive");
        assert_eq!(config.binance.archive_list_url, None);
    }
}
