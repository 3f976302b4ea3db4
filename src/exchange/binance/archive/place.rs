//! Where in the archive does a series stand, and what are its files called?

use crate::exchange::binance::archive::period::{Cadence, Period};
use crate::exchange::binance::routes::offers_klines;
use crate::model::{Symbol, Timeframe, UnixMillis};
use std::fmt;

/// The product line's folder below the archive's base URL.
const MARKET: &str = "data/futures/um";

/// A kind of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dataset {
    /// Aggregate trades, since 2019-12-31.
    AggTrades,
    /// Raw trades of the order book.
    Trades,
    /// Official buckets of one of the venue's intervals.
    Klines(Timeframe),
    /// Open interest every five minutes, since 2020-09.
    Metrics,
    /// Settled fundings, since 2020-01.
    FundingRate,
}

impl Dataset {
    /// The folder's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::AggTrades => "aggTrades",
            Self::Trades => "trades",
            Self::Klines(_) => "klines",
            Self::Metrics => "metrics",
            Self::FundingRate => "fundingRate",
        }
    }

    /// How its files are cut; several where the same rows are there twice. Bars of more than a day are in monthly files only.
    pub fn cadences(self) -> &'static [Cadence] {
        match self {
            Self::AggTrades | Self::Trades => &[Cadence::Daily, Cadence::Monthly],
            Self::Klines(timeframe) if !offers_klines(timeframe) => &[],
            Self::Klines(timeframe) if matches!(timeframe.to_string().as_str(), "3d" | "1w" | "1M") => {
                &[Cadence::Monthly]
            }
            Self::Klines(_) => &[Cadence::Daily, Cadence::Monthly],
            Self::Metrics => &[Cadence::Daily],
            Self::FundingRate => &[Cadence::Monthly],
        }
    }

    /// The interval in the archive's spelling: a month is `1mo`, as file systems know no case.
    fn interval(self) -> Option<String> {
        match self {
            Self::Klines(Timeframe::MONTH) => Some("1mo".to_owned()),
            Self::Klines(timeframe) => Some(timeframe.to_string()),
            _ => None,
        }
    }
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        self.interval().map_or(Ok(()), |interval| write!(f, " {interval}"))
    }
}

/// What the archive does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the archive has no {} files of {dataset}", .cadence.word())]
pub struct PlaceError {
    /// What was asked for.
    pub dataset: Dataset,
    /// In which files.
    pub cadence: Cadence,
}

/// A folder of the archive: one series of one contract, cut by day or month.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folder {
    dataset: Dataset,
    cadence: Cadence,
    symbol: Symbol,
}

impl Folder {
    /// The folder of a series.
    ///
    /// # Errors
    ///
    /// When the archive has no such files of anything.
    pub fn new(symbol: Symbol, dataset: Dataset, cadence: Cadence) -> Result<Self, PlaceError> {
        let exists = dataset.cadences().contains(&cadence);
        if exists { Ok(Self { dataset, cadence, symbol }) } else { Err(PlaceError { dataset, cadence }) }
    }

    /// What its rows are.
    pub const fn dataset(&self) -> Dataset {
        self.dataset
    }

    /// How its files are cut.
    pub const fn cadence(&self) -> Cadence {
        self.cadence
    }

    /// Whose rows they are.
    pub const fn symbol(&self) -> &Symbol {
        &self.symbol
    }

    /// The prefix under which a dataset's symbols are listed, with `/` as delimiter.
    pub fn symbols_prefix(dataset: Dataset, cadence: Cadence) -> String {
        format!("{MARKET}/{}/{}/", cadence.word(), dataset.word())
    }

    /// The prefix under which its files are listed: keys are plain UTF-8, not percent-encoded.
    pub fn prefix(&self) -> String {
        let symbols = Self::symbols_prefix(self.dataset, self.cadence);
        match self.dataset.interval() {
            Some(interval) => format!("{symbols}{}/{interval}/", self.symbol),
            None => format!("{symbols}{}/", self.symbol),
        }
    }

    /// The file that covers `time`'s day or month.
    pub fn place(&self, time: UnixMillis) -> Place {
        Place { folder: self.clone(), period: Period::of(self.cadence, time) }
    }

    /// The file that a listed key names, if it is a zip of this folder; their CHECKSUMs and strangers are not.
    pub fn place_of(&self, key: &str) -> Option<Place> {
        let name = key.strip_prefix(&self.prefix())?.strip_suffix(".zip")?;
        let date = name.strip_prefix(&self.before_date())?;
        let period = Period::parse(date).filter(|period| period.cadence() == self.cadence)?;
        Some(Place { folder: self.clone(), period })
    }

