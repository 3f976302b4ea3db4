//! Can this be back-filled?

use crate::{
    history::jobs::{job::Want, series::Series},
    model::{Symbol, UnixMillis},
};

/// Symbols of one job.
pub(super) const SYMBOLS_MAX: usize = 1_024;

/// What is known of a contract before a job of it is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// When it was listed, if the venue said so.
    pub onboard_time: Option<UnixMillis>,
    /// Whether its trades are kept: then its candles come from them.
    pub keeps_trades: bool,
    /// What its tape is made of, if it has one: candles come from these trades alone.
    pub tape: Option<Series>,
}

/// Why this is not to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WantError {
    /// No contract at all, or too many.
    #[error("name 1 to {SYMBOLS_MAX} symbols")]
    Symbols,
    /// No series at all.
    #[error("name at least one series")]
    NoSeries,
    /// Nothing lies between.
    #[error("the range is empty: it starts at {from} and ends at {to}, which is not later")]
    EmptyRange {
        /// The first millisecond.
        from: i64,
        /// The exclusive end.
        to: i64,
    },
    /// It has not happened yet.
    #[error("the range starts at {from}, in the future")]
    Future {
        /// The first millisecond.
        from: i64,
    },
    /// Nobody knows it.
    #[error("the symbol `{0}` is not known here")]
    UnknownSymbol(String),
    /// The contract did not exist yet.
    #[error("{symbol} was listed at {onboard}: start there, not at {from}")]
    BeforeListing {
        /// Whose.
        symbol: String,
        /// When, in milliseconds.
        onboard: i64,
        /// The first millisecond wanted.
        from: i64,
    },
    /// Candles would come from two kinds of trades.
    #[error("the tape of {symbol} is made of {tape}: back-fill those")]
    OtherTape {
        /// Whose.
        symbol: String,
        /// What its tape is made of.
        tape: &'static str,
    },
    /// Two sources of one candle.
    #[error("the trades of {symbol} are kept, so its candles come from them: back-fill its trades alone")]
    TradesKept {
        /// Whose.
        symbol: String,
    },
}

/// Checks what is wanted, at the venue's time `now`: an end that is not there yet becomes now, names said twice are said once.
/// `known` tells what is known of a contract, and nothing of one that nobody knows.
///
/// # Errors
///
/// When it cannot be had.
pub fn check(want: Want, now: UnixMillis, known: impl Fn(&Symbol) -> Option<Contract>) -> Result<Want, WantError> {
    let Want { mut symbols, mut series, from, to, replaced_only } = want;
    let mut seen = std::collections::BTreeSet::new();
    symbols.retain(|symbol| seen.insert(symbol.clone()));
    series.sort();
    series.dedup();
    if symbols.is_empty() || symbols.len() > SYMBOLS_MAX {
        return Err(WantError::Symbols);
    }
    if series.is_empty() {
        return Err(WantError::NoSeries);
    }
    if from >= to {
        return Err(WantError::EmptyRange { from, to });
    }
    if from >= now.get() {
        return Err(WantError::Future { from });
    }
    for symbol in &symbols {
        let found = Symbol::new(symbol).ok().and_then(|symbol| known(&symbol));
        let contract = found.ok_or_else(|| WantError::UnknownSymbol(symbol.chars().take(64).collect()))?;
        // A listing names a minute, and files whole days: the day of it is no mistake.
        let onboard = contract.onboard_time.filter(|onboard| from < onboard.floor(UnixMillis::DAY, 0).get());
        if let Some(onboard) = onboard {
            return Err(WantError::BeforeListing { symbol: symbol.clone(), onboard: onboard.get(), from });
        }
        let of_trades = [Series::Trades, Series::RawTrades].into_iter().filter(|trades| series.contains(trades));
        if let Some(tape) = contract.tape
            && of_trades.clone().any(|trades| trades != tape)
        {
            return Err(WantError::OtherTape { symbol: symbol.clone(), tape: tape.as_str() });
        }
        let has_trades = contract.keeps_trades || of_trades.count() > 0;
        if has_trades && series.contains(&Series::Candles) {
            return Err(WantError::TradesKept { symbol: symbol.clone() });
        }
    }
    Ok(Want { symbols, series, from, to: to.min(now.get()), replaced_only })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = UnixMillis::DAY;

    fn want(symbols: &[&str], series: &[Series], from: i64, to: i64) -> Want {
        let symbols = symbols.iter().map(|&symbol| symbol.to_owned()).collect();
        Want { symbols, series: series.to_vec(), from, to, replaced_only: false }
    }

    fn checked(want: Want) -> Result<Want, WantError> {
        check(want, UnixMillis::new(100 * DAY), |symbol| {
            let onboard_time = Some(UnixMillis::new(50 * DAY + 5));
            (symbol.as_str() != "NOPE").then_some(Contract {
                onboard_time,
                keeps_trades: symbol.as_str() == "KEPT",
                tape: (symbol.as_str() == "KEPT").then_some(Series::Trades),
            })
        })
    }

    #[test]
    fn what_can_be_had_is_told_from_what_cannot() {
        let trades = [Series::Trades];
        let ok =
            checked(want(&["A", "B", "A"], &[Series::Funding, Series::Trades, Series::Funding], 50 * DAY, 200 * DAY));
        assert_eq!(ok, Ok(want(&["A", "B"], &[Series::Trades, Series::Funding], 50 * DAY, 100 * DAY)));
        let refused = |want| checked(want).expect_err("refused");
        assert_eq!(refused(want(&[], &trades, 60 * DAY, 61 * DAY)), WantError::Symbols);
        assert_eq!(refused(want(&["A"], &[], 60 * DAY, 61 * DAY)), WantError::NoSeries);
        assert_eq!(refused(want(&["A"], &trades, 7, 7)), WantError::EmptyRange { from: 7, to: 7 });
        assert_eq!(refused(want(&["A"], &trades, 100 * DAY, 101 * DAY)), WantError::Future { from: 100 * DAY });
        assert_eq!(refused(want(&["NOPE"], &trades, 60 * DAY, 61 * DAY)), WantError::UnknownSymbol("NOPE".to_owned()));
        assert_eq!(refused(want(&["a\n"], &trades, 60 * DAY, 61 * DAY)), WantError::UnknownSymbol("a\n".to_owned()));
        let early = refused(want(&["A"], &trades, 50 * DAY - 1, 61 * DAY));
        assert!(matches!(early, WantError::BeforeListing { onboard, .. } if onboard == 50 * DAY + 5), "{early}");
        let kept = refused(want(&["KEPT"], &[Series::Candles], 60 * DAY, 61 * DAY));
        assert_eq!(kept, WantError::TradesKept { symbol: "KEPT".to_owned() });
        let both = refused(want(&["A"], &[Series::Trades, Series::Candles], 60 * DAY, 61 * DAY));
        assert_eq!(both, WantError::TradesKept { symbol: "A".to_owned() });
        let other = refused(want(&["KEPT"], &[Series::RawTrades], 60 * DAY, 61 * DAY));
        assert_eq!(other, WantError::OtherTape { symbol: "KEPT".to_owned(), tape: "trades" });
    }
}
