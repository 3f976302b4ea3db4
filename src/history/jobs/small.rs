//! How do many small files become rows in one step?
//!
//! A day of open interest is 288 rows: as a segment, a manifest and a ledger of its own it would cost more than it holds. So
//! files of such series are read into memory, each checked whole, a megabyte of zips at a time; then their rows are adopted by
//! one fill, and only after that they are remembered, all at once. A crash between costs their downloads, nothing else.

use crate::{
    exchange::binance::archive::{Dataset, FundingRates, Klines, OpenInterests, Sha256, Table},
    history::{
        archive::{Confirmed, Limits, ReadError, Wanted, read},
        download::{Published, Staged},
        jobs::{
            file::{Listed, Rows, TakeError, Taken, Taker, candle, funding, kind_of, open_interest, origin},
            series::Series,
        },
    },
    store::{
        ledger::ArchiveFile,
        record::Record,
        seal::{FillCounts, FillError},
    },
};
use futures_util::{StreamExt as _, stream};
use std::{convert::Infallible, io, sync::Arc};
use tokio::sync::{Semaphore, oneshot};

/// Zips that are read together: as rows they are some ten times as long.
const ZIP_BYTES_MAX: u64 = 1 << 20;
/// A CSV that is longer is read alone. A month of minutes takes 5 MB.
const CSV_BYTES_MAX: u64 = 16 << 20;
/// Files that are read together.
const FILES_MAX: usize = 64;

/// A small file on this machine.
#[derive(Debug)]
struct Arrived {
    published: Published,
    sha256: Sha256,
    staged: Staged,
}

/// Whether files of a series are small.
pub(super) const fn is_small(series: Series) -> bool {
    matches!(series, Series::OpenInterest | Series::Funding | Series::Candles)
}

/// Cuts files into batches that are read together.
pub(super) fn batches<T>(files: Vec<(T, Published)>) -> Vec<Vec<(T, Published)>> {
    let mut batches: Vec<Vec<_>> = Vec::new();
    let mut bytes = 0_u64;
    for file in files {
        bytes = bytes.saturating_add(file.1.bytes);
        match batches.last_mut().filter(|batch| batch.len() < FILES_MAX && bytes <= ZIP_BYTES_MAX) {
            Some(batch) => batch.push(file),
            None => {
                bytes = file.1.bytes;
                batches.push(vec![file]);
            }
        }
    }
    batches
}

impl Taker {
    /// Takes small files of one series of a contract in one step. Those that are not taken so are left to be taken one by one:
    /// known ones, and those with which anything is wrong.
    pub(super) async fn take_small(
        &self,
        contract: u32,
        files: Vec<Published>,
        downloading: &Semaphore,
    ) -> Result<Vec<(Published, Taken)>, TakeError> {
        let arriving = stream::iter(files).map(|published| async {
            // The semaphore is never closed.
            let _turn = downloading.acquire().await;
            self.arrive(published).await
        });
        let arriving = arriving.buffered(FILES_MAX);
        let arrived: Vec<Option<Arrived>> = arriving.collect().await;
        let arrived: Vec<Arrived> = arrived.into_iter().flatten().collect();
        let Some(dataset) = arrived.first().map(|first| first.published.place.folder().dataset()) else {
            return Ok(Vec::new());
        };
        match dataset {
            Dataset::Klines(_) => self.adopt_small(contract, arrived, |_| Klines, candle).await,
            Dataset::Metrics => {
                let table = |file: &Published| OpenInterests(file.place.folder().symbol().clone());
                self.adopt_small(contract, arrived, table, open_interest).await
            }
            Dataset::FundingRate => self.adopt_small(contract, arrived, |_| FundingRates, funding).await,
            Dataset::AggTrades | Dataset::Trades => Ok(Vec::new()),
        }
    }

    /// A file that is not known yet, if nothing is wrong.
    async fn arrive(&self, published: Published) -> Option<Arrived> {
        let sha256 = self.host.checksum(&published.place).await.ok()??;
        let known = self.library.ledger().archive(&published.place.key());
        if known.is_some_and(|known| known.sha256 == sha256) {
            return None;
        }
        let staged = self.host.zip(&published.place, &|_| {}).await.ok()??;
        Some(Arrived { published, sha256, staged })
    }

