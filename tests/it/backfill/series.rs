//! Do the other series come as the exchange publishes them?

use super::*;
use tapedeck::{
    model::{Source as From, Timeframe},
    sim::Execution,
    store::record::{FundingRow, OpenInterestRow},
};

const ALL: IdRange = IdRange { first: 0, last: u64::MAX };

#[test]
fn klines_are_candles_of_their_own_source() {
    in_one_life(async |rig: Rig| {
        let (from, to) = (TODAY - 3 * DAY, TODAY - DAY);
        let job = rig.fill_series(Series::Candles, from, to).await;
        assert_eq!(job.state, State::Done);
        let minutes = rig.holding(Kind::Trade).minutes(at(from), at(to), usize::MAX, false);
        let klines = rig.exchange.truth_klines(&symbol(SYMBOL), Timeframe::MINUTE, at(from), at(to));
        let traded: Vec<_> = klines.iter().filter(|kline| kline.count > 0).collect();
        assert_eq!(minutes.len(), traded.len());
        assert!(minutes.len() > 2_000);
        for (minute, kline) in minutes.iter().zip(traded) {
            assert_eq!((minute.open_time, minute.close, minute.trades), (kline.open_time, kline.close, kline.count));
            assert_eq!((minute.source, minute.complete), (From::Klines, true));
        }
    });
}

#[test]
fn raw_trades_open_interest_and_fundings() {
    in_one_life(async |rig: Rig| {
        let (from, to) = (TODAY - 3 * DAY, TODAY - DAY);
        let job = rig.fill_series(Series::RawTrades, from, to).await;
        assert_eq!((job.state, job.parts[0].ids_missing), (State::Done, 0));
        let held = rig.holding(Kind::RawTrade).from_id(0, usize::MAX).trades;
        let truth = rig.exchange.truth_raw(&symbol(SYMBOL), at(from), at(to));
        let market = truth.iter().filter(|fill| fill.execution == Execution::Market);
        assert!(held.iter().map(|trade| trade.id).eq(market.map(|fill| fill.id)));
        rig.forget_asked();
        rig.fill_series(Series::RawTrades, from, to).await;
        assert_eq!(rig.asked(".zip"), 0, "ids that name no trade are no reason to fetch anew");
        let job = rig.fill_series(Series::OpenInterest, from, to).await;
        assert_eq!(job.state, State::Done);
        let rows = rig.library.shelf(rig.contract, Kind::OpenInterest).rows(&rig.library, ALL, usize::MAX, false);
        let rows: Vec<OpenInterestRow> = rows.rows.records().collect();
        assert_eq!(rows.len(), 2 * 288);
        assert_eq!(rows[0].time, at(from + 5 * UnixMillis::MINUTE));
        let job = rig.fill_series(Series::OpenInterest, from - 20 * DAY, from).await;
        assert_eq!((job.state, job.parts[0].files_done, job.parts[0].rows_new), (State::Done, 20, 20 * 288));
        let parts = rig.library.shelf(rig.contract, Kind::OpenInterest).sealed().len();
        assert!(parts <= 2, "{parts} segments for twice some days");
        let job = rig.fill_series(Series::Funding, TODAY - 40 * DAY, TODAY - 25 * DAY).await;
        assert_eq!(job.state, State::Done);
        let rows = rig.library.shelf(rig.contract, Kind::Funding).rows(&rig.library, ALL, usize::MAX, false);
        let rows: Vec<FundingRow> = rows.rows.records().collect();
        assert!((31 * 3..=31 * 6).contains(&rows.len()), "{}", rows.len());
        assert_eq!(job.parts[0].files, 1);
    });
}
