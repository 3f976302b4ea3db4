//! `tapedeck serve`: how does the server start?

use crate::{
    app,
    cli::{
        args::{Common, Serving},
        failure::Failure,
        logging,
        reload::Reloads,
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
    let flags = args.serving.assignments();
    let settings = args.common.clone().settings(flags.clone())?;
    let config = Config::new(&settings)?;
    logging::start(&config.log);
    let reloads = || Reloads::new(args.common, flags, settings);
    Ok(actix::System::new().block_on(serve(&config, reloads))?)
}

async fn serve(config: &Config, reloads: impl FnOnce() -> std::io::Result<Reloads>) -> anyhow::Result<()> {
    // Before anything runs: whoever reads that it serves may end it.
    let mut stopped = std::pin::pin!(app::stop_signal().context("signals cannot be listened to")?);
    let mut reloads = reloads().context("signals cannot be listened to")?;
    let running = app::start(config)?;
    tracing::info!(address = %running.address, symbols = running.engine.contracts.len(), "serving");
    loop {
        tokio::select! {
            () = &mut stopped => break,
            config = reloads.next() => running.select(&config),
        }
    }
    running.stop().await;
    Ok(())
}
