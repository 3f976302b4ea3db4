//! Are our minutes compared with the venue's as they should: everything explained that can be, and nothing else?

mod command;
mod recorded;
mod simulated;
mod straddle;

use tapedeck::{
    exchange::binance::Kline,
    history::klines::{Comparison, Report},
    model::{Candle, QuoteVolume, Source, UnixMillis, Volume},
};

/// Compares what is held of each official minute, holes apart.
fn compare(official: &[Kline], ours: &[Candle], is_hole: impl Fn(UnixMillis) -> bool) -> Report {
    let mut comparison = Comparison::default();
    for kline in official {
        let ours = ours.iter().find(|candle| candle.open_time == kline.open_time);
        comparison.push(kline, ours, is_hole(kline.open_time));
    }
    comparison.finish()
}

/// Every minute is counted once.
fn assert_counted(report: &Report) {
    let Report { equal, straddled, at_edges, in_holes, invented, unexplained, .. } = report;
    assert_eq!(equal + straddled + at_edges + in_holes + invented + unexplained, report.minutes, "{report:?}");
}

/// The candle that says what a kline says. Ids decide which comes first when candles are joined: the minutes' numbers stand for them.
fn candle(kline: &Kline) -> Candle {
    let id = kline.open_time.get().div_euclid(UnixMillis::MINUTE).unsigned_abs();
    Candle {
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
        first_id: id,
        last_id: id,
        closed: true,
        complete: true,
        revision: 0,
        source: Source::Trades,
    }
}

/// A minute without trades.
fn blank(kline: &Kline) -> Kline {
    Kline {
        open: kline.close,
        high: kline.close,
        low: kline.close,
        volume: Volume::from_units(0),
        quote_volume: QuoteVolume::from_units(0),
        taker_buy_volume: Volume::from_units(0),
        taker_buy_quote_volume: QuoteVolume::from_units(0),
        count: 0,
        ..*kline
    }
}
