//! What does this frame say, and which of the two parsers had to say it?

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod tests;

use crate::exchange::binance::event::{DecodeError, Event};
use crate::exchange::binance::rows::Rows;
use crate::exchange::binance::{strict, tolerant};
use crate::model::{Level, MarkPrice, Ticker};

/// Reads frames, and keeps the rows of the last one of each kind that has rows, in buffers that are used again.
///
/// An event borrows from its frame alone, so whoever holds it may look at the rows meanwhile.
#[derive(Debug, Default)]
pub struct Decoder {
    pub(super) bids: Vec<Level>,
    pub(super) asks: Vec<Level>,
    pub(super) mark_prices: Rows<MarkPrice>,
    pub(super) tickers: Rows<Ticker>,
}

/// An event, and how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The event.
    pub event: Event<'a>,
    /// A hot shape (trade, kline, book ticker, depth, mark price) that only the tolerant parser could read: the venue changed how
    /// it writes. Replies, rare and unknown kinds have no other parser, so they are not slow.
    pub slow: bool,
}

impl Decoder {
    /// Reads one text frame, raw or in the combined envelope. Panics on no bytes, does no I/O, and allocates nothing for a hot
    /// shape as the venue writes it today, but what its longest array of rows needs once.
    ///
    /// # Errors
    ///
    /// When the bytes are not JSON, are neither event nor reply, or hold a value that cannot be meant. The rows of its kind are lost
    /// then. A row of an array that is refused beside others is left out and counted (`Rows::refused`).
    #[inline]
    pub fn decode<'a>(&mut self, frame: &'a [u8]) -> Result<Decoded<'a>, DecodeError> {
        match strict::event(frame, self) {
            Some(event) => Ok(Decoded { event, slow: false }),
            None => self.fall_back(frame),
        }
    }

    #[cold]
    fn fall_back<'a>(&mut self, frame: &'a [u8]) -> Result<Decoded<'a>, DecodeError> {
        let event = tolerant::event(frame, self)?;
        let slow = matches!(
            event,
            Event::AggTrade { .. }
                | Event::Trade { .. }
                | Event::Burnt { .. }
                | Event::Kline { .. }
                | Event::BookTicker { .. }
                | Event::Depth { .. }
                | Event::MarkPrices { .. }
        );
        Ok(Decoded { event, slow })
    }

    /// The levels bid in the last [`Event::Depth`], in the venue's order, which need not be that of prices.
    pub fn bids(&self) -> &[Level] {
        &self.bids
    }

    /// The levels asked in the last [`Event::Depth`], likewise.
    pub fn asks(&self) -> &[Level] {
        &self.asks
    }

    /// The rows of the last [`Event::MarkPrices`].
    pub const fn mark_prices(&self) -> &Rows<MarkPrice> {
        &self.mark_prices
    }

    /// The rows of the last [`Event::Tickers`].
    pub const fn tickers(&self) -> &Rows<Ticker> {
        &self.tickers
    }
}
