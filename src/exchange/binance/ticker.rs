//! Which values may statistics of 24 hours have? Streams and REST bodies name their fields differently.

use crate::exchange::binance::field::Field;
use crate::exchange::binance::value::ValueError;
use crate::model::{Price, QuoteVolume, Ticker, Volume};

/// The fields of a ticker, by the names that they have in their body.
pub(super) struct WireTicker<'a> {
    pub(super) change: Field<'a>,
    pub(super) change_percent: Field<'a>,
    pub(super) average: Field<'a>,
    pub(super) last: Field<'a>,
    pub(super) last_quantity: Field<'a>,
    pub(super) open: Field<'a>,
    pub(super) high: Field<'a>,
    pub(super) low: Field<'a>,
    pub(super) volume: Field<'a>,
    pub(super) quote_volume: Field<'a>,
    pub(super) open_time: Field<'a>,
    pub(super) close_time: Field<'a>,
    pub(super) first_id: Field<'a>,
    pub(super) last_id: Field<'a>,
    pub(super) count: Field<'a>,
}

impl WireTicker<'_> {
    /// The ticker, if every value can be meant. All of it is derived, so finer digits are rounded.
    pub(super) fn checked(&self) -> Result<Ticker, ValueError> {
        Ok(Ticker {
            open_time: self.open_time.time()?,
            close_time: self.close_time.time()?,
            open: self.open.derived_price()?,
            high: self.high.derived_price()?,
            low: self.low.derived_price()?,
            last: self.last.derived_price()?,
            last_quantity: self.last_quantity.quantity()?,
            change: Price::from_units(self.change.rate()?.units()),
            change_percent: self.change_percent.rate()?,
            average: self.average.derived_price()?,
            volume: Volume::from_units(self.volume.sum(8)?),
            quote_volume: QuoteVolume::from_units(self.quote_volume.sum(16)?),
            count: self.count.natural()?,
            first_id: self.first_id.whole()?,
            last_id: self.last_id.whole()?,
        })
    }
}
