//! What are the rows of an archive file, and how is each written?
//!
//! Prices and quantities of trades are written without needless zeros, yet with one decimal (`67.0`); those of klines
//! with all their places; quote quantities with eight at least. The venue is no more uniform than that.

use crate::{
    model::{Price, Quantity, Timeframe, Trade, UnixMillis},
    sim::{
        archive::{
            calendar::date_time,
            key::{Dataset, File},
        },
        block::{Execution, Fill},
        contract::Contract,
        exchange::Exchange,
        json::Json,
        kline::Kline,
        market::{Fills, Trades},
        series::{self, Ratio},
    },
};
use std::{collections::VecDeque, sync::Arc};

/// Klines are folded for this long a stretch at a time.
const FOLDED_MS: i64 = UnixMillis::HOUR;

/// One row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Row {
    Aggregate(Trade),
    Fill(Fill),
    Kline(Kline),
    /// Five minutes' figures, named by the time they are of.
    Metrics(i64),
    /// The funding that is due at this time.
    Funding(i64),
}

/// The rows of one span, in order.
#[derive(Debug)]
pub(super) struct Rows {
    exchange: Arc<Exchange>,
    contract: usize,
    end: i64,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Aggregates(Trades),
    Fills(Fills),
    Klines { next: i64, folded: VecDeque<Kline> },
    Metrics { next: i64 },
    Funding { next: i64 },
}

/// The first line of a file with a header.
pub(super) const fn header(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::AggTrades => "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
        Dataset::Trades => "id,price,qty,quote_qty,time,is_buyer_maker",
        Dataset::Klines => {
            "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,\
             taker_buy_quote_volume,ignore"
        }
        Dataset::Metrics => {
            "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,\
             sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
        }
        Dataset::FundingRate => "calc_time,funding_interval_hours,last_funding_rate",
    }
}

impl Rows {
    /// The rows of `file` with times in `[from, to)`.
    pub(super) fn new(exchange: &Arc<Exchange>, file: &File, (from, to): (i64, i64)) -> Self {
        let (contract, market) = (file.shelf.contract, exchange.market());
        let source = match file.shelf.dataset {
            Dataset::AggTrades => Source::Aggregates(market.trades_from(contract, from)),
            Dataset::Trades => Source::Fills(market.fills_from(contract, from)),
            Dataset::Klines => Source::Klines { next: from, folded: VecDeque::new() },
            Dataset::Metrics => Source::Metrics { next: from },
            Dataset::FundingRate => Source::Funding { next: series::next_funding(from) },
        };
        Self { exchange: exchange.clone(), contract, end: to, source }
    }

    fn folded(&self, from: i64) -> VecDeque<Kline> {
        let to = self.end.min(from + FOLDED_MS);
        let span = (UnixMillis::new(from), UnixMillis::new(to));
        self.exchange.klines(self.contract, Timeframe::MINUTE, span, UnixMillis::new(i64::MAX)).into()
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let end = self.end;
        match &mut self.source {
            Source::Aggregates(trades) => trades.next().filter(|trade| trade.time.get() < end).map(Row::Aggregate),
            Source::Fills(fills) => {
                let fill = fills.find(|fill| fill.execution == Execution::Market)?;
                (fill.time.get() < end).then_some(Row::Fill(fill))
            }
            Source::Klines { folded, next } => {
                if let Some(kline) = folded.pop_front() {
                    return Some(Row::Kline(kline));
                }
                let from = *next;
                if from >= end {
                    return None;
                }
                *next += FOLDED_MS;
                let hour = self.folded(from);
                if let Source::Klines { folded, .. } = &mut self.source {
                    *folded = hour;
                }
                self.next()
            }
            // The first row is five minutes past midnight, the last one the next midnight's (sampled 2025).
            Source::Metrics { next } => {
                *next += series::METRICS_MS;
                (*next <= end).then_some(Row::Metrics(*next))
            }
            Source::Funding { next } => {
                let due = *next;
                *next += series::FUNDING_MS;
                (due < end).then_some(Row::Funding(due))
            }
        }
    }
}

impl Row {
    /// What orders it: its id, or its time where there is none.
    pub(super) fn id(&self) -> u64 {
        match self {
            Self::Aggregate(trade) => trade.id,
            Self::Fill(fill) => fill.id,
            Self::Kline(kline) => kline.open_time.get().cast_unsigned(),
            Self::Metrics(time) | Self::Funding(time) => time.cast_unsigned(),
        }
    }

