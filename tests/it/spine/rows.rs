//! How do the tests read what publishers encode? Rows as text: fields as integers, separated by spaces.

use tapedeck::{
    api,
    live::Encoder,
    model::{Candle, Price, Quantity, QuoteVolume, Source, Trade, UnixMillis, Volume},
};

/// The dialect of the tests.
pub(super) const ENCODER: Encoder = Encoder { trades: write_trades, candles: write_candles, ..api::ENCODER };

fn write_trades(trades: &[Trade], out: &mut Vec<u8>) {
    let row = |t: &Trade| {
        let (price, quantity) = (t.price.units(), t.quantity.units());
        let (time, maker) = (t.time.get(), u8::from(t.buyer_is_maker));
        format!("{} {price} {quantity} {} {} {time} {maker}", t.id, t.first_id, t.last_id)
    };
    out.extend(trades.iter().map(row).collect::<Vec<_>>().join(",").into_bytes());
}

fn write_candles(candles: &[Candle], out: &mut Vec<u8>) {
    let row = |c: &Candle| {
        let prices = [c.open, c.high, c.low, c.close].map(|price| price.units().to_string()).join(" ");
        let volumes = format!("{} {}", c.volume.units(), c.quote_volume.units());
        let taker = format!("{} {}", c.taker_buy_volume.units(), c.taker_buy_quote_volume.units());
        let counts = format!("{} {} {} {}", c.trades, c.raw_trades, c.first_id, c.last_id);
        let flags = format!("{} {} {}", u8::from(c.closed), u8::from(c.complete), c.revision);
        format!("{} {} {prices} {volumes} {taker} {counts} {flags}", c.open_time, c.close_time)
    };
    out.extend(candles.iter().map(row).collect::<Vec<_>>().join(",").into_bytes());
}

fn fields<const N: usize>(body: &[u8]) -> Vec<[i128; N]> {
    let text = std::str::from_utf8(body).expect("text");
    let row = |row: &str| {
        let fields: Vec<i128> = row.split(' ').map(|field| field.parse().expect("an integer")).collect();
        fields.try_into().expect("a whole row")
    };
    text.split(',').filter(|row| !row.is_empty()).map(row).collect()
}

fn int<T: TryFrom<i128>>(field: i128) -> T {
    T::try_from(field).ok().expect("in range")
}

fn time(field: i128) -> UnixMillis {
    UnixMillis::new(int(field))
}

pub(super) fn trades(body: &[u8]) -> Vec<Trade> {
    let trade = |[id, price, quantity, first, last, when, maker]: [i128; 7]| Trade {
        id: int(id),
        price: Price::from_units(int(price)),
        quantity: Quantity::from_units(int(quantity)),
        first_id: int(first),
        last_id: int(last),
        time: time(when),
        buyer_is_maker: maker == 1,
    };
    fields(body).into_iter().map(trade).collect()
}

pub(super) fn candles(body: &[u8]) -> Vec<Candle> {
    let price = |field| Price::from_units(int(field));
    let candle = |[opens, ends, o, h, l, c, v, q, tv, tq, n, raw, first, last, closed, complete, revision]: [i128;
                      17]| Candle {
        open_time: time(opens),
        close_time: time(ends),
        open: price(o),
        high: price(h),
        low: price(l),
        close: price(c),
        volume: Volume::from_units(v),
        quote_volume: QuoteVolume::from_units(q),
        taker_buy_volume: Volume::from_units(tv),
        taker_buy_quote_volume: QuoteVolume::from_units(tq),
        trades: int(n),
        raw_trades: int(raw),
        first_id: int(first),
        last_id: int(last),
        closed: closed == 1,
        complete: complete == 1,
        revision: int(revision),
        source: Source::Trades,
    };
    fields(body).into_iter().map(candle).collect()
}
