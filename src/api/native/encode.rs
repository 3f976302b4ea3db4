//! How are rows written as JSON? By hand: exact numbers, no allocation, no reflection.

use crate::model::{Candle, Trade};

/// How decimals stand in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Decimals {
    /// As numbers.
    Number,
    /// As strings.
    Text,
}

/// Appends one trade as an object.
pub(in crate::api) fn trade(trade: &Trade, decimals: Decimals, out: &mut Vec<u8>) {
    integer(out, b"{\"id\":", trade.id);
    integer(out, b",\"time\":", trade.time.get());
    decimal(out, b",\"price\":", decimals, |out| trade.price.write(out));
    decimal(out, b",\"quantity\":", decimals, |out| trade.quantity.write(out));
    integer(out, b",\"first_id\":", trade.first_id);
    integer(out, b",\"last_id\":", trade.last_id);
    boolean(out, b",\"buyer_is_maker\":", trade.buyer_is_maker);
    out.push(b'}');
}

/// Appends one candle as an object.
pub(in crate::api) fn candle(candle: &Candle, decimals: Decimals, out: &mut Vec<u8>) {
    integer(out, b"{\"open_time\":", candle.open_time.get());
    integer(out, b",\"close_time\":", candle.close_time.get());
    decimal(out, b",\"open\":", decimals, |out| candle.open.write(out));
    decimal(out, b",\"high\":", decimals, |out| candle.high.write(out));
    decimal(out, b",\"low\":", decimals, |out| candle.low.write(out));
    decimal(out, b",\"close\":", decimals, |out| candle.close.write(out));
    decimal(out, b",\"volume\":", decimals, |out| candle.volume.write(out));
    decimal(out, b",\"quote_volume\":", decimals, |out| candle.quote_volume.write(out));
    decimal(out, b",\"taker_buy_volume\":", decimals, |out| candle.taker_buy_volume.write(out));
    decimal(out, b",\"taker_buy_quote_volume\":", decimals, |out| candle.taker_buy_quote_volume.write(out));
    decimal(out, b",\"delta\":", decimals, |out| candle.delta().write(out));
    integer(out, b",\"trades\":", candle.trades);
    integer(out, b",\"raw_trades\":", candle.raw_trades);
    // A bucket that was filled in has no trade, so no id.
    if candle.trades == 0 {
        out.extend_from_slice(b",\"first_id\":null,\"last_id\":null");
    } else {
        integer(out, b",\"first_id\":", candle.first_id);
        integer(out, b",\"last_id\":", candle.last_id);
    }
    boolean(out, b",\"closed\":", candle.closed);
    boolean(out, b",\"complete\":", candle.complete);
    integer(out, b",\"revision\":", candle.revision);
    out.extend_from_slice(b",\"source\":\"");
    out.extend_from_slice(candle.source.as_str().as_bytes());
    out.extend_from_slice(b"\"}");
}

/// Appends the times of a bucket without trades, and every other field of a candle as null.
pub(in crate::api) fn no_candle(bucket: &Candle, out: &mut Vec<u8>) {
    integer(out, b"{\"open_time\":", bucket.open_time.get());
    integer(out, b",\"close_time\":", bucket.close_time.get());
    for field in [
        "open",
        "high",
        "low",
        "close",
        "volume",
        "quote_volume",
        "taker_buy_volume",
        "taker_buy_quote_volume",
        "delta",
        "trades",
        "raw_trades",
        "first_id",
        "last_id",
        "closed",
        "complete",
        "revision",
        "source",
    ] {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(field.as_bytes());
        out.extend_from_slice(b"\":null");
    }
    out.push(b'}');
}

/// Appends `prefix` and the digits of `value`.
pub(in crate::api) fn integer(out: &mut Vec<u8>, prefix: &[u8], value: impl itoa::Integer) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(super) fn boolean(out: &mut Vec<u8>, prefix: &[u8], value: bool) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends `prefix` and a decimal that `write` appends.
pub(in crate::api) fn decimal(out: &mut Vec<u8>, prefix: &[u8], decimals: Decimals, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(prefix);
    match decimals {
        Decimals::Number => write(out),
        Decimals::Text => {
            out.push(b'"');
            write(out);
            out.push(b'"');
        }
    }
}
