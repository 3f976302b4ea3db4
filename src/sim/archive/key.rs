//! Which files does the archive hold, what are they called, and from when on?

use crate::{
    model::UnixMillis,
    sim::{
        archive::calendar::{date, month, months_after, next_monday, parse_date},
        contract::Contract,
        market::Market,
        series::is_funded,
    },
};

/// Everything of this market is below.
pub(super) const ROOT: &str = "data/futures/um/";
/// A file appears this long after the midnight of its day (measured: 08:30 to 09:00 UTC).
const PUBLISHED_MS: i64 = 8 * UnixMillis::HOUR + 30 * UnixMillis::MINUTE;
/// What follows the name of a file whose checksum it is.
pub(super) const CHECKSUM: &str = ".CHECKSUM";

/// How much time one file covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cycle {
    Daily,
    Monthly,
}

impl Cycle {
    pub(super) const ALL: [Self; 2] = [Self::Daily, Self::Monthly];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Monthly => "monthly",
        }
    }
}

/// What a file holds. Of klines there are those of one minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dataset {
    AggTrades,
    FundingRate,
    Klines,
    Metrics,
    Trades,
}

impl Dataset {
    pub(super) const ALL: [Self; 5] = [Self::AggTrades, Self::FundingRate, Self::Klines, Self::Metrics, Self::Trades];

    const fn as_str(self) -> &'static str {
        match self {
            Self::AggTrades => "aggTrades",
            Self::FundingRate => "fundingRate",
            Self::Klines => "klines",
            Self::Metrics => "metrics",
            Self::Trades => "trades",
        }
    }

    /// Binance, "Public Data" README and the bucket's listing (2026-08).
    const fn has(self, cycle: Cycle) -> bool {
        match self {
            Self::AggTrades | Self::Klines | Self::Trades => true,
            Self::Metrics => matches!(cycle, Cycle::Daily),
            Self::FundingRate => matches!(cycle, Cycle::Monthly),
        }
    }

    fn is_of(self, contract: &Contract) -> bool {
        match self {
            Self::FundingRate => is_funded(contract),
            _ => contract.trades(),
        }
    }

    /// Whether it is made up beside the trades, and so only in a generated market.
    const fn is_series(self) -> bool {
        matches!(self, Self::Metrics | Self::FundingRate)
    }
}

/// All files of one contract, dataset and cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shelf {
    pub(super) cycle: Cycle,
    pub(super) dataset: Dataset,
    /// The contract's index.
    pub(super) contract: usize,
}

/// One zip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) shelf: Shelf,
    /// The first millisecond of its day or month.
    pub(super) start: i64,
}

impl Shelf {
    /// Whether it ever holds a file.
    pub(super) fn exists(self, market: &Market) -> bool {
        self.dataset.has(self.cycle)
            && market.contracts.get(self.contract).is_some_and(|contract| self.dataset.is_of(contract))
            && market.span(self.contract).is_some()
            && (market.key(self.contract).is_some() || !self.dataset.is_series())
    }

    /// The folder, with the slash at its end.
    pub(super) fn folder(self, contract: &Contract) -> String {
        let (cycle, dataset, symbol) = (self.cycle.as_str(), self.dataset.as_str(), contract.symbol.as_str());
        let interval = if self.dataset == Dataset::Klines { "1m/" } else { "" };
        format!("{ROOT}{cycle}/{dataset}/{symbol}/{interval}")
    }

    /// Its files whose time is over by `now`, oldest first: those that are due, and those that may be early.
    pub(super) fn files(self, market: &Market, now: i64) -> impl Iterator<Item = File> {
        let (begin, end) = market.span(self.contract).filter(|_| self.exists(market)).unwrap_or((0, 0));
        let first = File { shelf: self, start: self.floor(begin) };
        let files = std::iter::successors(Some(first), |file| Some(File { start: file.end(), ..*file }));
        files.take_while(move |file| file.start < end && file.end() <= now)
    }

    fn floor(self, time: i64) -> i64 {
        match self.cycle {
            Cycle::Daily => UnixMillis::new(time).floor(UnixMillis::DAY, 0).get(),
            Cycle::Monthly => months_after(time, 0),
        }
    }
}

impl File {
    /// The file at `path`, published or not; nothing where the archive will never have one.
    pub(super) fn find(market: &Market, path: &str) -> Option<Self> {
        let (folder, name) = path.strip_prefix(ROOT)?.rsplit_once('/')?;
        let mut parts = folder.split('/');
        let (cycle, dataset, symbol) = (parts.next()?, parts.next()?, parts.next()?);
        let shelf = Shelf {
            cycle: Cycle::ALL.into_iter().find(|known| known.as_str() == cycle)?,
            dataset: Dataset::ALL.into_iter().find(|known| known.as_str() == dataset)?,
            contract: market.find(|contract| contract.symbol.as_str() == symbol)?,
        };
        let length = if shelf.cycle == Cycle::Daily { "2026-08-19".len() } else { "2026-08".len() };
        let stem = name.strip_suffix(".zip")?;
        let file = Self { shelf, start: parse_date(stem.get(stem.len().checked_sub(length)?..)?)? };
        let (begin, end) = market.span(shelf.contract).filter(|_| shelf.exists(market))?;
        let is_held = (shelf.floor(begin)..end).contains(&file.start);
        (is_held && file.path(&market.contracts[shelf.contract]) == path).then_some(file)
    }

    /// Exclusive.
    pub(super) fn end(&self) -> i64 {
        match self.shelf.cycle {
            Cycle::Daily => self.start + UnixMillis::DAY,
            Cycle::Monthly => months_after(self.start, 1),
        }
    }

    /// When it appears unless it is late: the next morning, or the next month's first Monday.
    pub(super) fn due(&self) -> i64 {
        match self.shelf.cycle {
            Cycle::Daily => self.end() + PUBLISHED_MS,
            Cycle::Monthly => next_monday(self.end()) + PUBLISHED_MS,
        }
    }

    /// The name without `.zip` or `.csv`.
    pub(super) fn stem(&self, contract: &Contract) -> String {
        let dataset = if self.shelf.dataset == Dataset::Klines { "1m" } else { self.shelf.dataset.as_str() };
        let date = if self.shelf.cycle == Cycle::Daily { date(self.start) } else { month(self.start) };
        format!("{}-{dataset}-{date}", contract.symbol)
    }

    /// Where it is in the bucket.
    pub(super) fn path(&self, contract: &Contract) -> String {
        format!("{}{}.zip", self.shelf.folder(contract), self.stem(contract))
    }
}
