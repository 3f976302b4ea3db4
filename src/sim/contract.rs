//! Which contracts does the simulated exchange list, and with what precision and pace?

use crate::model::{IdRange, Price, Quantity, Symbol, SymbolError, UnixMillis};

/// `deliveryDate` of a contract that never expires, as the venue writes it (2100-12-25 08:00 UTC).
const NEVER: UnixMillis = UnixMillis::new(4_133_404_800_000);

/// What kind of contract it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A crypto perpetual.
    Perpetual,
    /// A perpetual on a share, a metal or an index.
    TradifiPerpetual,
    /// A dated contract, delivered at the end of its quarter.
    CurrentQuarter,
}

impl Kind {
    /// `contractType` in `exchangeInfo`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Perpetual => "PERPETUAL",
            Self::TradifiPerpetual => "TRADIFI_PERPETUAL",
            Self::CurrentQuarter => "CURRENT_QUARTER",
        }
    }
}

/// Whether a contract trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Trading,
    /// It is delisted: listed, subscribable, silent.
    Settling,
}

impl Status {
    /// `status` in `exchangeInfo`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trading => "TRADING",
            Self::Settling => "SETTLING",
        }
    }
}

/// How the trades of an hour are spread over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Bursts of up to some 20 times the mean, and minutes (seconds, above 100 trades a second) without any trade.
    Lively,
    /// Evenly: for measurements.
    Steady,
    /// As [`Pace::Lively`], and in a minute of a burst half of its trades fall into one second.
    Bursting,
}

/// The product line that a row of an all-market stream belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Margined in a stable coin: `st` 1.
    UsdM,
    /// Margined in the coin itself, from another market on the same host: `st` 2.
    CoinM,
}

/// The contracts of which the coin-margined twin comes along in all-market streams: 4 % of all (measured: 30 of 745 rows).
pub(super) fn coin_margined(contracts: &[Contract]) -> impl Iterator<Item = usize> {
    let perpetual = contracts.iter().enumerate().filter(|(_, contract)| contract.kind == Kind::Perpetual);
    perpetual.take(contracts.len() / 25 + 1).map(|(index, _)| index)
}

/// One listed contract.
#[derive(Clone, Debug)]
pub struct Contract {
    /// Its symbol.
    pub symbol: Symbol,
    /// The pair, without a date.
    pub pair: String,
    /// What is traded.
    pub base_asset: String,
    /// What it is.
    pub kind: Kind,
    /// Whether it trades.
    pub status: Status,
    /// When it was listed.
    pub onboard: UnixMillis,
    /// When it is delivered or was delisted; 2100 for perpetuals.
    pub delivery: UnixMillis,
    /// The price's grid.
    pub tick: Price,
    /// The quantity's grid.
    pub step: Quantity,
    /// Decimals in price texts; may exceed what the tick needs, as on the venue.
    pub price_places: u32,
    /// Decimals in quantity texts.
    pub quantity_places: u32,
    /// The price that the market wanders about.
    pub price: Price,
    /// Aggregate trades a minute, on average over each hour; 0 for none at all.
    pub trades_per_minute: u32,
    /// How they are spread.
    pub pace: Pace,
    /// Aggregate ids that the venue skipped, in no door's answer: their raw ids are burnt.
    pub absent: Vec<IdRange>,
}

/// 2019-09-25, when the venue's first contract was listed: before every recording and every generated market.
const LISTED: i64 = 1_569_398_400_000;

impl Contract {
    /// A lively perpetual of `symbol` about `price`, with prices to `price_places` and quantities to `quantity_places`
    /// decimals (both at most 8), on the grid of the last decimal.
    ///
    /// # Errors
    ///
    /// When `symbol` is no symbol.
    pub fn perpetual(
        symbol: &str,
        price: Price,
        (price_places, quantity_places): (u32, u32),
        trades_per_minute: u32,
    ) -> Result<Self, SymbolError> {
        let symbol = Symbol::new(symbol)?;
        let pair = symbol.as_str().to_owned();
        Ok(Self {
            base_asset: pair.strip_suffix("USDT").unwrap_or(&pair).to_owned(),
            pair,
            symbol,
            kind: Kind::Perpetual,
            status: Status::Trading,
            onboard: UnixMillis::new(LISTED),
            delivery: NEVER,
            tick: Price::from_units(unit(price_places)),
            step: Quantity::from_units(unit(quantity_places)),
            price_places,
            quantity_places,
            price,
            trades_per_minute,
            pace: Pace::Lively,
            absent: Vec::new(),
        })
    }

    /// Decimals in quote volumes: those of price and quantity together.
    pub fn quote_places(&self) -> u32 {
        self.price_places + self.quantity_places
    }

    /// Its state at a time; none before it is listed.
    pub fn status_at(&self, now: UnixMillis) -> Option<Status> {
        let status = if now < self.delivery { self.status } else { Status::Settling };
        (now >= self.onboard).then_some(status)
    }

    /// Whether it ever trades.
    pub fn trades(&self) -> bool {
        self.status == Status::Trading && self.trades_per_minute > 0
    }
}

/// The last of `places` decimals in units of 1e-8.
fn unit(places: u32) -> i64 {
    10_i64.pow(8_u32.saturating_sub(places))
}

/// The default list: liquid and quiet ones, a multiplier, a name outside ASCII, a quarterly, a metal, and a delisted one.
pub fn default_contracts() -> Vec<Contract> {
    let perpetual =
        |symbol, whole: i64, places, rate| Contract::perpetual(symbol, Price::from_units(whole), places, rate).ok();
    let mut contracts: Vec<Contract> = [
        perpetual("BTCUSDT", 8_309_170_000_000, (2, 3), 600),
        perpetual("ETHUSDT", 281_440_000_000, (2, 3), 420),
        perpetual("SOLUSDT", 14_321_000_000, (4, 2), 180),
        perpetual("1000SHIBUSDT", 864_300, (6, 0), 60),
        perpetual("币安人生USDT", 48_700_000, (7, 0), 40),
        perpetual("BTCUSDT_261225", 8_340_000_000_000, (1, 3), 12),
        perpetual("XAUUSDT", 410_400_000_000, (2, 3), 90),
        perpetual("OMGUSDT", 25_000_000, (4, 1), 0),
    ]
    .into_iter()
    .flatten()
    .collect();
    for contract in &mut contracts {
        match contract.symbol.as_str() {
            "BTCUSDT" => contract.tick = Price::from_units(10_000_000),
            // The venue's precision here is finer than its tick (7 places, tick 0.0001).
            "币安人生USDT" => contract.tick = Price::from_units(10_000),
            "BTCUSDT_261225" => {
                contract.kind = Kind::CurrentQuarter;
                "BTCUSDT".clone_into(&mut contract.pair);
                "BTC".clone_into(&mut contract.base_asset);
                contract.delivery = UnixMillis::new(1_798_185_600_000);
            }
            "XAUUSDT" => contract.kind = Kind::TradifiPerpetual,
            "OMGUSDT" => {
                contract.status = Status::Settling;
                contract.delivery = UnixMillis::new(1_738_314_000_000);
            }
            _ => {}
        }
    }
    contracts
}
