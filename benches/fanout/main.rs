//! What does one subscriber that never reads cost the others, and the server's memory?
//!
//! The real `tapedeck serve` has 1,000 subscribers of a quiet contract and 200 of a busy one. In every other run one more
//! subscribes to the busy contract with a large snapshot and the smallest receive buffer there is, and never reads again: the
//! server must cut it, and the time that a trade takes to the 200 must stay within the budget beside runs without it.
//!
//! ```console
//! cargo bench --locked --bench fanout -- --runs 5 --seconds 6
//! ```
//!
//! A trade's time runs from just before the exchange's write to just after the subscriber's read; of each message the first
//! trade is timed. `--help` lists the flags. The bench fails when a trade vanished without a `gap`, when the subscriber that
//! never reads is not cut, or when anybody else is.

mod crowd;
mod report;
mod run;
mod server;

#[path = "../rig/mod.rs"]
mod rig;

use anyhow::Context as _;
use rig::options::{Flag, Options};
use run::{Arm, Plan};
use rustix::process::{Resource, getrlimit, setrlimit};

const FLAGS: [Flag; 8] = [
    ("runs", "5", "runs of each arm, the arms in turn"),
    ("seconds", "6", "time that trades flow in one run"),
    ("idle", "1000", "subscribers of the quiet contract"),
    ("active", "200", "subscribers of the busy contract"),
    ("rate", "500", "trades a second of the busy contract"),
    ("tick-us", "2000", "time from one burst of trades to the next, in microseconds"),
    ("snapshot", "4000", "trades sent before, all of them in the snapshot of the subscriber that never reads"),
    ("slow-cut-ms", "2000", "tapedeck's server.slow_cut_ms"),
];
/// Descriptors of the bench or of the server that are no subscriber's.
const DESCRIPTORS_SPARE: u64 = 200;

fn main() -> anyhow::Result<()> {
    let Some(options) = Options::read(&FLAGS)? else { return Ok(()) };
    let plan = Plan {
        seconds: options.number("seconds")?,
        idle: options.number("idle")?,
        active: options.number("active")?,
        per_second: options.number("rate")?,
        tick_ns: options.number::<u64>("tick-us")?.max(1) * 1_000,
        snapshot: options.number("snapshot")?,
        slow_cut_ms: options.number("slow-cut-ms")?,
    };
    allow_descriptors((plan.idle + plan.active) as u64)?;
    let runs: usize = options.number("runs")?;
    let mut outcomes = Vec::new();
    for run in 1..=runs {
        for arm in [Arm::AllRead, Arm::OneNeverReads] {
            eprintln!("run {run} of {runs}: {}", arm.name());
            outcomes.push((arm, run::run(&plan, arm).with_context(|| format!("run {run}, {}", arm.name()))?));
        }
    }
    report::print(&plan, &outcomes)?;
    Ok(())
}

/// The server has two descriptors a subscriber, the bench one; the server inherits the limit.
fn allow_descriptors(subscribers: u64) -> anyhow::Result<()> {
    let (wanted, mut limit) = (2 * subscribers + DESCRIPTORS_SPARE, getrlimit(Resource::Nofile));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        setrlimit(Resource::Nofile, limit)
            .with_context(|| format!("{wanted} descriptors are needed, and the hard limit is {:?}", limit.maximum))?;
    }
    Ok(())
}
