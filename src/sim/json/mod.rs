//! How does the venue write its payloads? Key order and number forms as captured live (2026-10-07).

pub(super) mod book;
pub(super) mod state;

use crate::{
    model::{Price, Quantity, Trade, UnixMillis},
    sim::{
        block::{Execution, Fill},
        contract::{Contract, Line},
        kline::Kline,
        series,
    },
};

/// Text under construction.
pub(super) struct Json<'a>(pub(super) &'a mut String);

impl Json<'_> {
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    pub(super) fn number(&mut self, number: impl itoa::Integer) -> &mut Self {
        self.0.push_str(itoa::Buffer::new().format(number));
        self
    }

    /// The symbol that `contract` has on a product line.
    pub(super) fn symbol(&mut self, contract: &Contract, line: Line) -> &mut Self {
        match line {
            Line::UsdM => self.text(contract.symbol.as_str()),
            Line::CoinM => self.text(&contract.base_asset).text("USD_PERP"),
        }
    }

    /// The pair that `contract` is on.
    pub(super) fn pair(&mut self, contract: &Contract, line: Line) -> &mut Self {
        match line {
            Line::UsdM => self.text(&contract.pair),
            Line::CoinM => self.text(&contract.base_asset).text("USD"),
        }
    }

    /// Which product line it is, as a field after others.
    pub(super) fn line(&mut self, line: Line) -> &mut Self {
        self.text(match line {
            Line::UsdM => r#","st":1"#,
            Line::CoinM => r#","st":2"#,
        })
    }

    /// Ends a text and begins the one of the field `name`.
    pub(super) fn name(&mut self, name: &str) -> &mut Self {
        self.text(r#"",""#).text(name).text(r#"":""#)
    }

    pub(super) fn flag(&mut self, flag: bool) -> &mut Self {
        self.text(if flag { "true" } else { "false" })
    }

    pub(super) fn price(&mut self, price: Price, places: u32) -> &mut Self {
        self.fixed(i128::from(price.units()), 8, places)
    }

    pub(super) fn quantity(&mut self, quantity: Quantity, places: u32) -> &mut Self {
        self.fixed(i128::from(quantity.units()), 8, places)
    }

    /// As [`Json::fixed`], with a sign where one is needed.
    pub(super) fn signed(&mut self, units: i64, scale: u32, places: u32) -> &mut Self {
        self.text(if units < 0 { "-" } else { "" }).fixed(i128::from(units.unsigned_abs()), scale, places)
    }

    /// `units` x 10^-`scale` with exactly `places` decimals; digits beyond are cut off.
    pub(super) fn fixed(&mut self, units: i128, scale: u32, places: u32) -> &mut Self {
        let places = places.min(scale);
        let value = u128::try_from(units).unwrap_or(0) / 10_u128.pow(scale - places);
        let one = 10_u64.pow(places);
        let (whole, fraction) = match u64::try_from(value) {
            Ok(value) => (u128::from(value / one), u128::from(value % one)),
            Err(_) => (value / u128::from(one), value % u128::from(one)),
        };
        self.number(whole);
        if places > 0 {
            self.text(".");
            let mut buffer = itoa::Buffer::new();
            let digits = buffer.format(fraction);
            for _ in digits.len()..places as usize {
                self.text("0");
            }
            self.text(digits);
        }
        self
    }
}

