//! Is the generated market one tape, by the venue's rules?

use super::*;
use std::collections::BTreeMap;
use tapedeck::sim::{Aggregator, Execution, Fill, default_contracts};

#[tokio::test(start_paused = true)]
async fn ids_are_dense_and_times_ascend_across_minutes_and_days() {
    let exchange = exchange(START);
    for (name, days) in [("1000SHIBUSDT", 3), ("BTCUSDT_261225", 3), ("BTCUSDT", 1)] {
        let from = START - START % UnixMillis::DAY - UnixMillis::HOUR;
        let to = from + days * UnixMillis::DAY;
        let trades = exchange.truth(&symbol(name), at(from), at(to));
        assert!(trades.windows(2).all(|w| w[1].id == w[0].id + 1 && w[1].time >= w[0].time), "{name}");
        assert!(trades.windows(2).all(|w| w[1].first_id > w[0].last_id), "{name}");
        assert!(trades.iter().all(|t| t.price.units() > 0 && t.quantity.units() > 0), "{name}");
        let raw = exchange.truth_raw(&symbol(name), at(from), at(to));
        assert!(raw.windows(2).all(|w| w[1].id == w[0].id + 1 && w[1].time >= w[0].time), "{name}");
        let hours = u64::try_from(days * 24).expect("positive");
        let listed = exchange.contracts().iter().find(|c| c.symbol.as_str() == name).expect("listed");
        assert_eq!(trades.len() as u64, hours * 60 * u64::from(listed.trades_per_minute), "{name}: every hour in full");
    }
}

#[tokio::test(start_paused = true)]
async fn the_market_begins_with_id_one_and_nothing_trades_before_it() {
    let exchange = exchange(START);
    let epoch = 1_672_531_200_000;
    let trades = exchange.truth(&symbol("BTCUSDT"), at(epoch - UnixMillis::DAY), at(epoch + UnixMillis::MINUTE * 10));
    assert_eq!(trades.first().map(|trade| (trade.id, trade.first_id)), Some((1, 1)));
    assert!(exchange.truth(&symbol("OMGUSDT"), at(epoch), at(START)).is_empty(), "a delisted one never trades");
}

#[tokio::test(start_paused = true)]
async fn two_exchanges_of_one_seed_agree_whenever_they_were_opened_and_seeds_differ() {
    let (here, later) = (exchange(START), exchange(START + 5 * UnixMillis::HOUR + 17));
    let other = exchange_with(START, |options| options.seed = 2);
    let btc = symbol("BTCUSDT");
    let (from, to) = (START, START + UnixMillis::HOUR);
    let whole = here.truth(&btc, at(from), at(to));
    let pieces: Vec<Trade> = (0..360)
        .flat_map(|piece| later.truth(&btc, at(from + piece * 10_000), at(from + (piece + 1) * 10_000)))
        .collect();
    assert_eq!(whole, pieces);
    assert_ne!(whole, other.truth(&btc, at(from), at(to)));
    let alone = exchange_with(START, |options| options.contracts.retain(|contract| contract.symbol == btc));
    assert_eq!(whole, alone.truth(&btc, at(from), at(to)), "a market does not depend on its neighbours");
}

