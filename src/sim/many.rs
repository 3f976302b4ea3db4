//! What does a whole venue list? Hundreds of contracts, a few of which trade most.

use crate::{
    model::Price,
    sim::{
        contract::{Contract, Kind, Pace, default_contracts},
        noise::{Draws, hash, key},
    },
};
use std::collections::HashSet;

/// Aggregate trades a minute of 800 contracts together: 50 million a day.
const TRADES_PER_MINUTE: u64 = 34_722;
/// The contracts among which they are divided.
const CONTRACTS: u64 = 800;
/// The n-th contract's share is as 1 to n + this: the first has 4 % of all (measured: 2.06 of 50 million).
const HEAD: u64 = 5;
/// Shares are counted in units of this.
const WHOLE: u64 = 1_000_000;

/// Coins by how much they trade, about.
const COINS: &str = "ETH SOL XRP DOGE BNB 1000PEPE SUI ADA LINK AVAX WIF LTC AAVE ENA BCH DOT NEAR APT ARB OP FIL UNI TIA \
    1000BONK 1000SHIB WLD ONDO INJ SEI TRX ETC XLM HBAR ATOM FET LDO JUP RUNE CRV DYDX GALA SAND MANA AXS IMX GRT ALGO \
    VET ICP THETA EOS FTM SNX COMP MKR SUSHI YFI 1INCH ZEC DASH XMR NEO QTUM IOTA ONT ZIL BAT ENJ CHZ HOT ANKR KSM RSR \
    CELO KAVA OCEAN BLUR PENDLE STRK MANTA ALT PIXEL PORTAL AEVO ETHFI W TAO NOT IO ZK LISTA ZRO RENDER DOGS HMSTR NEIRO \
    1000000MOG 1MBABYDOGE 1000000BOB 1000RATS 1000CAT 1000SATS 1000FLOKI 1000LUNC 1000XEC 4 0G";
/// Shares, metals and indices.
const TRADIFI: &str = "XAU XAG TSLA NVDA SAMSUNG SPCX CRWD KORU AAPL COIN";
const SYLLABLES: &str = "KA VO LI RA TEN MU ZO PIX NE RU SOL DA FI GO HEX BI";

/// The first `count` contracts of a venue: those of the built-in list that matter to a client (a multiplier, a name outside
/// ASCII, a quarterly, a metal) among them. Names, prices and shares depend on `seed` and on their places alone; 800 of them
/// make 50 million aggregate trades a day, bursts among them.
pub fn many_contracts(count: usize, seed: u64) -> Vec<Contract> {
    let mut listed = HashSet::new();
    let known = default_contracts().into_iter().filter(Contract::trades);
    let named = COINS.split_whitespace().filter_map(|coin| coin_perpetual(coin, seed));
    let metals = TRADIFI.split_whitespace().filter_map(|asset| {
        coin_perpetual(asset, seed).map(|contract| Contract { kind: Kind::TradifiPerpetual, ..contract })
    });
    let invented = (0..).filter_map(|index| coin_perpetual(&invented(seed, index), seed));
    let contracts = known.chain(named).chain(metals).chain(invented);
    let fresh = contracts.filter(|contract| listed.insert(contract.symbol.clone())).take(count);
    fresh.enumerate().map(|(rank, contract)| paced(contract, rank as u64)).collect()
}

fn paced(contract: Contract, rank: u64) -> Contract {
    let share = |rank| WHOLE / (rank + HEAD);
    let all: u64 = (0..CONTRACTS).map(share).sum();
    let trades_per_minute = u32::try_from(TRADES_PER_MINUTE * share(rank) / all).unwrap_or(u32::MAX).max(1);
    Contract { trades_per_minute, pace: Pace::Bursting, ..contract }
}

/// A perpetual whose price has four or five digits.
fn coin_perpetual(asset: &str, seed: u64) -> Option<Contract> {
    let symbol = format!("{asset}USDT");
    let mut draws = Draws::new(key(seed, &symbol));
    // From 0.001 to 1,000.
    let magnitude = draws.below(7);
    let price = Price::from_units(i64::from(100 + draws.below(900)) * 10_i64.pow(magnitude + 3));
    let price_places = 7_u32.saturating_sub(magnitude).max(2);
    let quantity_places = magnitude.saturating_sub(3).min(3);
    Contract::perpetual(&symbol, price, (price_places, quantity_places), 1).ok()
}

fn invented(seed: u64, index: i64) -> String {
    let syllables: Vec<&str> = SYLLABLES.split_whitespace().collect();
    let draw = hash(seed ^ (0xf1 << 40), index);
    let parts = [draw, draw >> 8, draw >> 16].map(|draw| syllables[(draw % 16) as usize % syllables.len()]);
    parts.concat()
}
