//! How long does a trade take from the exchange's socket to a subscriber's, what does it cost, and how many can go in a second?
//!
//! The real `tapedeck serve` stands between a mock exchange and its subscribers, with tapedeck's `trades` channel and
//! `flush_ms=0`. Beside it, in turn: `direct`, where the subscriber reads the exchange itself, which is what the kernel and the
//! bench need; and `relay`, which copies bytes from one socket to the other, the least that anything in between can do. What a
//! program adds is its figure less that of `direct`. A trade's time runs from just before the exchange's write to just after
//! the subscriber's read. Of several subscribers the one that joined last is timed; the others are only emptied.
//!
//! ```console
//! TAPEDECK_RELAY=/path/to/relay cargo bench --locked --bench live -- --rounds 3 --seconds 3
//! ```
//!
//! The relay is called as `relay raw UP_PORT DOWN_PORT`, reads `/stream?streams=...` there and serves one subscriber here;
//! without the variable its rows are missing. `--help` lists the flags. The bench fails when a trade came twice or vanished
//! without a `gap`; ids that a `gap` named are counted as `lost`.

mod drain;
mod probe;
mod report;
mod run;

#[path = "../rig/mod.rs"]
mod rig;

use anyhow::Context as _;
use rig::options::{Flag, Options};
use run::{Arm, Outcome, Pace, Plan};
use std::path::PathBuf;

const FLAGS: [Flag; 6] = [
    ("rounds", "3", "times that everything is measured, the arms in turn"),
    ("seconds", "3", "time that one measurement at a given rate takes"),
    ("rates", "20000,100000", "trades a second; 0 for none"),
    ("subscribers", "1,100", "subscribers of tapedeck"),
    ("flood", "400000", "trades sent to one subscriber as fast as they are taken, to more a tenth of that; 0 for none"),
    ("ring", "65536", "tapedeck's ring.trades"),
];

fn main() -> anyhow::Result<()> {
    let Some(options) = Options::read(&FLAGS)? else { return Ok(()) };
    let relay = std::env::var_os("TAPEDECK_RELAY").map(PathBuf::from);
    if relay.is_none() {
        eprintln!("TAPEDECK_RELAY is not set: the relay is left out");
    }
    let (rounds, plans) = (options.number::<usize>("rounds")?, plans(&options, relay.as_ref())?);
    let mut outcomes: Vec<Vec<Outcome>> = plans.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        for (plan, outcomes) in plans.iter().zip(&mut outcomes) {
            eprintln!("round {round} of {rounds}: {plan}");
            outcomes.push(run::run(plan).with_context(|| plan.to_string())?);
        }
    }
    report::print(&plans, &outcomes)?;
    Ok(())
}

/// Everything that is measured in one round.
fn plans(options: &Options, relay: Option<&PathBuf>) -> anyhow::Result<Vec<Plan>> {
    let (seconds, flood): (u64, usize) = (options.number("seconds")?, options.number("flood")?);
    let (subscribers, ring_trades) = (options.numbers::<usize>("subscribers")?, options.number("ring")?);
    let tapedeck = |count: &usize, pace| Plan { arm: Arm::Tapedeck, pace, subscribers: *count.max(&1), ring_trades };
    let beside = |pace| {
        let arms = [Some(Arm::Direct), relay.map(|path| Arm::Relay(path.clone()))].into_iter().flatten();
        arms.map(move |arm| Plan { arm, pace, subscribers: 1, ring_trades })
    };
    let mut plans = Vec::new();
    for per_second in options.numbers("rates")?.into_iter().filter(|rate| *rate > 0) {
        let pace = Pace::Steady { per_second, seconds };
        plans.extend(beside(pace));
        plans.extend(subscribers.iter().map(|count| tapedeck(count, pace)));
    }
    if flood > 0 {
        plans.extend(beside(Pace::Flood { trades: flood }));
        // What goes out is what came in times the subscribers.
        let trades = |count| if count > 1 { flood.div_ceil(10) } else { flood };
        plans.extend(subscribers.iter().map(|count| tapedeck(count, Pace::Flood { trades: trades(*count) })));
    }
    Ok(plans)
}
