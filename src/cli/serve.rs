//! `tapedeck serve`: how does the server start?

use crate::{
    app,
    cli::{
        args::{Common, Serving},
        failure::Failure,
        logging,
    },
    config::Config,
};
use anyhow::Context as _;

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
    Ok(actix::System::new().block_on(serve(&config))?)
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    // Before anything runs: whoever reads that it serves may end it.
    let stopped = app::stop_signal().context("signals cannot be listened to")?;
    let running = app::start(config)?;
    tracing::info!(address = %running.address, symbols = config.symbols.len(), "serving");
    stopped.await;
    running.stop().await;
    Ok(())
}