#[tokio::test(start_paused = true)]
async fn raw_trades_are_the_same_from_wherever_they_are_asked_for() {
    let exchange = exchange(START);
    let btc = symbol("BTCUSDT");
    let to = START + 12 * UnixMillis::HOUR;
    let whole = exchange.truth_raw(&btc, at(START), at(to));
    // Just after a minute's border the last fills of the minute before may still come.
    for from in
        (START + 30_000..to - 60_000).step_by(60_000).flat_map(|border| [border, border + 3, border + 20, border + 60])
    {
        let first = &whole[whole.partition_point(|fill| fill.time.get() < from)];
        let asked = exchange.truth_raw(&btc, at(from), first.time.plus(1));
        assert_eq!(asked.first(), Some(first), "{from}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_rule_applied_to_the_raw_trades_gives_the_aggregates() {
    let exchange = exchange_with(START, |options| {
        options.contracts.push(busy(Pace::Lively));
        let mut steady = busy(Pace::Steady);
        steady.symbol = symbol("STEADYUSDT");
        options.contracts.push(steady);
    });
    for contract in exchange.contracts().iter().filter(|contract| contract.trades()) {
        let minutes = if contract.trades_per_minute > 6_000 { 5 } else { 600 };
        let (from, to) = (at(START), at(START + minutes * UnixMillis::MINUTE));
        let truth = exchange.truth(&contract.symbol, from, to);
        let mut aggregator = Aggregator::starting_at(truth[0].id);
        // Fills run on for less than 100 ms after their aggregate's time.
        let mut raw = exchange.truth_raw(&contract.symbol, truth[0].time, to.plus(100));
        raw.retain(|fill| fill.id >= truth[0].first_id);
        let mut merged: Vec<Trade> = raw.iter().filter_map(|fill| aggregator.push(fill)).map(|p| p.trade).collect();
        merged.extend(aggregator.finish().map(|published| published.trade));
        merged.retain(|trade| trade.time < to);
        assert!(truth.len() > 100, "{} trades", contract.symbol);
        assert_eq!(truth, merged, "{}", contract.symbol);
    }
}

#[tokio::test(start_paused = true)]
async fn the_market_has_what_the_venues_has() {
    let exchange = exchange(START);
    let btc = symbol("BTCUSDT");
    let from = START - START % UnixMillis::MINUTE;
    let (from, to) = (at(from), at(from + UnixMillis::DAY));
    let (trades, raw) = (exchange.truth(&btc, from, to), exchange.truth_raw(&btc, from, to));
    let burnt: Vec<_> = raw.iter().filter(|fill| fill.execution == Execution::Burnt).collect();
    let per_mille = burnt.len() * 10_000 / raw.len();
    assert!((10..=40).contains(&per_mille), "0.1 to 0.4 % of ids are burnt: {per_mille} of 10,000");
    let inside = |id| trades.iter().any(|trade| trade.first_id < id && id < trade.last_id);
    assert!(burnt.iter().any(|fill| inside(fill.id)) && !burnt.iter().all(|fill| inside(fill.id)));
    let raw_times: BTreeMap<u64, i64> = raw.iter().map(|fill| (fill.id, fill.time.get())).collect();
    let minute = |millis: i64| millis / UnixMillis::MINUTE;
    let crosses = |trade: &&Trade| raw_times.get(&trade.last_id).is_some_and(|t| minute(*t) > minute(trade.time.get()));
    assert!(trades.iter().filter(crosses).count() > 3, "fills run over minutes' borders");
    let mut per_minute: BTreeMap<i64, usize> = BTreeMap::new();
    trades.iter().for_each(|trade| *per_minute.entry(minute(trade.time.get())).or_default() += 1);
    assert!(per_minute.len() < 1_400, "some minutes are quiet: {}", per_minute.len());
    assert!(per_minute.values().max() > Some(&3_000), "some burst: {:?}", per_minute.values().max());
    let shared = trades.windows(2).filter(|pair| pair[0].time == pair[1].time).count();
    assert!(shared * 3 > trades.len(), "many share a millisecond: {shared} of {}", trades.len());
    let again = trades.windows(2).filter(|w| w[0].price == w[1].price && w[0].buyer_is_maker == w[1].buyer_is_maker);
    assert!(again.count() > 10, "neighbours of one price and side, more than 100 ms apart");
}

/// One interval, folded in the plainest way from the raw trades.
fn naive(raw: &[Fill], start: i64, end: i64) -> Option<[String; 8]> {
    let inside: Vec<_> =
        raw.iter().filter(|f| f.execution == Execution::Market && (start..end).contains(&f.time.get())).collect();
    let decimal = |price: Price| rust_decimal::Decimal::new(price.units(), 8);
    let amount = |quantity: Quantity| rust_decimal::Decimal::new(quantity.units(), 8);
    let sum = |buys_only: bool, quote: bool| {
        let taken = inside.iter().filter(|fill| !buys_only || !fill.buyer_is_maker);
        let each = taken.map(|f| if quote { decimal(f.price) * amount(f.quantity) } else { amount(f.quantity) });
        each.sum::<rust_decimal::Decimal>().normalize().to_string()
    };
    Some([
        decimal(inside.first()?.price).normalize().to_string(),
        decimal(inside.iter().map(|fill| fill.price).max()?).normalize().to_string(),
        decimal(inside.iter().map(|fill| fill.price).min()?).normalize().to_string(),
        decimal(inside.last()?.price).normalize().to_string(),
        sum(false, false),
        sum(false, true),
        sum(true, false),
        sum(true, true),
    ])
}

#[tokio::test(start_paused = true)]
async fn klines_are_the_fold_of_the_raw_trades() {
    let exchange = exchange(START);
    for (name, interval, minutes) in [("BTCUSDT", "1m", 1), ("币安人生USDT", "1m", 1), ("1000SHIBUSDT", "15m", 15)]
    {
        let length = minutes * UnixMillis::MINUTE;
        let from = (START / length - 60) * length;
        let raw = exchange.truth_raw(&symbol(name), at(from - UnixMillis::HOUR), at(START + 1));
        let target = format!("/fapi/v1/klines?symbol={name}&interval={interval}&startTime={from}");
        let (_, body) = get(&exchange, &target);
        let rows = body.as_array().expect("rows");
        assert_eq!(rows.len(), 61, "every interval and the open one");
        let (mut traded, mut previous_close) = (0, None);
        for (index, row) in (0..).zip(rows) {
            let start = from + index * length;
            assert_eq!((row[0].as_i64(), row[6].as_i64()), (Some(start), Some(start + length - 1)));
            let text = |at: usize| row[at].as_str().expect("text").parse::<rust_decimal::Decimal>().expect("decimal");
            let shown = [1, 2, 3, 4, 5, 7, 9, 10].map(|at| text(at).normalize().to_string());
            match naive(&raw, start, (start + length).min(START + 1)) {
                Some(expected) => {
                    assert_eq!(shown, expected, "{name} {start}");
                    traded += 1;
                }
                None => {
                    assert_eq!(row[8], 0, "an interval without trades");
                    assert!(previous_close.is_none_or(|close| close == shown[0]) && shown[0] == shown[3]);
                }
            }
            previous_close = Some(shown[3].clone());
        }
        assert!(traded > 30, "{name}");
    }
}

#[test]
fn the_default_list_has_every_kind_of_name() {
    let symbols: Vec<String> = default_contracts().iter().map(|contract| contract.symbol.to_string()).collect();
    for name in ["1000SHIBUSDT", "币安人生USDT", "BTCUSDT_261225", "XAUUSDT", "OMGUSDT"] {
        assert!(symbols.iter().any(|symbol| symbol == name), "{name}");
    }
}
