//! How does one file of the archive become rows of the store?
//!
//! CHECKSUM first, then the zip to staging, then every check of the reader, then one step into the store; only then is the
//! file remembered. Whatever ends this before leaves nothing behind.

use crate::{
    exchange::binance::{
        Kline,
        archive::{AggTrades, Cadence, Dataset, FundingRates, Klines, OpenInterests, Place, RawTrades, Sha256, Table},
    },
    history::{
        archive::{Cause, Confirmed, Limits, ReadError, Tally, Wanted, read},
        budget::Budget,
        download::{GetError, Host, Published, Staged},
    },
    model::{Candle, Funding, IdRange, OpenInterest, Source, Trade},
    net::with_causes,
    store::{
        ledger::{ArchiveFile, FileRead},
        library::Library,
        record::{FundingRow, Kind, OpenInterestRow, Origin, Record},
        seal::{Fill, FillCounts, FillError, Filler},
    },
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How often a file is downloaded anew whose bytes are not those of its CHECKSUM.
const DOWNLOADS_MAX: usize = 3;

/// Into which store, and by what means.
#[derive(Clone, Debug)]
pub(super) struct Taker {
    pub(super) host: Arc<Host>,
    pub(super) filler: Filler,
    pub(super) library: Arc<Library>,
    /// Files that are read at once: what bounds memory.
    pub(super) reading: Arc<Semaphore>,
    pub(super) limits: Limits,
    /// Tells the venue's time: when a file was read is compared with when the venue put it there.
    pub(super) budget: Budget,
}

/// What became of a file.
#[derive(Debug)]
pub(super) enum Taken {
    /// Its rows are in the store.
    Adopted(Rows),
    /// It is the one that was taken before.
    Known,
    /// It is not there, or its CHECKSUM is not.
    NotThere,
    /// The venue published something else than it should; why.
    Refused(String),
}

/// What a file brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) read: u64,
    pub(super) counts: FillCounts,
}

/// Why it is not known what became of a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeError {
    /// It cannot be had now.
    #[error(transparent)]
    Download(#[from] GetError),
    /// It cannot be stored.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// It cannot be read from where it was staged, or no thread can be had.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// It does not come through whole.
    #[error("it was downloaded {DOWNLOADS_MAX} times and never had the bytes of its CHECKSUM")]
    Torn,
    /// Nobody wants it any more.
    #[error("it was given up")]
    Stopped,
}

/// Set when whoever waits for a file waits no more.
#[derive(Debug, Default)]
struct Quit(Arc<AtomicBool>);

