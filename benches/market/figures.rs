//! What came of it?

use super::{
    follow::{Arrivals, Came, Seen},
    rig::{
        process::Spent,
        text::{quotient, table},
    },
};
use anyhow::ensure;
use std::time::Duration;

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) seconds: Duration,
    /// That came while it was measured.
    pub(crate) trades: u64,
    pub(crate) spent: Spent,
    /// What the simulated exchange spent.
    pub(crate) venue_ns: u64,
    pub(crate) resident_kib: u64,
    pub(crate) told: Arrivals,
    pub(crate) seen: Seen,
}

impl Report {
    /// Prints it, and fails when a trade was lost; `missing` is what the server says of itself.
    pub(crate) fn print(mut self, missing: &[(String, u64)]) -> anyhow::Result<()> {
        let seconds = self.seconds.as_secs().max(1);
        let heads = ["trades/s", "CPU %", "us a trade", "exchange CPU %", "others CPU %", "peak MiB"];
        let core_percent = |ns: u64| (ns / 10_000_000 / seconds).to_string();
        let row = [
            (self.trades / seconds).to_string(),
            core_percent(self.spent.cpu_ns),
            quotient(self.spent.cpu_ns / 1_000, self.trades),
            core_percent(self.venue_ns),
            self.spent.others_percent.saturating_sub(self.venue_ns / 10_000_000 / seconds).to_string(),
            (self.resident_kib / 1_024).to_string(),
        ];
        table(&[heads.map(str::to_owned).to_vec(), row.to_vec()])?;
        let (mut published_ms, mut added_us, mut named, mut lost) = (Vec::new(), Vec::new(), 0_u64, 0_u64);
        for (key, told) in self.told.drain() {
            let Some(Came { at_ns, said_ms }) = self.seen.arrivals.get(&key) else {
                let is_named = self.seen.names(&key);
                (named, lost) = (named + u64::from(is_named), lost + u64::from(!is_named));
                continue;
            };
            published_ms.push(said_ms.saturating_sub(told.said_ms));
            added_us.push(at_ns.saturating_sub(told.at_ns) / 1_000);
        }
        let compared = published_ms.len();
        let heads = ["", "p50", "p99", "p99.9", "max"].map(str::to_owned).to_vec();
        let published = quantiles("event to publish, ms", published_ms);
        table(&[heads, published, quantiles("later than the exchange's own client, us", added_us)])?;
        println!(
            "{compared} trades compared; {named} more were named in gaps, and {lost} lost; ids skipped without a word: {}; gaps: {}; repairs: {}; missing \
             by the server's own word: {missing:?}",
            self.seen.unnamed,
            self.seen.gaps.len(),
            self.seen.repairs
        );
        ensure!(lost == 0 && self.seen.unnamed == 0 && missing.is_empty(), "trades were lost");
        Ok(())
    }
}

fn quantiles(name: &str, mut values: Vec<u64>) -> Vec<String> {
    values.sort_unstable();
    let at = |per_mille: usize| {
        let place = (values.len() * per_mille / 1_000).min(values.len().saturating_sub(1));
        values.get(place).map_or_else(|| "-".to_owned(), u64::to_string)
    };
    vec![name.to_owned(), at(500), at(990), at(999), at(1_000)]
}
