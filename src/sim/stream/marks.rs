//! What do the streams of mark prices deliver?

use crate::{
    model::UnixMillis,
    sim::{
        contract::{Contract, Kind, Line, coin_margined},
        exchange::Exchange,
        json, mark,
    },
};

/// The period of a mark price stream, by what follows its name.
pub(super) fn period(suffix: &str) -> Option<i64> {
    match suffix {
        "" => Some(3 * UnixMillis::SECOND),
        "@1s" => Some(UnixMillis::SECOND),
        _ => None,
    }
}

/// One contract's.
pub(super) fn write_one(exchange: &Exchange, contract: usize, sent: i64, out: &mut String) {
    write_row(exchange, (contract, Line::UsdM), sent, out);
}

/// All that are listed: shares and metals in a frame of their own, coin-margined twins among the others.
pub(super) fn write_all(exchange: &Exchange, is_tradifi: bool, sent: i64, out: &mut String) {
    let contracts = exchange.contracts();
    let is_told = |listed: &Contract| {
        let is_listed = listed.status_at(UnixMillis::new(sent)).is_some();
        is_listed && (listed.kind == Kind::TradifiPerpetual) == is_tradifi
    };
    let rows = (0..contracts.len()).filter(|&contract| is_told(&contracts[contract]));
    let twins = coin_margined(contracts).filter(|_| !is_tradifi).map(|contract| (contract, Line::CoinM));
    // Where there is no such contract there is no message.
    let begin = out.len();
    for row in rows.map(|contract| (contract, Line::UsdM)).chain(twins) {
        out.push(if out.len() == begin { '[' } else { ',' });
        write_row(exchange, row, sent, out);
    }
    out.push_str(if out.len() == begin { "" } else { "]" });
}

fn write_row(exchange: &Exchange, (contract, line): (usize, Line), sent: i64, out: &mut String) {
    let listed = &exchange.contracts()[contract];
    if let Some(key) = exchange.market().key(contract) {
        json::state::mark_price(out, (listed, line), &mark::mark(listed, key, sent));
    }
}