/// An `aggTrade` event sent at `sent`.
pub(super) fn agg_trade(out: &mut String, contract: &Contract, trade: &Trade, sent: UnixMillis) {
    let mut json = Json(out);
    json.text(r#"{"e":"aggTrade","E":"#).number(sent.get()).text(r#","a":"#).number(trade.id);
    json.text(r#","s":""#).text(contract.symbol.as_str()).text(r#"","#);
    agg_trade_fields(&mut json, contract, trade);
    json.text(r#","st":1}"#);
}

/// A row of REST `aggTrades`.
pub(super) fn agg_trade_row(out: &mut String, contract: &Contract, trade: &Trade) {
    let mut json = Json(out);
    json.text(r#"{"a":"#).number(trade.id).text(",");
    agg_trade_fields(&mut json, contract, trade);
    json.text("}");
}

fn agg_trade_fields(json: &mut Json<'_>, contract: &Contract, trade: &Trade) {
    json.text(r#""p":""#).price(trade.price, contract.price_places);
    json.text(r#"","q":""#).quantity(trade.quantity, contract.quantity_places);
    json.text(r#"","nq":""#).quantity(trade.quantity, contract.quantity_places);
    json.text(r#"","f":"#).number(trade.first_id).text(r#","l":"#).number(trade.last_id);
    json.text(r#","T":"#).number(trade.time.get()).text(r#","m":"#).flag(trade.buyer_is_maker);
}

/// A raw `trade` event; a burnt id is `X: "NA"` with price and quantity "0".
pub(super) fn raw_trade(out: &mut String, contract: &Contract, fill: &Fill) {
    let mut json = Json(out);
    json.text(r#"{"e":"trade","E":"#).number(fill.time.get()).text(r#","T":"#).number(fill.time.get());
    json.text(r#","s":""#).text(contract.symbol.as_str()).text(r#"","t":"#).number(fill.id);
    match fill.execution {
        Execution::Market => {
            json.text(r#","p":""#).price(fill.price, contract.price_places);
            json.text(r#"","q":""#).quantity(fill.quantity, contract.quantity_places);
            json.text(r#"","X":"MARKET","m":"#);
        }
        Execution::Burnt => {
            json.text(r#","p":"0","q":"0","X":"NA","m":"#);
        }
    }
    json.flag(fill.buyer_is_maker).text(r#","st":1}"#);
}

/// A row of REST `trades` and `historicalTrades`.
pub(super) fn raw_trade_row(out: &mut String, contract: &Contract, fill: &Fill) {
    let mut json = Json(out);
    json.text(r#"{"id":"#).number(fill.id).text(r#","price":""#).price(fill.price, contract.price_places);
    json.text(r#"","qty":""#).quantity(fill.quantity, contract.quantity_places);
    json.text(r#"","quoteQty":""#).fixed(fill.price.times(fill.quantity).units(), 16, contract.quote_places());
    json.text(r#"","time":"#).number(fill.time.get()).text(r#","isBuyerMaker":"#).flag(fill.buyer_is_maker);
    json.text(r#","isRPITrade":false}"#);
}

/// A row of REST `fundingRate`, of a contract's key and the time that the funding is due.
pub(super) fn funding_row(out: &mut String, contract: &Contract, (key, due): (u64, i64), price: Price) {
    let mut json = Json(out);
    json.text(r#"{"symbol":""#).text(contract.symbol.as_str());
    json.text(r#"","fundingTime":"#).number(series::funding_time(key, due));
    json.text(r#","fundingRate":""#).signed(series::funding_rate(key, due), 8, 8);
    json.text(r#"","markPrice":""#).price(price, 8).text(r#"","rateType":"Regular"}"#);
}

/// A row of REST `openInterestHist`.
pub(super) fn open_interest_row(out: &mut String, contract: &Contract, interest: Quantity, price: Price, time: i64) {
    let mut json = Json(out);
    json.text(r#"{"symbol":""#).text(contract.symbol.as_str());
    json.text(r#"","sumOpenInterest":""#).quantity(interest, 8);
    json.text(r#"","sumOpenInterestValue":""#).fixed(price.times(interest).units(), 16, 8);
    json.text(r#"","CMCCirculatingSupply":"0.00000000","timestamp":"#).number(time).text("}");
}

/// A `kline` event sent at `sent`.
pub(super) fn kline(
    out: &mut String,
    contract: &Contract,
    interval: &str,
    (kline, closed): (&Kline, bool),
    sent: UnixMillis,
) {
    let (price, quantity) = (contract.price_places, contract.quantity_places);
    let mut json = Json(out);
    json.text(r#"{"e":"kline","E":"#).number(sent.get()).text(r#","s":""#).text(contract.symbol.as_str());
    json.text(r#"","k":{"t":"#).number(kline.open_time.get());
    json.text(r#","T":"#).number(kline.close_time.get() - 1).text(r#","s":""#).text(contract.symbol.as_str());
    json.text(r#"","i":""#).text(interval).text(r#"","f":"#).number(kline.first_id);
    json.text(r#","L":"#).number(kline.last_id).text(r#","o":""#).price(kline.open, price);
    json.text(r#"","c":""#).price(kline.close, price).text(r#"","h":""#).price(kline.high, price);
    json.text(r#"","l":""#).price(kline.low, price).text(r#"","v":""#).fixed(kline.volume.units(), 8, quantity);
    json.text(r#"","n":"#).number(kline.count).text(r#","x":"#).flag(closed);
    json.text(r#","q":""#).fixed(kline.quote_volume.units(), 16, contract.quote_places());
    json.text(r#"","V":""#).fixed(kline.taker_buy_volume.units(), 8, quantity);
    json.text(r#"","Q":""#).fixed(kline.taker_buy_quote_volume.units(), 16, contract.quote_places());
    json.text(r#"","B":"0"}}"#);
}

/// A row of REST `klines`.
pub(super) fn kline_row(out: &mut String, contract: &Contract, kline: &Kline) {
    let (price, quantity) = (contract.price_places, contract.quantity_places);
    let mut json = Json(out);
    json.text("[").number(kline.open_time.get()).text(r#",""#).price(kline.open, price);
    json.text(r#"",""#).price(kline.high, price).text(r#"",""#).price(kline.low, price);
    json.text(r#"",""#).price(kline.close, price).text(r#"",""#).fixed(kline.volume.units(), 8, quantity);
    json.text(r#"","#).number(kline.close_time.get() - 1);
    json.text(r#",""#).fixed(kline.quote_volume.units(), 16, contract.quote_places());
    json.text(r#"","#).number(kline.count);
    json.text(r#",""#).fixed(kline.taker_buy_volume.units(), 8, quantity);
    json.text(r#"",""#).fixed(kline.taker_buy_quote_volume.units(), 16, contract.quote_places());
    json.text(r#"","0"]"#);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_as_many_as_asked() {
        let text = |units, scale, places| {
            let mut out = String::new();
            Json(&mut out).fixed(units, scale, places);
            out
        };
        assert_eq!(text(8_309_170_000_000, 8, 2), "83091.70");
        assert_eq!(text(2_200_000, 8, 3), "0.022");
        assert_eq!(text(1_125_714_739_600_000_000_000, 16, 5), "112571.47396");
        assert_eq!(text(500_000_000, 8, 0), "5");
        assert_eq!(text(i128::from(u64::MAX) * 1_000_000_000, 16, 8), "1844674407370.95516150");
    }
}
