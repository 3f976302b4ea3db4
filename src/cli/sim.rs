//! `tapedeck sim`: how does the simulated exchange start alone?

use crate::{
    app,
    cli::{
        args::{Common, flag},
        failure::Failure,
        logging,
    },
    clock::Clock,
    config::Config,
    model::{Price, Symbol, SymbolError},
    sim::{Contract, Exchange, Options, Server, default_contracts, many_contracts},
};
use anyhow::Context as _;

/// The most that one contract trades, whatever `sim.rate` says.
const TRADES_PER_MINUTE_MAX: u32 = 600_000;

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
    Ok(actix::System::new().block_on(serve(&config))?)
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let stopped = app::stop_signal().context("signals cannot be listened to")?;
    let exchange = start(config).await?;
    tracing::info!(address = %exchange.local_addr(), "the simulated exchange serves WebSocket, REST and, below /archive, the archive");
    stopped.await;
    exchange.stop().await;
    Ok(())
}

/// Starts the simulated exchange that `config` describes.
pub(super) async fn start(config: &Config) -> anyhow::Result<Server> {
    let exchange = Exchange::open(&options(config)?, Clock::system())?;
    let listen = config.sim.listen;
    Server::bind(exchange, listen).await.with_context(|| format!("sim.listen: cannot listen on {listen}"))
}

fn options(config: &Config) -> anyhow::Result<Options> {
    let sim = &config.sim;
    let mut contracts = match sim.contracts {
        0 => default_contracts(),
        count => many_contracts(count, sim.seed),
    };
    if !sim.trades_per_minute.is_empty() {
        let paced = sim.trades_per_minute.iter().map(|(symbol, pace)| contract(&contracts, symbol, *pace));
        contracts = paced.collect::<Result<_, _>>()?;
    }
    for contract in &mut contracts {
        contract.trades_per_minute =
            contract.trades_per_minute.saturating_mul(sim.rate.get()).min(TRADES_PER_MINUTE_MAX);
    }
    let (listen, seed, speed) = (sim.listen, sim.seed, sim.speed.get());
    Ok(Options { listen, seed, speed, contracts, recording: sim.recording.clone(), ..Options::default() })
}

/// A built-in contract at another pace, or a new one that starts at 100.
fn contract(known: &[Contract], symbol: &Symbol, trades_per_minute: u32) -> Result<Contract, SymbolError> {
    match known.iter().find(|contract| contract.symbol == *symbol) {
        Some(contract) => Ok(Contract { trades_per_minute, ..contract.clone() }),
        None => Contract::perpetual(
            symbol.as_str(),
            Price::from_units(100 * Price::UNITS_PER_ONE),
            (2, 3),
            trades_per_minute,
        ),
    }
}