impl Drop for Quit {
    fn drop(&mut self) {
        // A flag that guards nothing: `Relaxed` serves.
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Taker {
    /// Takes a file for a contract, and tells `arrived` of its bytes. A file that is the one remembered is not fetched, unless
    /// `again`: its rows are not all held any more.
    pub(super) async fn take(
        &self,
        contract: u32,
        (published, again): (&Published, bool),
        arrived: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Taken, TakeError> {
        let place = &published.place;
        for _ in 0..DOWNLOADS_MAX {
            let sha256 = match self.host.checksum(place).await {
                Ok(Some(sha256)) => sha256,
                Ok(None) => return Ok(Taken::NotThere),
                Err(GetError::Checksum(error)) => return Ok(Taken::Refused(error.to_string())),
                Err(error) => return Err(error.into()),
            };
            let known = self.library.ledger().archive(&place.key());
            if let Some(known) = known.filter(|known| !again && known.sha256 == sha256 && known.stamp.is_some()) {
                let file = ArchiveFile { stamp: Some(published.stamp()), checked: self.budget.now(), ..known };
                self.remember(vec![self.read_of(contract, place, file)]).await?;
                return Ok(Taken::Known);
            }
            let Some(staged) = self.host.zip(place, arrived).await? else { return Ok(Taken::NotThere) };
            match self.adopt(contract, published, sha256, staged).await {
                Ok(rows) => return Ok(Taken::Adopted(rows)),
                Err(ReadError::Refused { cause: Cause::Checksum { .. }, name }) => {
                    tracing::info!(name, "the bytes are not those of the CHECKSUM: both are fetched again");
                }
                Err(ReadError::Refused { cause: Cause::Io(error), .. }) => return Err(error.into()),
                Err(ReadError::Refused { cause, .. }) => return Ok(Taken::Refused(with_causes(&cause))),
                Err(ReadError::Staging(error)) => return Err(error),
            }
        }
        Err(TakeError::Torn)
    }

    /// Reads a staged file and waits until its rows are listed.
    async fn adopt(
        &self,
        contract: u32,
        published: &Published,
        sha256: Sha256,
        staged: Staged,
    ) -> Result<Rows, ReadError<TakeError>> {
        let failed = |error: TakeError| ReadError::Staging(error);
        let turn = Arc::clone(&self.reading).acquire_owned().await.map_err(|_| failed(TakeError::Stopped))?;
        let quit = Quit::default();
        let (told, is_listed) = oneshot::channel();
        let listed = Listed::new(told, turn);
        let reading = Reading {
            filler: self.filler.clone(),
            contract,
            place: published.place.clone(),
            sha256,
            limits: self.limits,
            quit: Arc::clone(&quit.0),
        };
        let taking = tokio::task::spawn_blocking(move || reading.run(staged, listed));
        let Read { rows, ids, absent } = taking.await.map_err(|error| failed(io::Error::other(error).into()))??;
        is_listed.await.map_err(|_| failed(FillError::Closed.into()))?;
        let at = self.budget.now();
        let file = ArchiveFile { sha256, at, checked: at, stamp: Some(published.stamp()), ids };
        let read = FileRead { absent, ..self.read_of(contract, &published.place, file) };
        self.remember(vec![read]).await.map_err(|error| failed(error.into()))?;
        Ok(rows)
    }

    pub(super) fn read_of(&self, contract: u32, place: &Place, file: ArchiveFile) -> FileRead {
        let (folder, period) = (place.folder(), place.period());
        let beside = [period.start().plus(-1), period.end()].map(|time| folder.place(time).key());
        let kind = kind_of(folder.dataset());
        let (series, source) = ((contract, kind), origin(period.cadence()));
        FileRead { key: place.key(), beside, file, series, source, absent: Vec::new() }
    }

    pub(super) async fn remember(&self, reads: Vec<FileRead>) -> io::Result<()> {
        let library = Arc::clone(&self.library);
        tokio::task::spawn_blocking(move || library.ledger().note_files(reads)).await.map_err(io::Error::other)?
    }
}

/// What was read of a file, once its rows are on their way into the store.
struct Read {
    rows: Rows,
    /// Its first id and its last, if it holds no rows but those of its time.
    ids: Option<IdRange>,
    /// What it steps over.
    absent: Vec<IdRange>,
}

/// One reading of a staged file, on a thread that may block.
struct Reading {
    filler: Filler,
    contract: u32,
    place: Place,
    sha256: Sha256,
    limits: Limits,
    quit: Arc<AtomicBool>,
}

/// Called when rows are listed. Until then nobody else reads, even if whoever waited for the file has gone.
pub(super) struct Listed {
    told: oneshot::Sender<()>,
    _turn: OwnedSemaphorePermit,
}

impl Listed {
    pub(super) const fn new(told: oneshot::Sender<()>, turn: OwnedSemaphorePermit) -> Self {
        Self { told, _turn: turn }
    }

    pub(super) fn tell(self) {
        // Whoever waits may have gone: what is verified stays all the same.
        self.told.send(()).unwrap_or_default();
    }
}

type Done = Result<Read, ReadError<TakeError>>;

impl Reading {
    fn run(&self, staged: Staged, listed: Listed) -> Done {
        let kind = kind_of(self.place.folder().dataset());
        let symbol = self.place.folder().symbol();
        match self.place.folder().dataset() {
            Dataset::AggTrades => self.rows(staged, listed, &AggTrades, kind, |row: &Trade| Some(*row)),
            Dataset::Trades => self.rows(staged, listed, &RawTrades, kind, |row: &Trade| Some(*row)),
            Dataset::Klines(_) => self.rows(staged, listed, &Klines, kind, candle),
            Dataset::Metrics => {
                let table = OpenInterests(symbol.clone());
                self.rows(staged, listed, &table, kind, open_interest)
            }
            Dataset::FundingRate => self.rows(staged, listed, &FundingRates, kind, funding),
        }
    }

    fn rows<T: Table, R: Record>(
        &self,
        mut staged: Staged,
        listed: Listed,
        table: &T,
        kind: Kind,
        row: impl Fn(&T::Row) -> Option<R>,
    ) -> Done {
        let begin = || Ok(self.filler.begin(self.contract, kind, self.origin())?);
        let stage = |fill: &mut Fill, rows: &[T::Row]| {
            if self.quit.load(Ordering::Relaxed) {
                return Err(TakeError::Stopped);
            }
            Ok(fill.push(&rows.iter().filter_map(&row).collect::<Vec<_>>())?)
        };
        let wanted = Wanted { place: &self.place, table, sha256: self.sha256, limits: self.limits };
        let Confirmed { staged: fill, tally, .. } = read(&mut staged, &wanted, begin, stage)?;
        let counts = fill.adopt(move || listed.tell()).map_err(|error| ReadError::Staging(error.into()))?;
        self.tell(&tally, counts);
        let (ids, absent) = if kind == Kind::Trade { stepped_over(&tally) } else { (None, Vec::new()) };
        Ok(Read { rows: Rows { read: tally.rows, counts }, ids, absent })
    }

    /// Says in the log what is strange about a file.
    fn tell(&self, tally: &Tally<impl Sized>, counts: FillCounts) {
        let (file, differing) = (&self.place, counts.conflicts);
        let (conflicts, outside, hollow) = (tally.conflicts.len(), tally.outside, tally.hollow);
        if conflicts as u64 + tally.conflicts_omitted + outside + hollow + differing > 0 {
            tracing::warn!(%file, conflicts, outside, hollow, differing, "the file has rows that contradict, stray, lack their amount, or differ from what is held");
        }
    }

    fn origin(&self) -> Origin {
        origin(self.place.period().cadence())
    }
}

/// The first id of a file and its last, and the ids between that it steps over. Raw ids that name no trade are many, and known
/// from no other source; a file that was not read to its end, or has rows of another time, says nothing.
fn stepped_over(tally: &Tally<impl Sized>) -> (Option<IdRange>, Vec<IdRange>) {
    if tally.outside + tally.runs_omitted > 0 {
        return (None, Vec::new());
    }
    let ends = tally.runs.first().zip(tally.runs.last());
    let between = |pair: &[IdRange]| match pair {
        [before, after] => IdRange::new(before.last.checked_add(1)?, after.first.checked_sub(1)?),
        _ => None,
    };
    let ids = ends.and_then(|(first, last)| IdRange::new(first.first, last.last));
    (ids, tally.runs.windows(2).filter_map(between).collect())
}

/// What the store calls the rows of a dataset.
pub(super) const fn kind_of(dataset: Dataset) -> Kind {
    match dataset {
        Dataset::AggTrades => Kind::Trade,
        Dataset::Trades => Kind::RawTrade,
        Dataset::Klines(_) => Kind::Candle,
        Dataset::Metrics => Kind::OpenInterest,
        Dataset::FundingRate => Kind::Funding,
    }
}

/// What rows of such files say of their source.
pub(in crate::history) const fn origin(cadence: Cadence) -> Origin {
    match cadence {
        Cadence::Daily => Origin::DailyArchive,
        Cadence::Monthly => Origin::MonthlyArchive,
    }
}

/// An official bucket as a candle; ids are not in the archive. One without trades is none: the venue carries a price on.
pub(super) fn candle(kline: &Kline) -> Option<Candle> {
    (kline.count > 0).then_some(Candle {
        open_time: kline.open_time,
        close_time: kline.close_time,
        open: kline.open,
        high: kline.high,
        low: kline.low,
        close: kline.close,
        volume: kline.volume,
        quote_volume: kline.quote_volume,
        taker_buy_volume: kline.taker_buy_volume,
        taker_buy_quote_volume: kline.taker_buy_quote_volume,
        trades: kline.count,
        raw_trades: kline.count,
        first_id: 0,
        last_id: 0,
        closed: true,
        complete: true,
        revision: 0,
        source: Source::Klines,
    })
}

#[expect(clippy::unnecessary_wraps, reason = "rows of other tables may be none")]
pub(super) fn open_interest(row: &OpenInterest) -> Option<OpenInterestRow> {
    Some(OpenInterestRow { time: row.time, quantity: row.quantity, value: row.value.unwrap_or_default() })
}

#[expect(clippy::unnecessary_wraps, reason = "rows of other tables may be none")]
pub(super) fn funding(row: &Funding) -> Option<FundingRow> {
    Some(FundingRow::from(*row))
}