    /// What stands before the date in its files' names.
    fn before_date(&self) -> String {
        match self.dataset.interval() {
            Some(interval) => format!("{}-{interval}-", self.symbol),
            None => format!("{}-{}-", self.symbol, self.dataset.word()),
        }
    }
}

/// One file of the archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    folder: Folder,
    period: Period,
}

impl Place {
    /// The series it is a part of.
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What it covers.
    pub const fn period(&self) -> Period {
        self.period
    }

    /// Its name: `BTCUSDT-aggTrades-2026-03-09.zip`.
    pub fn zip_name(&self) -> String {
        format!("{}{}.zip", self.folder.before_date(), self.period)
    }

    /// The name of the one entry in it: `BTCUSDT-aggTrades-2026-03-09.csv`.
    pub fn entry_name(&self) -> String {
        format!("{}{}.csv", self.folder.before_date(), self.period)
    }

    /// Its key in listings.
    pub fn key(&self) -> String {
        self.folder.prefix() + &self.zip_name()
    }

    /// Its path below the archive's base URL, without a leading slash, percent-encoded.
    pub fn path(&self) -> String {
        percent_encoded(&self.key())
    }

    /// The same of its CHECKSUM.
    pub fn checksum_path(&self) -> String {
        self.path() + ".CHECKSUM"
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.zip_name())
    }
}

/// `text` as it may stand in a path or a query value; slashes stay.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(symbol: &str, dataset: Dataset, date: &str) -> Place {
        let period = Period::parse(date).expect("a date");
        let symbol = Symbol::new(symbol).expect("a symbol");
        Folder::new(symbol, dataset, period.cadence()).expect("there are such").place(period.start())
    }

    fn klines(interval: &str) -> Dataset {
        Dataset::Klines(Timeframe::parse(interval).expect("an interval"))
    }

    #[test]
    fn names_are_those_of_the_archive() {
        let check = |symbol: &str, dataset: Dataset, date: &str, path: &str| {
            let place = place(symbol, dataset, date);
            assert_eq!(place.path(), path);
            assert_eq!(place.checksum_path(), format!("{path}.CHECKSUM"));
            assert_eq!(place.entry_name(), place.zip_name().replace(".zip", ".csv"));
            assert_eq!(place.folder().place_of(&place.key()), Some(place.clone()));
            assert_eq!(place.folder().place_of(&format!("{}.CHECKSUM", place.key())), None);
        };
        let root = "data/futures/um";
        let path = format!("{root}/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-03-09.zip");
        check("BTCUSDT", Dataset::AggTrades, "2026-03-09", &path);
        let path = format!("{root}/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2026-08-19.zip");
        check("BTCUSDT", klines("1m"), "2026-08-19", &path);
        let path = format!("{root}/monthly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2026-08.zip");
        check("BTCUSDT", klines("1M"), "2026-08", &path);
        let path = format!("{root}/monthly/trades/BTCUSDT_240628/BTCUSDT_240628-trades-2024-06.zip");
        check("BTCUSDT_240628", Dataset::Trades, "2024-06", &path);
        let path = format!("{root}/daily/metrics/ETHUSDT/ETHUSDT-metrics-2025-01-01.zip");
        check("ETHUSDT", Dataset::Metrics, "2025-01-01", &path);
        let symbol = "%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT";
        let path = format!("{root}/monthly/fundingRate/{symbol}/{symbol}-fundingRate-2025-11.zip");
        check("币安人生USDT", Dataset::FundingRate, "2025-11", &path);
    }

    #[test]
    fn what_the_archive_does_not_have_is_refused() {
        let symbol = || Symbol::new("BTCUSDT").expect("a symbol");
        let refused = |dataset, cadence| Folder::new(symbol(), dataset, cadence).expect_err("absent").to_string();
        assert_eq!(refused(Dataset::FundingRate, Cadence::Daily), "the archive has no daily files of fundingRate");
        assert_eq!(refused(Dataset::Metrics, Cadence::Monthly), "the archive has no monthly files of metrics");
        assert_eq!(refused(klines("1w"), Cadence::Daily), "the archive has no daily files of klines 1w");
        assert_eq!(refused(klines("173m"), Cadence::Monthly), "the archive has no monthly files of klines 173m");
    }

    #[test]
    fn keys_of_other_folders_are_strangers() {
        let place = place("BTCUSDT", Dataset::AggTrades, "2026-03-09");
        let folder = place.folder();
        let key = place.key();
        for other in [
            key.replace("daily", "monthly"),
            key.replace("2026-03-09", "2026-03"),
            key.replace("BTCUSDT-", "ETHUSDT-"),
            key.replace("2026-03-09", "2026-03-32"),
            key.replace(".zip", ".csv"),
            format!("../{key}"),
            String::new(),
        ] {
            assert_eq!(folder.place_of(&other), None, "{other}");
        }
    }
}
