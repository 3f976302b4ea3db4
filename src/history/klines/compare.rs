//! Does a minute say what the official kline says, once what aggregates carry over its borders is put where it belongs?
//!
//! At most one aggregate straddles a border, as each is a run of raw trades: the last of its minute. What it carries over is therefore of the
//! price at which the minute closes and of one side. So each border has one unknown, the volume carried, and each minute eight equations.

use crate::{
    exchange::binance::Kline,
    history::klines::report::{Difference, Report},
    model::{Candle, Price, UnixMillis},
};

/// Borders in a row that aggregates straddle, at most: there are about 140 a day of the busiest contract (measured).
const CHAIN_MAX: usize = 1_440;

/// What an aggregate carries over the end of the minute in which it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Carry {
    /// In 1e-8; 0 when no aggregate straddles the border.
    volume: i128,
    price: Price,
    is_bought: bool,
}

impl Carry {
    const NONE: Self = Self { volume: 0, price: Price::from_units(0), is_bought: false };

    /// Of one price and side, if these sums are.
    fn of(sums: Sums, price: Price) -> Option<Self> {
        let is_bought = sums.taker != 0;
        let carry = Self { volume: sums.volume, price, is_bought };
        (carry.sums()? == sums).then_some(carry)
    }

    /// Nothing when they are beyond all bounds.
    fn sums(self) -> Option<Sums> {
        let quote = self.volume.checked_mul(self.price.units().into())?;
        let taken = i128::from(self.is_bought);
        Some(Sums { volume: self.volume, quote, taker: self.volume * taken, taker_quote: quote * taken })
    }
}

/// The four sums of a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    volume: i128,
    quote: i128,
    taker: i128,
    taker_quote: i128,
}

impl Sums {
    fn of_candle(candle: &Candle) -> Self {
        Self {
            volume: candle.volume.units(),
            quote: candle.quote_volume.units(),
            taker: candle.taker_buy_volume.units(),
            taker_quote: candle.taker_buy_quote_volume.units(),
        }
    }

    fn of_kline(kline: &Kline) -> Self {
        Self {
            volume: kline.volume.units(),
            quote: kline.quote_volume.units(),
            taker: kline.taker_buy_volume.units(),
            taker_quote: kline.taker_buy_quote_volume.units(),
        }
    }

    fn each(self, other: Self, sum: impl Fn(i128, i128) -> Option<i128>) -> Option<Self> {
        Some(Self {
            volume: sum(self.volume, other.volume)?,
            quote: sum(self.quote, other.quote)?,
            taker: sum(self.taker, other.taker)?,
            taker_quote: sum(self.taker_quote, other.taker_quote)?,
        })
    }

    fn plus(self, other: Self) -> Option<Self> {
        self.each(other, i128::checked_add)
    }

    fn minus(self, other: Self) -> Option<Self> {
        self.each(other, i128::checked_sub)
    }
}

/// What is known of the border before the next minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Border {
    /// Nothing: what lies before it is not compared.
    Edge,
    /// What goes over it.
    Carried(Carry),
}

/// Compares minutes one after the other.
#[derive(Debug)]
pub struct Comparison {
    report: Report,
    /// When the last minute ended.
    end: Option<UnixMillis>,
    border: Border,
    /// Minutes that are explained once something that they carry has arrived.
    chain: Vec<Difference>,
    /// Whether the chain began at an edge.
    from_edge: bool,
}

impl Default for Comparison {
    fn default() -> Self {
        Self { report: Report::default(), end: None, border: Border::Edge, chain: Vec::new(), from_edge: false }
    }
}

impl Comparison {
    /// Adds an official minute and what is held of it; `is_hole` when trades of it may be missing. Minutes ascend: one at or before the last is
    /// passed over, as daily and monthly files say the same.
    pub fn push(&mut self, official: &Kline, ours: Option<&Candle>, is_hole: bool) {
        match self.end {
            Some(end) if official.open_time < end => return,
            Some(end) if official.open_time == end => {}
            _ => self.leave(),
        }
        self.end = Some(official.close_time);
        self.report.minutes += 1;
        let minute = Difference { ours: ours.copied(), official: *official };
        if is_hole {
            self.leave();
            match carried(&minute, Carry::NONE) {
                Some(Carry::NONE) => self.report.equal += 1,
                _ => self.report.in_holes += 1,
            }
        } else if !self.explain(minute) {
            self.refuse(minute);
        }
    }

    /// What it came to.
    pub fn finish(mut self) -> Report {
        self.leave();
        self.report
    }

    /// Whether the minute follows from what is held.
    fn explain(&mut self, minute: Difference) -> bool {
        let Border::Carried(entering) = self.border else { return self.explain_at_edge(minute) };
        match carried(&minute, entering) {
            Some(leaving) => self.take(minute, entering, leaving),
            None => return self.explain_again(minute),
        }
        true
    }

    /// Nothing is known of what comes in: perhaps nothing does.
    fn explain_at_edge(&mut self, minute: Difference) -> bool {
        let is_undecided = is_undecided(&minute);
        let after = if is_undecided { Border::Edge } else { Border::Carried(Carry::NONE) };
        let entering = std::iter::once(Carry::NONE).chain(entering(&minute).into_iter().flatten());
        for entering in entering {
            match carried(&minute, entering) {
                Some(Carry::NONE) if entering != Carry::NONE => {
                    self.report.at_edges += 1;
                    self.border = after;
                    return true;
                }
                Some(Carry::NONE) => {
                    self.report.equal += 1;
                    self.border = after;
                    return true;
                }
                Some(leaving) => {
                    self.from_edge = true;
                    self.border = Border::Carried(leaving);
                    match entering {
                        Carry::NONE => self.chain.push(minute),
                        _ => self.report.at_edges += 1,
                    }
                    return true;
                }
                None => {}
            }
        }
        self.report.at_edges += u64::from(is_undecided);
        is_undecided
    }

