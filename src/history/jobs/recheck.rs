//! Has the venue replaced, without a word, a file that was read?
//!
//! What the bucket lists is compared with what it listed when the file was read: once a day for the last two months, once a
//! month for what is older, so that a folder costs a request or two. For files that are others now a job is filed, which
//! fetches their CHECKSUMs and reads again those whose bytes changed. Of a file that is the same it is known that it lacks
//! what it lacked: that is how absent ids are checked again.

use crate::{
    exchange::binance::archive::{Folder, Period},
    history::{
        download::{Host, Published},
        jobs::{
            board::Jobs,
            file::{kind_of, origin},
            job::Want,
            pass::is_replaced,
            series::Series,
        },
    },
    model::UnixMillis,
    net::with_causes,
    store::{
        ledger::{self, ArchiveFile},
        library::Library,
        record::Origin,
    },
};
use std::{collections::BTreeMap, io, sync::Arc};

/// The venue replaces files of the last weeks more often than others.
const YOUNG_MS: i64 = 62 * UnixMillis::DAY;
/// How often young files are looked at, and others. A little less than a day, so that it stays one look a day.
const YOUNG_EVERY_MS: i64 = UnixMillis::DAY - UnixMillis::HOUR;
const OLD_EVERY_MS: i64 = 30 * UnixMillis::DAY;

/// Where files are listed, remembered, and asked for again.
#[derive(Clone, Debug)]
pub struct Recheck {
    /// The archive.
    pub host: Arc<Host>,
    /// What is remembered of its files.
    pub library: Arc<Library>,
    /// Who reads them again.
    pub jobs: Jobs,
}

/// Files of one folder that are to be looked at.
#[derive(Debug)]
struct Due {
    folder: Folder,
    series: Series,
    contract: u32,
    files: BTreeMap<Period, ArchiveFile>,
}

/// A file that was looked at: its key, whose rows, and what sort of file, if it is the same as before.
type Seen = (String, ledger::Series, Option<Origin>);

impl Recheck {
    /// Looks at every file that is due at `now`, one folder after the other.
    pub async fn look(&self, now: UnixMillis) {
        let library = Arc::clone(&self.library);
        // A look that panics is one that found nothing.
        let folders = tokio::task::spawn_blocking(move || due(&library, now)).await.unwrap_or_default();
        let mut seen = Vec::new();
        for folder in folders {
            seen.extend(self.look_at(folder).await);
        }
        let library = Arc::clone(&self.library);
        let noting = tokio::task::spawn_blocking(move || library.ledger().note_checked(&seen, now)).await;
        if let Err(error) = noting.map_err(io::Error::other).flatten() {
            tracing::warn!("which files were looked at cannot be noted: they are looked at again: {error}");
        }
    }

    /// The files of a folder that need no other look for now.
    async fn look_at(&self, due: Due) -> Vec<Seen> {
        let Some((first, last)) = due.files.keys().next().zip(due.files.keys().next_back()) else { return Vec::new() };
        let listed = match self.host.files(&due.folder, (first.start(), last.end())).await {
            Ok(listed) => listed,
            Err(error) => {
                let prefix = due.folder.prefix();
                tracing::info!(prefix, "files cannot be looked at again now: {}", with_causes(&error));
                return Vec::new();
            }
        };
        let listed_now = due.files.iter().filter_map(|(period, taken)| Some((taken, listed.get(period)?)));
        let (same, replaced): (Vec<_>, Vec<_>) = listed_now.partition(|(taken, file)| !is_replaced(taken, file));
        let [same, replaced] =
            [same, replaced].map(|files| files.into_iter().map(|(_, file)| file).collect::<Vec<_>>());
        let is_asked_for = replaced.is_empty() || self.read_again(&due, &replaced).await;
        let seen = due.files.keys().filter(|period| is_asked_for || !is_among(**period, &replaced));
        let series = (due.contract, kind_of(due.folder.dataset()));
        // One that is others now, or not listed any more, vouches for nothing.
        let source = |period| is_among(period, &same).then(|| origin(due.folder.cadence()));
        seen.map(|period| (due.folder.place(period.start()).key(), series, source(*period))).collect()
    }

    /// Whether a job is filed for files that were replaced.
    async fn read_again(&self, due: &Due, replaced: &[&Published]) -> bool {
        let periods = || replaced.iter().map(|file| file.place.period());
        let (Some(from), Some(to)) = (periods().map(Period::start).min(), periods().map(Period::end).max()) else {
            return true;
        };
        let symbol = due.folder.symbol().to_string();
        let (files, series) = (replaced.len(), due.series.as_str());
        tracing::warn!(symbol, series, files, "the archive has replaced files that were read: they are read again");
        let (symbols, series) = (vec![symbol], vec![due.series]);
        let want = Want { symbols, series, from: from.get(), to: to.get(), replaced_only: true };
        self.jobs.ask_for(want).await
    }
}

fn is_among(period: Period, files: &[&Published]) -> bool {
    files.iter().any(|file| file.place.period() == period)
}

/// The folders with files that are due at `now`, and what is remembered of those files. Blocks on the disk.
fn due(library: &Library, now: UnixMillis) -> Vec<Due> {
    let mut found = Vec::new();
    for row in library.contracts() {
        let Some(symbol) = row.symbol() else { continue };
        for series in Series::ALL {
            let dataset = series.dataset();
            for cadence in dataset.cadences() {
                // It is one of those that the dataset has.
                let Ok(folder) = Folder::new(symbol.clone(), dataset, *cadence) else { continue };
                let known = library.ledger().archives_below(&folder.prefix()).into_iter();
                let known = known.filter_map(|(key, file)| Some((folder.place_of(&key)?.period(), file)));
                let files: BTreeMap<_, _> = known.filter(|(period, file)| is_due(*period, file, now)).collect();
                if !files.is_empty() {
                    found.push(Due { folder, series, contract: row.number, files });
                }
            }
        }
    }
    found
}

fn is_due(period: Period, file: &ArchiveFile, now: UnixMillis) -> bool {
    let is_young = now.since(period.end()) < YOUNG_MS;
    now.since(file.checked) >= if is_young { YOUNG_EVERY_MS } else { OLD_EVERY_MS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn young_files_are_looked_at_each_day_and_older_ones_each_month() {
        let day = |text: &str| Period::parse(text).expect("a date");
        let now = day("2026-11-20").start();
        let check = |period: &str, days: i64, expected: bool| {
            let checked = now.plus(-days * UnixMillis::DAY);
            let file = ArchiveFile { sha256: [0; 32], at: checked, checked, stamp: Some(1), ids: None };
            assert_eq!(is_due(day(period), &file, now), expected, "{period} after {days} days");
        };
        check("2026-11-18", 0, false);
        check("2026-11-18", 1, true);
        check("2026-09", 1, true);
        check("2026-08", 1, false);
        check("2026-08", 29, false);
        check("2020-01-01", 30, true);
    }
}
