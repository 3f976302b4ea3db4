//! Does a file hold what an independent reader finds in the CSVs that the venue published?

use super::{place, read_rows, zipped};
use rust_decimal::Decimal;
use std::{io::Read as _, path::Path, str::FromStr as _};
use tapedeck::{
    exchange::binance::{
        Kline,
        archive::{AggTrades, Dataset, Klines, Place, RawTrades, Table},
    },
    history::archive::{Confirmed, Limits},
    model::{Timeframe, Trade},
};

/// The text of a recording; nothing, and a word about it, when the recordings are not there.
fn text(name: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !folder.is_dir() {
        eprintln!("skipped: ../shared/data is absent");
        return None;
    }
    let file = std::fs::File::open(folder.join(name)).expect(name);
    let mut text = String::new();
    zstd::Decoder::new(file).expect(name).read_to_string(&mut text).expect(name);
    Some(text)
}

fn read_text<T: Table>(text: &str, place: &Place, table: &T) -> Confirmed<Vec<T::Row>, T::Row> {
    let zip = zipped::deflated(place, text);
    let found = read_rows(&zip, place, table, Limits::default()).expect("a sound file");
    assert_eq!((found.strips, found.tally.duplicates, found.tally.outside), (0, 0, 0));
    found
}

fn decimal(text: &str) -> Decimal {
    Decimal::from_str(text).expect("a decimal")
}

fn integer(text: &str) -> i64 {
    text.parse().expect("an integer")
}

fn same_trade(trade: &Trade, price: &str, quantity: &str, ids: [&str; 3], millis: i64, maker: &str) {
    assert_eq!(Decimal::new(trade.price.units(), 8), decimal(price));
    assert_eq!(Decimal::new(trade.quantity.units(), 8), decimal(quantity));
    assert_eq!([trade.id, trade.first_id, trade.last_id].map(|id| id.to_string()), ids);
    assert_eq!((trade.time.get(), trade.buyer_is_maker.to_string()), (millis, maker.to_lowercase()));
}

#[test]
fn aggregate_trades_without_a_header_in_microseconds() {
    let Some(text) = text("aggtrades/BTCUSDT-spot-aggTrades-2026-01-01-first5000.csv.zst") else { return };
    let found = read_text(&text, &place(Dataset::AggTrades, "2026-01-01"), &AggTrades);
    assert_eq!((found.staged.len(), found.tally.runs.len()), (5_000, 1));
    for (trade, line) in found.staged.iter().zip(text.lines()) {
        let cells: Vec<_> = line.split(',').collect();
        let [id, price, quantity, first, last, micros, maker, _best] = cells[..] else { panic!("{line}") };
        same_trade(trade, price, quantity, [id, first, last], integer(micros) / 1_000, maker);
    }
}

#[test]
fn raw_trades_are_their_own_first_and_last() {
    let Some(text) = text("aggtrades/BTCUSDT-spot-trades-2024-01-01T12.csv.zst") else { return };
    // The archive's columns, of which the recording kept all but one.
    let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let rows: Vec<[&str; 5]> = rows.map(|cells| cells.try_into().expect("five cells")).collect();
    let lines = rows.iter().map(|[id, price, quantity, time, maker]| {
        let quote = decimal(price) * decimal(quantity);
        format!("{id},{price},{quantity},{quote},{time},{maker}\n")
    });
    let csv = "id,price,qty,quote_qty,time,is_buyer_maker\n".to_owned() + &lines.collect::<String>();
    let found = read_text(&csv, &place(Dataset::Trades, "2024-01-01"), &RawTrades);
    assert_eq!(found.staged.len(), 16_702);
    for (trade, [id, price, quantity, time, maker]) in found.staged.iter().zip(rows) {
        same_trade(trade, price, quantity, [id; 3], integer(time), maker);
    }
}

fn same_kline(kline: &Kline, line: &str) {
    let cells: Vec<_> = line.split(',').collect();
    let [open_time, open, high, low, close, volume, last, quote, count, taker, taker_quote, _] = cells[..] else {
        panic!("{line}")
    };
    assert_eq!(kline.open_time.get(), integer(open_time));
    assert_eq!(kline.close_time.get(), integer(last) + 1);
    let prices = [kline.open, kline.high, kline.low, kline.close].map(|price| Decimal::new(price.units(), 8));
    assert_eq!(prices, [open, high, low, close].map(decimal));
    let volumes = [kline.volume, kline.taker_buy_volume].map(|sum| Decimal::from_i128_with_scale(sum.units(), 8));
    assert_eq!(volumes, [volume, taker].map(decimal));
    let quotes = [kline.quote_volume, kline.taker_buy_quote_volume];
    let quotes = quotes.map(|sum| Decimal::from_i128_with_scale(sum.units(), 16));
    assert_eq!(quotes, [quote, taker_quote].map(decimal));
    assert_eq!(kline.count.to_string(), count);
}

#[test]
fn months_of_klines() {
    for (name, date, minutes) in [
        ("FILUSDT-1m-2023-04", "2023-04", 43_200),
        ("FILUSDT-1m-2023-05", "2023-05", 44_640),
        ("FILUSDT-1m-2023-06", "2023-06", 43_200),
        ("FILUSDT-1m-2024-10", "2024-10", 44_640),
        ("LTCUSDT-1m-2026-02", "2026-02", 40_320),
    ] {
        let Some(text) = text(&format!("klines_um/{name}.csv.zst")) else { return };
        let place = place(Dataset::Klines(Timeframe::MINUTE), date);
        let found = read_text(&text, &place, &Klines);
        assert_eq!(found.staged.len(), minutes, "{name}");
        assert!(found.tally.runs.is_empty());
        for (kline, line) in found.staged.iter().zip(text.lines().skip(1)) {
            same_kline(kline, line);
        }
    }
}

/// The venue's files of a quiet contract compress best; they stay far below the ratio that is taken for a bomb.
#[test]
fn minutes_in_which_nothing_traded_are_no_bomb() {
    let start = 1_767_225_600_000i64;
    let row = |minute: i64| {
        let open = start + minute * 60_000;
        format!("{open},0.5000,0.5000,0.5000,0.5000,0,{},0,0,0,0,0\n", open + 59_999)
    };
    let text: String = (0..44_640).map(row).collect();
    let found = read_text(&text, &place(Dataset::Klines(Timeframe::MINUTE), "2026-01"), &Klines);
    assert_eq!(found.staged.len(), 44_640);
}
