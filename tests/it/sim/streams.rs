//! Do the other streams say what is true, and fall silent when they are told to?

use super::*;
use futures_util::SinkExt;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use tapedeck::{
    exchange::binance::{Decoder, Event, rest},
    sim::{Path, Status, many_contracts, record},
};

fn frames(exchange: &Arc<Exchange>, streams: &[&str], millis: i64) -> Vec<String> {
    let mut recorded = Vec::new();
    record(exchange, streams, millis, &mut recorded).expect("recorded");
    let text = String::from_utf8(recorded).expect("text");
    text.lines().map(|line| line.split_once(' ').expect("a time and a frame").1.to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn mark_prices_are_the_truth_in_two_frames_a_period() {
    let exchange = exchange(START);
    let heard = frames(&exchange, &["!markPrice@arr@1s"], 10 * UnixMillis::SECOND);
    assert_eq!(heard.len(), 18, "from the first whole second on");
    let mut decoder = Decoder::default();
    for (index, frame) in heard.iter().enumerate() {
        let decoded = decoder.decode(frame.as_bytes()).expect("a frame");
        assert!(!decoded.slow && matches!(decoded.event, Event::MarkPrices { .. }));
        let rows = decoder.mark_prices();
        assert_eq!((rows.len(), rows.foreign(), rows.refused()), if index % 2 == 0 { (7, 1, 0) } else { (1, 0, 0) });
        for (name, mark) in rows.iter() {
            assert_eq!(exchange.truth_mark(&symbol(name), mark.time), Some(*mark), "{name}");
        }
    }
    assert!(heard[0].contains(r#""s":"OMGUSDT""#) && heard[0].contains(r#""T":0"#), "a delisted one has no funding");
    let one = frames(&exchange, &["xauusdt@markPrice"], 10 * UnixMillis::SECOND);
    assert!((3..=4).contains(&one.len()) && one[0].contains(r#""data":{"e":"markPriceUpdate""#));

    let body = respond(&exchange, "/fapi/v1/premiumIndex").body;
    let rows = rest::premium_index(body.as_bytes()).expect("rows");
    assert_eq!((rows.len(), rows.refused()), (8, 0));
    for (name, mark) in rows.iter() {
        let truth = exchange.truth_mark(&symbol(name), mark.time).expect("listed");
        assert_eq!((mark.mark, mark.index, mark.funding_rate), (truth.mark, truth.index, truth.funding_rate));
    }
    let (response, body) = get(&exchange, "/fapi/v1/premiumIndex?symbol=btcusdt");
    assert_eq!((response.headers[1].1.as_str(), body["symbol"].as_str()), ("11", Some("BTCUSDT")));
}

#[tokio::test(start_paused = true)]
async fn liquidations_are_told_a_second_late_and_at_most_once_a_second() {
    let exchange = exchange(START);
    let all = frames(&exchange, &["!forceOrder@arr"], UnixMillis::HOUR);
    let mut decoder = Decoder::default();
    let mut told = Vec::new();
    for frame in &all {
        assert!(frame.contains(r#""st":1}}}"#) && frame.contains(r#","ps":"#), "both stand within `o`: {frame}");
        let event = decoder.decode(frame.as_bytes()).expect("a frame").event;
        let Event::Liquidation { symbol: name, liquidation, event_time } = event else { panic!("{frame}") };
        assert_eq!(event_time.since(liquidation.time), 1_005);
        told.push((symbol(&name), liquidation));
    }
    let (from, to) = (START - 1_005, START + UnixMillis::HOUR - 1_005);
    let names: BTreeSet<_> = exchange.contracts().iter().map(|contract| contract.symbol.clone()).collect();
    for name in names {
        let of_one: Vec<_> = told.iter().filter(|(whose, _)| *whose == name).map(|(_, order)| *order).collect();
        assert_eq!(of_one, exchange.truth_liquidations(&name, at(from), at(to)), "{name}");
        assert!(of_one.windows(2).all(|pair| pair[1].time.since(pair[0].time) > 1_000));
        let stream = format!("{}@forceOrder", name.stream_name());
        assert_eq!(frames(&exchange, &[&stream], UnixMillis::HOUR).len(), of_one.len());
    }
    assert!(told.len() > 60, "{}", told.len());
}

#[tokio::test(start_paused = true)]
async fn tickers_know_the_newest_raw_trade() {
    let exchange = exchange(START);
    let mut decoder = Decoder::default();
    let mut seen = BTreeSet::new();
    for frame in frames(&exchange, &["!ticker@arr", "btcusdt@ticker"], 20 * UnixMillis::SECOND) {
        let event = decoder.decode(frame.as_bytes()).expect("a frame").event;
        assert!(matches!(event, Event::Tickers { .. }), "{frame}");
        for (name, ticker) in decoder.tickers().iter() {
            assert_eq!(exchange.truth_ticker(&symbol(name), ticker.close_time), Some(*ticker), "{name}");
            let raw = exchange.truth_raw(&symbol(name), ticker.close_time.plus(-600_000), ticker.close_time);
            let last = raw.iter().rev().find(|fill| fill.execution == tapedeck::sim::Execution::Market);
            let last = last.expect("a trade in ten minutes");
            assert_eq!((ticker.last_id.unsigned_abs(), ticker.last), (last.id, last.price), "{name}");
            assert!(ticker.low <= ticker.open && ticker.last <= ticker.high && ticker.count > 0);
            seen.insert(name.to_owned());
        }
    }
    assert!(seen.len() >= 5 && !seen.contains("OMGUSDT"), "{seen:?}");
    let minis = frames(&exchange, &["!miniTicker@arr", "ethusdt@miniTicker"], 5 * UnixMillis::SECOND);
    assert!(minis.len() >= 6 && minis.iter().all(|frame| frame.contains(r#""e":"24hrMiniTicker""#)));

    let (response, _) = get(&exchange, "/fapi/v1/ticker/24hr");
    let rows = rest::tickers(response.body.as_bytes()).expect("rows");
    assert_eq!((response.headers[1].1.as_str(), rows.len(), rows.refused()), ("40", 7, 0), "those that trade");
    for (name, ticker) in rows.iter() {
        assert_eq!(exchange.truth_ticker(&symbol(name), at(START)), Some(*ticker), "{name}");
    }
    assert_eq!(get(&exchange, "/fapi/v1/ticker/24hr?symbol=BTCUSDT").1["symbol"], "BTCUSDT");
    let (response, _) = get(&exchange, "/fapi/v1/ticker/bookTicker");
    let rows = rest::book_tickers(response.body.as_bytes()).expect("rows");
    assert_eq!((response.headers[1].1.as_str(), rows.len()), ("46", 7));
    for (name, ticker) in rows.iter() {
        assert_eq!(exchange.truth_book_ticker(&symbol(name), at(START)), Some(*ticker), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_best_bids_and_asks_come_by_turns_every_five_seconds() {
    let exchange = exchange(START);
    let mut decoder = Decoder::default();
    let (mut own, mut foreign) = (BTreeSet::new(), 0);
    let heard = frames(&exchange, &["!bookTicker"], 10 * UnixMillis::SECOND);
    for frame in &heard {
        match decoder.decode(frame.as_bytes()).expect("a frame").event {
            Event::BookTicker { symbol: name, ticker, event_time } => {
                assert_eq!(exchange.truth_book_ticker(&symbol(&name), event_time), Some(ticker));
                own.insert(name.into_owned());
            }
            Event::Foreign => foreign += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((own.len(), foreign, heard.len()), (7, 2, 16));
}

#[tokio::test(start_paused = true)]
async fn listings_and_delistings_are_announced() {
    let exchange = exchange_with(START, |options| {
        for contract in &mut options.contracts {
            match contract.symbol.as_str() {
                "SOLUSDT" => contract.onboard = at(START + 60_000),
                "ETHUSDT" => contract.delivery = at(START + 90_000),
                _ => {}
            }
        }
    });
    let heard = frames(&exchange, &["!contractInfo"], 10 * UnixMillis::MINUTE);
    let mut decoder = Decoder::default();
    let notices = heard.iter().map(|frame| match decoder.decode(frame.as_bytes()).expect("a frame").event {
        Event::Contract { symbol: name, notice, event_time } => {
            (name.into_owned(), notice.status.into_owned(), event_time.get() - START)
        }
        other => panic!("{other:?}"),
    });
    let expected = [("SOLUSDT", Status::Trading, 60_005), ("ETHUSDT", Status::Settling, 90_005)];
    let expected = expected.map(|(name, status, time)| (name.to_owned(), status.as_str().to_owned(), time));
    assert_eq!(notices.collect::<Vec<_>>(), expected);
}

/// Frames of each stream in the next seconds.
async fn counted(client: &mut Client, seconds: u64) -> std::collections::BTreeMap<String, usize> {
    let mut counts = std::collections::BTreeMap::new();
    let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
    while let Ok(frame) = tokio::time::timeout_at(end, next_json(client)).await {
        if let Some(name) = frame["stream"].as_str() {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    counts
}

async fn say(client: &mut Client, method: &str, name: &str) {
    let request = json!({ "method": method, "params": [name], "id": 1 });
    client.send(Message::text(request.to_string())).await.expect("sent");
}

#[tokio::test(start_paused = true)]
async fn a_stranded_stream_is_silent_until_it_is_taken_anew() {
    let exchange = exchange(START);
    let path = "/market/stream?streams=btcusdt@aggTrade/btcusdt@markPrice@1s/ethusdt@aggTrade";
    let mut client = connect(&exchange, path).await;
    assert_eq!(counted(&mut client, 30).await.len(), 3);
    exchange.faults().streams().strand(&symbol("BTCUSDT"));
    let heard = counted(&mut client, 30).await;
    assert!(heard.len() == 1 && heard.contains_key("ethusdt@aggTrade"), "{heard:?}");
    say(&mut client, "SUBSCRIBE", "btcusdt@aggTrade").await;
    assert_eq!(counted(&mut client, 30).await.len(), 1, "what is held already is not taken anew");
    say(&mut client, "UNSUBSCRIBE", "btcusdt@aggTrade").await;
    say(&mut client, "SUBSCRIBE", "btcusdt@aggTrade").await;
    let heard = counted(&mut client, 30).await;
    assert!(heard.len() == 2 && heard.contains_key("btcusdt@aggTrade"), "{heard:?}");
    assert_eq!(counted(&mut connect(&exchange, path).await, 30).await.len(), 3, "another connection");
}

#[tokio::test(start_paused = true)]
async fn a_thinned_carrier_stays_thin_and_others_do_not() {
    let exchange = exchange(START);
    let mut carrier = connect(&exchange, "/market/stream?streams=btcusdt@aggTrade/ethusdt@markPrice@1s").await;
    let mut other = connect(&exchange, "/market/stream?streams=ethusdt@aggTrade/ethusdt@markPrice@1s").await;
    counted(&mut carrier, 1).await;
    exchange.faults().streams().thin_carrier(&symbol("BTCUSDT"), 25);
    let mut fresh = connect(&exchange, "/market/stream?streams=btcusdt@aggTrade/ethusdt@markPrice@1s").await;
    let all = tokio::join!(counted(&mut carrier, 200), counted(&mut fresh, 200), counted(&mut other, 200));
    let sums = [all.0, all.1, all.2].map(|counts| counts.values().sum::<usize>());
    assert!((sums[1] * 24..=sums[1] * 26).contains(&(sums[0] * 1_000)), "2.5 %: {sums:?}");
    assert!(sums[2] > 1_000, "{sums:?}");
    exchange.faults().heal();
    assert!(counted(&mut carrier, 30).await["ethusdt@markPrice@1s"] >= 29);
}

#[tokio::test(start_paused = true)]
async fn a_dead_route_acknowledges_and_delivers_nothing() {
    let exchange = exchange(START);
    exchange.faults().streams().deaden(Path::Market);
    let mut client = connect(&exchange, "/market/stream").await;
    say(&mut client, "SUBSCRIBE", "ethusdt@markPrice@1s").await;
    assert_eq!(next_json(&mut client).await, json!({ "result": null, "id": 1 }));
    assert!(counted(&mut client, 10).await.is_empty());
    assert!(!counted(&mut connect(&exchange, "/public/stream?streams=ethusdt@bookTicker").await, 10).await.is_empty());
    exchange.faults().streams().revive(Path::Market);
    assert!(!counted(&mut client, 10).await.is_empty());
}

#[test]
fn a_venue_of_800_contracts_trades_50_million_times_a_day_and_bursts() {
    let contracts = many_contracts(800, 7);
    let names: BTreeSet<_> = contracts.iter().map(|contract| contract.symbol.as_str()).collect();
    assert_eq!((contracts.len(), names.len()), (800, 800));
    for name in ["BTCUSDT", "1000SHIBUSDT", "币安人生USDT", "BTCUSDT_261225", "XAUUSDT", "1MBABYDOGEUSDT"] {
        assert!(names.contains(name), "{name}");
    }
    let a_day = contracts.iter().map(|contract| u64::from(contract.trades_per_minute) * 1_440).sum::<u64>();
    assert!((48_000_000..51_000_000).contains(&a_day), "{a_day}");
    assert!(contracts.iter().all(Contract::trades));
    let few: Vec<_> = many_contracts(20, 7).iter().map(|contract| contract.symbol.clone()).collect();
    assert_eq!(few, contracts[..20].iter().map(|contract| contract.symbol.clone()).collect::<Vec<_>>());

    let exchange = exchange_with(START, |options| options.contracts = contracts.into_iter().take(1).collect());
    let mut busiest = (0..24).map(|hour| busiest_second(&exchange, at(START + hour * UnixMillis::HOUR)));
    let burst = busiest.find(|count| *count >= 7_600).expect("one a day");
    assert!(burst < 30_000, "{burst} raw trades in a second");
}

/// The most raw trades that a second of an hour holds.
fn busiest_second(exchange: &Exchange, from: UnixMillis) -> usize {
    let mut seconds = std::collections::HashMap::new();
    for fill in exchange.truth_raw(&symbol("BTCUSDT"), from, from.plus(UnixMillis::HOUR)) {
        *seconds.entry(fill.time.get() / 1_000).or_insert(0) += 1;
    }
    seconds.into_values().max().unwrap_or(0)
}