    /// Minutes from an edge on may have been taken wrongly: what comes in and what leaves of one price and side are not told apart.
    fn explain_again(&mut self, minute: Difference) -> bool {
        if !self.from_edge {
            return false;
        }
        let chain = std::mem::take(&mut self.chain);
        let is_explained = self.explain_at_edge(minute);
        if is_explained {
            self.report.at_edges += chain.len() as u64;
        } else {
            self.chain = chain;
        }
        is_explained
    }

    fn take(&mut self, minute: Difference, entering: Carry, leaving: Carry) {
        self.border = Border::Carried(leaving);
        if entering == Carry::NONE && leaving == Carry::NONE {
            self.report.agree(&minute);
            self.from_edge = false;
            return;
        }
        self.chain.push(minute);
        if leaving == Carry::NONE {
            self.report.straddled += self.chain.len() as u64;
            self.chain.clear();
            self.from_edge = false;
        } else if self.chain.len() > CHAIN_MAX {
            self.break_off();
        }
    }

    /// A minute that does not follow: nor do those whose carried volume should have been in it.
    fn refuse(&mut self, minute: Difference) {
        if is_blank(&minute.official) {
            self.leave();
            self.report.invent(&minute.official, minute.ours.as_ref());
            return;
        }
        // What was carried did not arrive; without it the minute may be right.
        let was_owed = !self.chain.is_empty();
        self.break_off();
        if !was_owed || !self.explain_at_edge(minute) {
            self.report.differ(minute);
        }
    }

    fn break_off(&mut self) {
        self.chain.drain(..).for_each(|minute| self.report.differ(minute));
        self.border = Border::Edge;
        self.from_edge = false;
    }

    /// What comes next does not follow on: what the last minute carries there is not seen again.
    fn leave(&mut self) {
        if self.chain.pop().is_some() {
            self.report.at_edges += 1;
        }
        self.report.straddled += self.chain.len() as u64;
        self.chain.clear();
        self.border = Border::Edge;
        self.from_edge = false;
    }
}

/// Whether an official minute is one without trades.
fn is_blank(kline: &Kline) -> bool {
    let is_flat = [kline.open, kline.high, kline.low].iter().all(|price| *price == kline.close);
    is_flat && kline.count == 0 && Sums::of_kline(kline) == Sums::default()
}

/// What the minute carries over its end, if it is as the official one once `entering` came in.
fn carried(minute: &Difference, entering: Carry) -> Option<Carry> {
    let held = minute.ours.as_ref().filter(|candle| candle.volume.units() != 0);
    let own = held.map(Sums::of_candle).unwrap_or_default();
    let rest = own.plus(entering.sums()?)?.minus(Sums::of_kline(&minute.official))?;
    let leaving = match held {
        _ if rest == Sums::default() => Carry::NONE,
        // The first fill of what leaves stays.
        Some(candle) => Carry::of(rest, candle.close).filter(|carry| (1..own.volume).contains(&carry.volume))?,
        None => return None,
    };
    let is_same = match prices(held, entering) {
        Some(prices) => prices == official_prices(&minute.official),
        None => is_blank(&minute.official),
    };
    is_same.then_some(leaving)
}

/// What may have come in: it came first, so its price is the one at which the official minute opens. Either nothing leaves, or what does
/// is of the other side, or of another price.
fn entering(minute: &Difference) -> Option<impl Iterator<Item = Carry>> {
    let own = minute.ours.as_ref().map(Sums::of_candle).unwrap_or_default();
    let more = Sums::of_kline(&minute.official).minus(own)?;
    let price = minute.official.open;
    let carry = |volume: Option<i128>, is_bought| volume.map(|volume| Carry { volume, price, is_bought });
    let by_price = minute.ours.as_ref().and_then(|candle| {
        let leaving = i128::from(candle.close.units());
        let rest = more.quote.checked_sub(leaving.checked_mul(more.volume)?)?;
        rest.checked_div(i128::from(price.units()).checked_sub(leaving)?)
    });
    let all = [
        carry(Some(more.volume), more.taker != 0),
        carry(Some(more.taker), true),
        carry(more.volume.checked_sub(more.taker), false),
        carry(by_price, true),
        carry(by_price, false),
    ];
    Some(all.into_iter().flatten().filter(|carry| carry.volume > 0))
}

/// Whether all may be right with what comes in and what leaves, of one price and side: then only their difference is known. Into a minute
/// without trades nothing comes.
fn is_undecided(minute: &Difference) -> bool {
    if is_blank(&minute.official) {
        return false;
    }
    let Some(ours) = minute.ours.as_ref().filter(|ours| ours.close == minute.official.open) else { return false };
    let difference = Sums::of_kline(&minute.official).minus(Sums::of_candle(ours));
    let something = Carry { volume: 1, price: ours.close, is_bought: false };
    difference.and_then(|difference| Carry::of(difference, ours.close)).is_some()
        && prices(Some(ours), something) == Some(official_prices(&minute.official))
}

fn official_prices(kline: &Kline) -> [Price; 4] {
    [kline.open, kline.high, kline.low, kline.close]
}

/// Open, high, low and close with what came in; nothing without a trade.
fn prices(held: Option<&Candle>, entering: Carry) -> Option<[Price; 4]> {
    let own = held.map(|candle| [candle.open, candle.high, candle.low, candle.close]);
    let price = entering.price;
    match own {
        own if entering.volume == 0 => own,
        None => Some([price; 4]),
        Some([_, high, low, close]) => Some([price, high.max(price), low.min(price), close]),
    }
}
