//! How are the rows of channels written in our own dialect?

use crate::{
    api::native::{
        encode::{self, Decimals},
        pictures,
    },
    live::Encoder,
    model::{Candle, Trade},
};

/// The native dialect's rows.
pub const ENCODER: Encoder =
    Encoder { trades, candles, liquidations: pictures::liquidations, figure: pictures::figure, book: pictures::book };

fn trades(trades: &[Trade], out: &mut Vec<u8>) {
    for (at, trade) in trades.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        encode::trade(trade, Decimals::Number, out);
    }
}

fn candles(candles: &[Candle], out: &mut Vec<u8>) {
    for (at, candle) in candles.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        encode::candle(candle, Decimals::Number, out);
    }
}