    async fn adopt_small<T: Table, R: Record + Send + 'static>(
        &self,
        contract: u32,
        arrived: Vec<Arrived>,
        table: impl Fn(&Published) -> T + Send + 'static,
        row: fn(&T::Row) -> Option<R>,
    ) -> Result<Vec<(Published, Taken)>, TakeError>
    where
        T::Row: 'static,
    {
        let turn = Arc::clone(&self.reading).acquire_owned().await.map_err(|_| TakeError::Stopped)?;
        let (told, is_listed) = oneshot::channel();
        let (listed, filler, limits) = (Listed::new(told, turn), self.filler.clone(), self.limits);
        // What is larger is taken alone, row by row.
        let limits = Limits { csv_bytes_max: CSV_BYTES_MAX, ..limits };
        let reading = move || {
            let (mut rows, mut whole): (Vec<R>, Vec<_>) = (Vec::new(), Vec::new());
            for Arrived { published, sha256, mut staged } in arrived {
                let (place, table) = (&published.place, table(&published));
                let wanted = Wanted { place, table: &table, sha256, limits };
                let stage = |own: &mut Vec<R>, read: &[T::Row]| {
                    own.extend(read.iter().filter_map(row));
                    Ok::<_, Infallible>(())
                };
                let read: Result<Confirmed<Vec<R>, _>, ReadError<Infallible>> =
                    read(&mut staged, &wanted, || Ok(Vec::new()), stage);
                // Whoever takes it alone says what is wrong.
                let Ok(Confirmed { staged: own, tally, .. }) = read else { continue };
                let joins = own.first().zip(rows.last()).is_none_or(|(first, last)| first.key() > last.key());
                // A fill is of one source.
                let is_alike = |(first, ..): &(Published, _, _)| first.place.folder() == place.folder();
                let is_plain = whole.first().is_none_or(is_alike)
                    && tally.conflicts.is_empty()
                    && tally.outside + tally.hollow == 0;
                if joins && is_plain {
                    rows.extend(own);
                    whole.push((published, sha256, tally.rows));
                }
            }
            let Some((first, ..)) = whole.first() else { return Ok((whole, FillCounts::default())) };
            let place = &first.place;
            let kind = kind_of(place.folder().dataset());
            let mut fill = filler.begin(contract, kind, origin(place.period().cadence()))?;
            fill.push(&rows)?;
            let counts = fill.adopt(move || listed.tell())?;
            Ok::<_, FillError>((whole, counts))
        };
        let (whole, counts) = tokio::task::spawn_blocking(reading).await.map_err(io::Error::other)??;
        if whole.is_empty() {
            return Ok(Vec::new());
        }
        is_listed.await.map_err(|_| FillError::Closed)?;
        let (at, mut reads, mut taken) = (self.budget.now(), Vec::new(), Vec::new());
        for (published, sha256, read) in whole {
            let file = ArchiveFile { sha256, at, checked: at, stamp: Some(published.stamp()), ids: None };
            reads.push(self.read_of(contract, &published.place, file));
            // What the fill brought is told of all together, with the first.
            let counts = if taken.is_empty() { counts } else { FillCounts::default() };
            taken.push((published, Taken::Adopted(Rows { read, counts })));
        }
        self.remember(reads).await?;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exchange::binance::archive::{Cadence, Folder},
        model::{Symbol, UnixMillis},
    };

    #[test]
    fn batches_are_bounded_and_hold_every_file_once() {
        let folder = Folder::new(Symbol::new("A").expect("a symbol"), Dataset::Metrics, Cadence::Daily).expect("there");
        let file = |day: i64, bytes: u64| {
            let place = folder.place(UnixMillis::new(day * UnixMillis::DAY));
            (day, Published { place, bytes, modified: None, etag: String::new() })
        };
        let mut files: Vec<_> = (0..100).map(|day| file(day, 10)).collect();
        files.extend([file(100, 2 << 20), file(101, 600 << 10), file(102, 600 << 10), file(103, 1)]);
        let cut: Vec<Vec<i64>> =
            batches(files).into_iter().map(|batch| batch.into_iter().map(|(day, _)| day).collect()).collect();
        assert_eq!(cut.iter().map(Vec::len).collect::<Vec<_>>(), [64, 36, 1, 1, 2]);
        assert_eq!(cut.concat(), (0..104).collect::<Vec<_>>());
    }
}
