//! How do the figures stand side by side?

use crate::{
    rig::text::{median, quotient, table, us},
    run::{Arm, Outcome, Pace, Plan},
};
use std::io;

const SECOND_NS: u64 = 1_000_000_000;

/// The medians of a plan's rounds.
struct Line<'a> {
    plan: &'a Plan,
    outcomes: &'a [Outcome],
}

impl Line<'_> {
    fn median(&self, figure: impl Fn(&Outcome) -> u64) -> u64 {
        median(self.outcomes.iter().map(figure).collect())
    }

    fn latency_ns(&self, at: usize) -> u64 {
        self.median(|outcome| outcome.latency_ns[at])
    }

    fn lost(&self) -> String {
        let lost: u64 = self.outcomes.iter().map(|outcome| outcome.tally.lost).sum();
        let ended = self.outcomes.iter().filter(|outcome| outcome.ended).count();
        if ended == 0 { lost.to_string() } else { format!("{lost} ({ended} cut)") }
    }

    /// CPU time of the process under test for each trade that was sent.
    fn cpu(&self) -> String {
        if self.plan.arm == Arm::Direct {
            return "-".to_owned();
        }
        quotient(self.median(|outcome| outcome.spent.cpu_ns / outcome.sent), 1_000)
    }

    fn others(&self) -> String {
        quotient(self.median(|outcome| outcome.spent.others_percent), 100)
    }

    fn others_bytes(&self) -> String {
        let least = self.outcomes.iter().filter_map(|outcome| outcome.others_bytes_percent).min();
        least.map_or_else(|| "-".to_owned(), |percent| format!("{percent}%"))
    }

    /// MiB.
    fn peak(&self) -> String {
        let most = self.outcomes.iter().map(|outcome| outcome.peak_kib >> 10).max();
        most.filter(|mib| *mib > 0).map_or_else(|| "-".to_owned(), |mib| mib.to_string())
    }

    fn arrivals_per_second(&self) -> u64 {
        self.median(|outcome| outcome.timed * SECOND_NS / outcome.coming_ns.max(1))
    }
}

/// Prints every table.
pub(crate) fn print(plans: &[Plan], outcomes: &[Vec<Outcome>]) -> io::Result<()> {
    let lines: Vec<_> = plans.iter().zip(outcomes).map(|(plan, outcomes)| Line { plan, outcomes }).collect();
    let (steady, flood): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| matches!(line.plan.pace, Pace::Steady { .. }));
    if !steady.is_empty() {
        println_plain(
            "\nFrom the exchange's write to the subscriber's read, in us: medians of the rounds' quantiles.\n\
             cpu: us of the program in between for a trade sent. lost: ids named in gaps, all rounds.\n\
             least: bytes of the worst of the other subscribers, beside the timed one's. peak: MiB of the program in between. \n\
             others: cores that other programs used; above 0.3 the times say little.\n",
        )?;
        table(&latencies(&steady))?;
        println_plain("What the program in between adds, in us, and tapedeck's figures divided by the relay's.\n")?;
        table(&ratios(&steady))?;
    }
    if !flood.is_empty() {
        println_plain(
            "Sent as fast as it is taken. in: trades/s that the exchange could write. out: trades/s that the subscriber got.\n",
        )?;
        table(&floods(&flood))?;
    }
    Ok(())
}

fn println_plain(text: &str) -> io::Result<()> {
    use io::Write as _;
    writeln!(io::stdout(), "{text}")
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

fn latencies(lines: &[Line<'_>]) -> Vec<Vec<String>> {
    let head = [
        "trades/s",
        "subs",
        "by",
        "p50",
        "p99",
        "p99.9",
        "cpu",
        "frames/s",
        "rows/frame",
        "lost",
        "least",
        "peak",
        "others",
    ];
    let mut rows = vec![row(&head)];
    for line in lines {
        let Pace::Steady { per_second, .. } = line.plan.pace else { continue };
        let rows_per_frame_hundredths = line.median(|outcome| outcome.tally.came * 100 / outcome.frames.max(1));
        rows.push(vec![
            per_second.to_string(),
            line.plan.subscribers.to_string(),
            line.plan.arm.name().to_owned(),
            us(line.latency_ns(0)),
            us(line.latency_ns(1)),
            us(line.latency_ns(2)),
            line.cpu(),
            (line.arrivals_per_second() * 100 / rows_per_frame_hundredths.max(1)).to_string(),
            quotient(rows_per_frame_hundredths, 100),
            line.lost(),
            line.others_bytes(),
            line.peak(),
            line.others(),
        ]);
    }
    rows
}

/// What each arm adds to `direct` at the same pace, and how tapedeck stands to the relay.
fn ratios(lines: &[Line<'_>]) -> Vec<Vec<String>> {
    let head = ["trades/s", "subs", "by", "added p50", "added p99", "added/relay p50", "p99", "total/relay p50", "p99"];
    let mut rows = vec![row(&head)];
    for line in lines.iter().filter(|line| line.plan.arm != Arm::Direct) {
        let Pace::Steady { per_second, .. } = line.plan.pace else { continue };
        let beside =
            |name| lines.iter().find(|other| other.plan.pace == line.plan.pace && other.plan.arm.name() == name);
        let Some(direct) = beside("direct") else { continue };
        let added = |line: &Line<'_>, at| line.latency_ns(at).saturating_sub(direct.latency_ns(at));
        let mut cells =
            vec![per_second.to_string(), line.plan.subscribers.to_string(), line.plan.arm.name().to_owned()];
        cells.extend([0, 1].map(|at| us(added(line, at))));
        if let Some(relay) = beside("relay").filter(|_| line.plan.arm == Arm::Tapedeck) {
            cells.extend([0, 1].map(|at| quotient(added(line, at), added(relay, at))));
            cells.extend([0, 1].map(|at| quotient(line.latency_ns(at), relay.latency_ns(at))));
        }
        rows.push(cells);
    }
    rows
}

fn floods(lines: &[Line<'_>]) -> Vec<Vec<String>> {
    let mut rows =
        vec![row(&["trades", "subs", "by", "in", "out", "cpu", "rows/frame", "lost", "least", "peak", "others"])];
    for line in lines {
        rows.push(vec![
            line.median(|outcome| outcome.sent).to_string(),
            line.plan.subscribers.to_string(),
            line.plan.arm.name().to_owned(),
            line.median(|outcome| outcome.sent * SECOND_NS / outcome.sending_ns.max(1)).to_string(),
            line.arrivals_per_second().to_string(),
            line.cpu(),
            quotient(line.median(|outcome| outcome.tally.came * 100 / outcome.frames.max(1)), 100),
            line.lost(),
            line.others_bytes(),
            line.peak(),
            line.others(),
        ]);
    }
    rows
}
