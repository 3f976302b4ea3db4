//! How do the runs stand side by side?

use crate::{
    rig::text::{median, quotient, table, us},
    run::{Arm, Outcome, Plan},
};
use std::io::{self, Write as _};

const QUANTILES: [f64; 3] = [0.5, 0.99, 0.999];
/// What the median p99 may become by the one that never reads, in hundredths.
const BUDGET_HUNDREDTHS: u64 = 130;

/// Prints every run and what the arms come to.
pub(crate) fn print(plan: &Plan, outcomes: &[(Arm, Outcome)]) -> io::Result<()> {
    let Plan { idle, active, per_second, seconds, .. } = plan;
    writeln!(
        io::stdout(),
        "\n{idle} idle subscribers, {active} active ones, {per_second} trades/s, one write every {} us; runs of {seconds} s.\n\
         p50 to max: us from the exchange's write to a subscriber's read. cpu: the server's cores.\n\
         rss: the server's resident MiB with everybody connected, at the end, and the most. cut: when the one that never\n\
         reads was cut, in ms after it subscribed. others: cores that other programs used; above 0.3 the times say little.\n",
        plan.tick_ns / 1_000,
    )?;
    let head = [
        "run",
        "arm",
        "p50",
        "p99",
        "p99.9",
        "max",
        "updates",
        "lost",
        "cpu",
        "rss",
        "end",
        "most",
        "cut",
        "idle bytes",
        "others",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(outcomes.iter().enumerate().map(|(at, (arm, outcome))| row(plan, at / 2 + 1, *arm, outcome)));
    table(&rows)?;
    compare("p50", outcomes, 0.5)?;
    compare("p99", outcomes, 0.99)?;
    writeln!(io::stdout(), "budget of the p99's ratio: {}", quotient(BUDGET_HUNDREDTHS, 100))
}

/// The medians of both arms, and their ratio.
fn compare(name: &str, outcomes: &[(Arm, Outcome)], quantile: f64) -> io::Result<()> {
    let [all, stalled] = [Arm::AllRead, Arm::OneNeverReads].map(|arm| median(quantiles(outcomes, arm, quantile)));
    let (of_all, of_stalled, ratio) = (us(all), us(stalled), quotient(stalled, all));
    writeln!(io::stdout(), "median {name}: all read {of_all} us, one never reads {of_stalled} us: ratio {ratio}")
}

fn quantiles(outcomes: &[(Arm, Outcome)], arm: Arm, quantile: f64) -> Vec<u64> {
    let of_arm = outcomes.iter().filter(|(other, _)| *other == arm);
    of_arm.map(|(_, outcome)| outcome.seen.latency.value_at_quantile(quantile)).collect()
}

fn row(plan: &Plan, run: usize, arm: Arm, outcome: &Outcome) -> Vec<String> {
    let seen = &outcome.seen;
    let mut cells = vec![run.to_string(), arm.name().to_owned()];
    cells.extend(QUANTILES.map(|quantile| us(seen.latency.value_at_quantile(quantile))));
    cells.push(us(seen.latency.max()));
    cells.extend([seen.frames.to_string(), seen.lost.to_string()]);
    cells.push(quotient(outcome.spent.cpu_ns, plan.seconds * 1_000_000_000));
    cells.extend(outcome.memory_kib.map(|kib| (kib >> 10).to_string()));
    cells.push(outcome.cut_after_ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string()));
    cells.extend([seen.idle_bytes.to_string(), quotient(outcome.spent.others_percent, 100)]);
    cells
}