    /// Another row than the venue's: a step more, or a minute's volume gone. Rows of series stay as they are.
    pub(super) fn falsified(self, step: Quantity) -> Self {
        let more = |quantity: Quantity| Quantity::from_units(quantity.units().saturating_add(step.units()));
        match self {
            Self::Aggregate(trade) => Self::Aggregate(Trade { quantity: more(trade.quantity), ..trade }),
            Self::Fill(fill) => Self::Fill(Fill { quantity: more(fill.quantity), ..fill }),
            Self::Kline(kline) => Self::Kline(Kline::flat((kline.open_time, kline.close_time), kline.close)),
            series => series,
        }
    }

    /// Appends it to `out`, without an end of line.
    pub(super) fn write(&self, exchange: &Exchange, contract: usize, out: &mut String) {
        let listed = &exchange.contracts()[contract];
        match self {
            Self::Aggregate(trade) => write_aggregate(out, trade),
            Self::Fill(fill) => write_fill(out, listed, fill),
            Self::Kline(kline) => write_kline(out, listed, kline),
            Self::Metrics(time) => write_metrics(out, exchange, contract, *time),
            Self::Funding(due) => write_funding(out, exchange, contract, *due),
        }
    }
}

/// At least one decimal, and no zero at the end beyond it.
fn trimmed<'a>(csv: &'a mut Json<'_>, units: i64) -> &'a mut String {
    csv.fixed(units.into(), 8, 8);
    let kept = csv.0.trim_end_matches('0').len();
    csv.0.truncate(kept);
    if csv.0.ends_with('.') {
        csv.0.push('0');
    }
    csv.0.push(',');
    csv.0
}

fn write_aggregate(out: &mut String, trade: &Trade) {
    let mut csv = Json(out);
    csv.number(trade.id).text(",");
    trimmed(&mut csv, trade.price.units());
    trimmed(&mut csv, trade.quantity.units());
    csv.number(trade.first_id).text(",").number(trade.last_id).text(",").number(trade.time.get()).text(",");
    csv.flag(trade.buyer_is_maker);
}

fn write_fill(out: &mut String, listed: &Contract, fill: &Fill) {
    let mut csv = Json(out);
    csv.number(fill.id).text(",");
    trimmed(&mut csv, fill.price.units());
    trimmed(&mut csv, fill.quantity.units());
    csv.fixed(fill.price.times(fill.quantity).units(), 16, listed.quote_places().max(8)).text(",");
    csv.number(fill.time.get()).text(",").flag(fill.buyer_is_maker);
}

fn write_kline(out: &mut String, listed: &Contract, kline: &Kline) {
    let (price, quantity, quote) = (listed.price_places, listed.quantity_places, listed.quote_places());
    let mut csv = Json(out);
    csv.number(kline.open_time.get());
    for shown in [kline.open, kline.high, kline.low, kline.close] {
        csv.text(",").price(shown, price);
    }
    csv.text(",").fixed(kline.volume.units(), 8, quantity).text(",").number(kline.close_time.get() - 1);
    csv.text(",").fixed(kline.quote_volume.units(), 16, quote).text(",").number(kline.count);
    csv.text(",").fixed(kline.taker_buy_volume.units(), 8, quantity);
    csv.text(",").fixed(kline.taker_buy_quote_volume.units(), 16, quote).text(",0");
}

fn write_metrics(out: &mut String, exchange: &Exchange, contract: usize, time: i64) {
    let (market, listed) = (exchange.market(), &exchange.contracts()[contract]);
    let key = market.key(contract).unwrap_or_default();
    let interest = series::open_interest(listed, key, time);
    let price = market.bid(contract, time).unwrap_or_default();
    out.push_str(&date_time(time));
    let mut csv = Json(out);
    csv.text(",").text(listed.symbol.as_str()).text(",").quantity(interest, 8).text("0000000000,");
    csv.fixed(Price::times(price, interest).units(), 16, 16);
    for ratio in Ratio::ALL {
        csv.text(",");
        if let Some(units) = ratio.at(key, time) {
            csv.fixed(units.into(), series::RATIO_SCALE, series::RATIO_SCALE).text("00000000");
        }
    }
}

fn write_funding(out: &mut String, exchange: &Exchange, contract: usize, due: i64) {
    let key = exchange.market().key(contract).unwrap_or_default();
    let mut csv = Json(out);
    csv.number(series::funding_time(key, due)).text(",").number(series::FUNDING_HOURS).text(",");
    csv.signed(series::funding_rate(key, due), 8, 8);
}
