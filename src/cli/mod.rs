//! What can be typed, and what does the exit code say? One file a subcommand.
//!
//! 0 is success, 1 a failure while running, 2 a wrong command line or configuration, or a store that is damaged; 130 an
//! interrupted back-fill.

mod args;
mod backfill;
mod config;
mod demo;
mod failure;
mod healthcheck;
mod inspect;
mod logging;
mod reload;
mod repair;
mod screen;
mod serve;
mod sim;
mod table;
mod verify;

pub use screen::{Screen, Status, banner};

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Records the Binance USD-M futures tape, proves that it is whole, and serves it.
#[derive(Debug, Parser)]
#[command(name = "tapedeck", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Records the symbols of the configuration and serves them.
    Serve(serve::Args),
    /// Serves the built-in simulated exchange: no network, no keys.
    Demo(demo::Args),
    /// Runs the simulated exchange alone, its archive below `/archive`.
    Sim(sim::Args),
    /// Fetches the past from the exchange's archive, and its last days over REST.
    Backfill(backfill::Args),
    /// Checks the configuration, or shows it.
    Config(config::Args),
    /// Checks a store, beside a running server or not: exit 0 when it is intact, 2 when it is damaged.
    Verify(verify::Args),
    /// Puts a damaged store right with what is whole in it. Nothing is deleted.
    Repair(repair::Args),
    /// Says what a file of a store is, what it holds, and where it is damaged.
    Inspect(inspect::Args),
    /// Asks a running server whether it is alive: exit 0 or 1.
    Healthcheck(healthcheck::Args),
}

/// Runs the process: arguments in, exit code out.
pub fn run() -> ExitCode {
    let outcome = match CommandLine::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Sim(args) => sim::run(args),
        Command::Backfill(args) => backfill::run(args),
        Command::Config(args) => config::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Repair(args) => repair::run(args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Healthcheck(args) => healthcheck::run(args),
    };
    outcome.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}
