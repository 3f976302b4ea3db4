//! Is what REST tells of a contract beside its trades what the exchange published?

use super::*;
use crate::spine::{START, symbol};
use serde_json::{Value, json};
use tapedeck::{
    clock::Clock,
    exchange::binance::StreamKind,
    history::{
        budget::{self, Budget},
        polling::Polling,
        rest::Source,
    },
    market,
    model::{MarkPrice, UnixMillis},
    net::FetchLimits,
    sim::ExchangeFetch,
    store::{
        self, Holding, Opened, Records,
        files::{Disk, SimulatedDisk},
        identity::Identity,
        record::Kind,
        storage::{Options as StoreOptions, SyncPolicy},
    },
};

const HOUR: i64 = UnixMillis::HOUR;
const AGE: Duration = Duration::from_secs(230);

fn at(millis: i64) -> UnixMillis {
    UnixMillis::new(millis)
}

async fn write_on(mut opened: Opened, clock: Clock) {
    loop {
        opened.storage.step(clock.now());
        opened.sealer.step();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Opens a server over a store after the market has run for `age` from `start` on, with everything followed and polled.
fn with_stored_site<R, F: Future<Output = R>>(start: i64, age: Duration, main: impl FnOnce(Site) -> F) -> R {
    with_stored_server(start, age, options(), main)
}

/// The same with these options.
pub(super) fn with_stored_server<R, F: Future<Output = R>>(
    start: i64,
    age: Duration,
    options: Options,
    main: impl FnOnce(Site) -> F,
) -> R {
    in_virtual_time(async move {
        let mut setup = Setup::generated(11, &CONTRACTS);
        (setup.encoder, setup.start) = (ENCODER, start);
        setup.market = vec![StreamKind::MarkPrice, StreamKind::ForceOrder, StreamKind::Ticker, StreamKind::BookTicker];
        let (disk, clock): (Arc<dyn Disk>, _) = (Arc::new(SimulatedDisk::new(3)), Clock::starting_at(at(start)));
        let wanted = Identity { store: 5, venue: "sim".to_owned(), created: at(start) };
        let sync = SyncPolicy::EveryMs(200);
        let kept = StoreOptions { file_bytes: 4 << 20, roll_ms: 60_000, write_ms: 10, sync, queue_bytes: 64 << 20 };
        let mut opened = store::open(&disk, &wanted, kept, clock).expect("opens");
        let rows = opened.storage.register(&CONTRACTS.map(|(text, ..)| symbol(text)), clock.now()).expect("registered");
        let rig = setup.start_stored(|contract: &market::Contract| {
            let row = rows.iter().find(|row| row.symbol().as_ref() == Some(&contract.symbol)).expect("registered");
            let (library, desk) = (&opened.library, &opened.desk);
            contract.holding.get_or_init(|| Holding::new(library, desk, row.number, Kind::Trade));
            contract.hold_records(Records::new(library, desk, row.number));
        });
        tokio::task::spawn_local(write_on(opened, clock));
        poll(&rig, clock);
        tokio::time::sleep(age).await;
        tokio::time::resume();
        let shared = shared(&rig, options);
        let (server, address) = api::serve(shared.clone()).expect("bound");
        let handle = server.handle();
        let running = actix::spawn(server);
        let result = main(Site { rig, shared, address }).await;
        handle.stop(false).await;
        running.await.expect("no panic").expect("no error");
        result
    })
}

fn poll(rig: &Rig, clock: Clock) {
    let fetch = Arc::new(ExchangeFetch::new(Arc::clone(&rig.exchange), FetchLimits::default()));
    let budget = Budget::new(budget::Options::default(), clock, Arc::clone(&rig.metrics));
    let polling = Polling {
        contracts: Arc::clone(&rig.engine.contracts),
        bells: rig.engine.figure_bells.clone(),
        source: Source { fetch, budget, rest_url: "http://sim".to_owned(), seed: 3 },
        metrics: Arc::clone(&rig.metrics),
    };
    let period = Duration::from_secs(30);
    tokio::task::spawn_local(polling.clone().follow_funding());
    tokio::task::spawn_local(polling.clone().poll_open_interest(period));
    tokio::task::spawn_local(polling.fetch_past_open_interest(period));
}

impl Site {
    /// The rows of an answer, decimals as text.
    async fn rows(&self, target: &str) -> Vec<Value> {
        let joint = if target.contains('?') { '&' } else { '?' };
        let answer = self.get(&format!("/api/v1/{target}{joint}decimals=string")).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        answer.json()["data"].as_array().expect("rows").clone()
    }

    /// Every page from `target` on, which names a start and a limit.
    async fn pages(&self, target: &str, start: i64) -> (Vec<Value>, usize) {
        let (mut walked, mut next, mut pages) = (Vec::new(), Some(start), 0);
        while let Some(from) = next {
            let answer = self.get(&format!("/api/v1/{target}&start={from}&decimals=string")).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            walked.extend(answer.json()["data"].as_array().expect("rows").clone());
            next = answer.json()["meta"]["next"].as_i64();
            pages += 1;
        }
        (walked, pages)
    }
}

fn mark_row(mark: &MarkPrice) -> Value {
    json!({
        "time": mark.time.get(),
        "mark": mark.mark.to_string(),
        "index": mark.index.map(|price| price.to_string()),
        "estimated_settle": mark.settle.map(|price| price.to_string()),
        "average": mark.average.map(|price| price.to_string()),
        "funding_rate": mark.funding_rate.map(|rate| rate.to_string()),
        "next_funding_time": mark.next_funding_time.map(UnixMillis::get),
    })
}

fn time(row: &Value) -> i64 {
    row["time"].as_i64().expect("a time")
}

#[test]
fn marks_are_the_published_ones_now_and_past() {
    with_stored_site(START, AGE, async |site| {
        let truth =
            |text: &str, row: &Value| site.rig.exchange.truth_mark(&symbol(text), at(time(row))).expect("trades");
        let newest = site.rows("mark").await;
        assert_eq!(newest.len(), 2);
        for row in newest {
            let text = row["symbol"].as_str().expect("a symbol").to_owned();
            let mut expected = mark_row(&truth(&text, &row));
            expected["symbol"] = json!(text);
            assert_eq!(row, expected);
        }
        let one = site.rows("mark?symbol=btcusdt").await;
        assert!(one.len() == 1 && one[0]["symbol"] == "BTCUSDT");
        let past = site.rows("mark?symbol=BTCUSDT&limit=100").await;
        assert!((22..=25).contains(&past.len()), "one in ten seconds: {}", past.len());
        for row in &past {
            let expected = MarkPrice { average: None, ..truth("BTCUSDT", row) };
            assert_eq!(*row, mark_row(&expected));
        }
        let (walked, pages) = site.pages("mark?symbol=BTCUSDT&limit=7", START - 60_000).await;
        assert!(walked.len() >= past.len() && pages >= 4 && walked[..past.len()] == past);
        let (from, to) = (time(&past[3]), time(&past[9]));
        let part = site.rows(&format!("mark?symbol=BTCUSDT&start={from}&end={to}")).await;
        assert_eq!(part, past[3..9], "the end does not belong to a range");
    });
}

#[test]
fn fundings_are_the_settled_ones_with_their_terms() {
    with_stored_site(START, AGE, async |site| {
        let truth = |text: &str| site.rig.exchange.truth_fundings(&symbol(text), at(START - 800 * HOUR), at(START));
        let row = |funding: &tapedeck::model::Funding| {
            let mark = funding.mark.map(|price| price.to_string());
            json!({
                "time": funding.time.get(),
                "rate": funding.rate.to_string(),
                "mark": mark,
                "special": false,
                "interval_hours": null,
            })
        };
        let expected: Vec<Value> = truth("BTCUSDT").iter().map(row).collect();
        assert_eq!(site.rows("funding?symbol=BTCUSDT&limit=100").await, expected);
        let (walked, pages) = site.pages("funding?symbol=BTCUSDT&limit=30", START - 800 * HOUR).await;
        assert_eq!((walked, pages), (expected, 4));
        let newest = site.rows("funding").await;
        assert_eq!(newest.len(), 2);
        for mut row_of in newest {
            let text = row_of["symbol"].take().as_str().expect("a symbol").to_owned();
            row_of.as_object_mut().expect("an object").remove("symbol");
            assert_eq!(Some(row_of), truth(&text).last().map(row), "{text}");
        }
        let meta = &site.get("/api/v1/funding?symbol=BTCUSDT&limit=1").await.json()["meta"];
        assert_eq!(meta["terms"], json!({"cap": "0.003", "floor": "-0.003", "interval_hours": 8, "changed": null}));
        let mark = site.rig.exchange.truth_mark(&symbol("BTCUSDT"), site.rig.exchange.now()).expect("it trades");
        assert_eq!(meta["current_rate"], json!(mark.funding_rate.map(|rate| rate.to_string())));
        assert_eq!(meta["next_funding_time"], json!(mark.next_funding_time.map(UnixMillis::get)));
    });
}

#[test]
fn open_interest_is_told_by_periods_of_any_length() {
    with_stored_site(START, AGE, async |site| {
        let truth = |time: i64| {
            let quantity = site.rig.exchange.truth_open_interest(&symbol("BTCUSDT"), at(time)).expect("it trades");
            json!(quantity.to_string())
        };
        let newest = site.rows("open-interest?symbol=BTCUSDT").await;
        assert_eq!((newest.len(), &newest[0]["quantity"]), (1, &truth(time(&newest[0]))));
        assert!(time(&newest[0]) > START && newest[0]["value"].is_null());
        for (period, length) in
            [("5m", HOUR / 12), ("30m", HOUR / 2), ("1h", HOUR), ("6h", 6 * HOUR), ("1d", 24 * HOUR)]
        {
            let target = format!("open-interest?symbol=BTCUSDT&period={period}");
            let rows = site.rows(&format!("{target}&limit=25")).await;
            assert_eq!(rows.len(), 25, "{period}");
            // What ends in this run was polled before its end.
            for row in rows.iter().filter(|row| time(row) <= START - 60_000) {
                assert_eq!((time(row) % length, &row["quantity"]), (0, &truth(time(row))), "{period}: {row}");
                assert!(row["value"].is_string());
            }
            assert!(rows.windows(2).all(|pair| time(&pair[1]) - time(&pair[0]) == length), "{period}");
            let (walked, pages) = site.pages(&format!("{target}&limit=6"), time(&rows[0])).await;
            assert!(walked[..25] == rows && (5..=6).contains(&pages), "{period}: {pages}");
        }
        let raw = site.rows("open-interest?symbol=BTCUSDT&limit=5").await;
        assert!(raw.len() == 5 && raw.iter().all(|row| row["quantity"] == truth(time(row))));
    });
}

#[test]
fn liquidations_are_the_published_ones_and_said_to_be_a_sample() {
    with_stored_site(START, Duration::from_secs(900), async |site| {
        let answer = site.get("/api/v1/liquidations?symbol=BTCUSDT&decimals=string").await.json();
        assert!(answer["meta"]["note"].as_str().expect("words").contains("sums are too low"));
        let rows = answer["data"].as_array().expect("rows");
        let last = rows.last().map(time).expect("some in 15 minutes");
        let truth = site.rig.exchange.truth_liquidations(&symbol("BTCUSDT"), at(START + 1_000), at(last + 1));
        let expected: Vec<Value> = truth
            .iter()
            .map(|order| {
                json!({
                    "id": order.time.get() << 12,
                    "time": order.time.get(),
                    "side": if order.is_sell { "sell" } else { "buy" },
                    "price": order.price.to_string(),
                    "average_price": order.average_price.to_string(),
                    "quantity": order.quantity.to_string(),
                    "filled": order.filled.to_string(),
                    "notional": order.average_price.times(order.filled).to_string(),
                })
            })
            .collect();
        assert!(rows.len() >= 5 && *rows == expected, "{} of {}", rows.len(), expected.len());
        let (walked, _) = site.pages("liquidations?symbol=BTCUSDT&limit=2", START).await;
        assert_eq!(walked[..rows.len()], *rows);
        let id = rows[2]["id"].as_u64().expect("an id");
        for (from_id, first) in [(id, 2), (id + 1, 3), (id - 1, 2)] {
            let from = site.rows(&format!("liquidations?symbol=BTCUSDT&from_id={from_id}")).await;
            assert_eq!(from[..rows.len() - first], rows[first..], "from {from_id}");
        }
        let end = time(&rows[3]) + 1;
        let gap = site.rows(&format!("liquidations?symbol=BTCUSDT&from_id={id}&end={end}")).await;
        assert_eq!(gap, rows[2..4], "as a gap is read");
    });
}

#[test]
fn tickers_and_best_prices_are_the_published_ones() {
    with_stored_site(START, AGE, async |site| {
        let exchange = &site.rig.exchange;
        let tickers = site.rows("tickers").await;
        assert_eq!(tickers.len(), 2);
        for row in tickers {
            let end = at(row["close_time"].as_i64().expect("a time"));
            let truth = exchange.truth_ticker(&symbol(row["symbol"].as_str().expect("one")), end).expect("it trades");
            assert_eq!(row["last"], truth.last.to_string());
            assert_eq!(row["change_percent"], truth.change_percent.to_string());
            assert_eq!(row["quote_volume"], truth.quote_volume.to_string());
            assert_eq!((&row["raw_trades"], &row["last_raw_id"]), (&json!(truth.count), &json!(truth.last_id)));
        }
        assert_eq!(site.rows("tickers?symbol=SOLUSDT").await.len(), 1);
        for row in site.rows("book-tickers").await {
            let text = symbol(row["symbol"].as_str().expect("one"));
            let truth = exchange.truth_book_ticker(&text, at(time(&row))).expect("it trades");
            assert_eq!(
                (&row["bid"], &row["ask"]),
                (&json!(truth.bid.price.to_string()), &json!(truth.ask.price.to_string()))
            );
        }
    });
}

#[test]
fn a_day_opens_with_its_first_trade_and_one_that_was_not_seen_is_not_proven() {
    let midnight = START - START.rem_euclid(24 * HOUR) + 24 * HOUR;
    with_stored_site(midnight - 90_000, Duration::from_secs(240), async |site| {
        for _ in 0..2 {
            let rows = site.rows("daily-opens").await;
            assert_eq!(rows.len(), 2);
            for row in rows {
                let text = symbol(row["symbol"].as_str().expect("one"));
                let truth = site.rig.exchange.truth(&text, at(midnight), at(midnight + 120_000));
                assert_eq!((&row["open"], time(&row)), (&json!(truth[0].price.to_string()), truth[0].time.get()));
                assert_eq!(row["complete"], true);
            }
        }
    });
    with_stored_site(START, Duration::from_secs(60), async |site| {
        let rows = site.rows("daily-opens?symbol=BTCUSDT").await;
        assert!(rows[0]["complete"] == false && time(&rows[0]) >= START - 5_000, "{rows:?}");
    });
}

#[test]
fn large_trades_are_those_that_are_worth_it() {
    with_stored_site(START, AGE, async |site| {
        let all = site.rows("trades?symbol=BTCUSDT&limit=10000").await;
        let (first, last) = (all[0]["id"].as_u64().expect("an id"), all[all.len() - 1]["id"].as_u64().expect("an id"));
        let published = site.truth(first, last);
        let mut worth: Vec<_> = published.iter().map(|trade| trade.price.times(trade.quantity)).collect();
        worth.sort_unstable();
        let threshold = worth[worth.len() - 100];
        let expected: Vec<Value> =
            published.iter().filter(|trade| trade.price.times(trade.quantity) >= threshold).map(row).collect();
        // The parameter has eight places.
        let least = published.iter().map(|trade| trade.price.times(trade.quantity)).filter(|worth| *worth >= threshold);
        let least = least.min().expect("some").units() / 100_000_000;
        let text = tapedeck::model::Price::from_units(i64::try_from(least).expect("fits")).to_string();
        let newest = site.rows(&format!("trades?symbol=BTCUSDT&min_notional={text}&limit=20")).await;
        let within = |rows: Vec<Value>| -> Vec<Value> {
            rows.into_iter().filter(|row| row["id"].as_u64() <= Some(last)).collect()
        };
        assert!(within(newest.clone()).len() + 5 >= 20 && newest.len() == 20);
        let (mut walked, mut next) = (Vec::new(), Some(first));
        while let Some(from) = next.filter(|from| *from <= last) {
            let target =
                format!("/api/v1/trades?symbol=BTCUSDT&from_id={from}&min_notional={text}&limit=7&decimals=string");
            let page = site.get(&target).await.json();
            assert_eq!(page["meta"]["complete"], from > first || first == 1 || page["meta"]["complete"] == true);
            walked.extend(page["data"].as_array().expect("rows").clone());
            next = page["meta"]["next"].as_u64();
        }
        assert_eq!(within(walked), expected);
    });
}

#[test]
fn what_cannot_be_answered_is_said() {
    with_site(Duration::from_secs(10), options(), async |site| {
        for (target, status, code) in [
            ("mark?symbol=NOPEUSDT", 404, "unknown_symbol"),
            ("mark?limit=5", 400, "missing_parameter"),
            ("mark?symbol=BTCUSDT&limit=5", 404, "no_store"),
            ("mark?symbol=BTCUSDT&start=20&end=10", 422, "empty_range"),
            ("funding", 404, "no_store"),
            ("funding?symbol=BTCUSDT&interval=1m", 400, "unknown_parameter"),
            ("open-interest?symbol=BTCUSDT&period=7m", 400, "invalid_parameter"),
            ("open-interest?period=1h", 400, "missing_parameter"),
            ("open-interest?symbol=BTCUSDT&period=1h", 404, "no_store"),
            ("liquidations", 400, "missing_parameter"),
            ("liquidations?symbol=BTCUSDT&limit=0", 400, "invalid_parameter"),
            ("tickers?limit=3", 400, "unknown_parameter"),
            ("daily-opens?symbol=NOPEUSDT", 404, "unknown_symbol"),
            ("trades?symbol=BTCUSDT&min_notional=-1", 400, "invalid_parameter"),
            ("trades?symbol=BTCUSDT&min_notional=many", 400, "invalid_parameter"),
        ] {
            let answer = site.get(&format!("/api/v1/{target}")).await;
            assert_eq!(
                (answer.status, answer.json()["code"].as_str()),
                (status, Some(code)),
                "{target}: {}",
                answer.body
            );
        }
        assert_eq!(site.get("/api/v1/tickers").await.json()["data"], json!([]), "none has come");
    });
}
