//! How are columns of trades folded into candles, exactly and fast?

use crate::{
    candle::{Bar, CandleColumns},
    model::{Price, Timeframe, UnixMillis},
};

/// Trades in ascending id order as columns of one length. Prices and quantities are in whole steps.
#[derive(Clone, Copy, Debug)]
pub struct TradeColumns<'a> {
    /// Ids.
    pub ids: &'a [i64],
    /// Times, in Unix milliseconds.
    pub times: &'a [i64],
    /// Prices, each times `price_step`.
    pub prices: &'a [i64],
    /// In 1e-8.
    pub price_step: i64,
    /// Quantities, each times `quantity_step`.
    pub quantities: &'a [i64],
    /// In 1e-8.
    pub quantity_step: i64,
    /// Last raw id less the first.
    pub spans: &'a [i64],
    /// 1 where the buyer was the maker, else 0.
    pub makers: &'a [i64],
}

/// Candles of one timeframe in the making.
#[derive(Debug)]
pub struct ColumnFold {
    timeframe: Timeframe,
    open: Option<((UnixMillis, UnixMillis), Bar)>,
    candles: CandleColumns,
}

impl ColumnFold {
    /// None yet.
    pub fn new(timeframe: Timeframe) -> Self {
        Self { timeframe, open: None, candles: CandleColumns::default() }
    }

    /// Adds trades, whose ids are above all before them.
    pub fn push(&mut self, trades: &TradeColumns<'_>) {
        let mut from = 0;
        while let Some(time) = trades.times.get(from) {
            let bucket = match self.open {
                Some((bucket, _)) if bucket.0.get() <= *time && *time < bucket.1.get() => bucket,
                _ => self.timeframe.bucket(UnixMillis::new(*time)),
            };
            // Times hardly ever go back; where they do, the run ends and its bucket is taken up again below.
            let length = trades.times[from..].partition_point(|time| *time < bucket.1.get()).max(1);
            self.merge(bucket, &trades.sum(from, from + length));
            from += length;
        }
    }

    fn merge(&mut self, bucket: (UnixMillis, UnixMillis), bar: &Bar) {
        match &mut self.open {
            Some((own, open)) if *own == bucket => open.merge(bar),
            _ => {
                if let Some((bucket, bar)) = self.open.replace((bucket, *bar)) {
                    self.candles.push(&bar.candle(bucket));
                }
            }
        }
    }

    /// Goes on with what `later`, which folded the trades behind these, has made.
    pub fn join(mut self, later: Self) -> CandleColumns {
        if let Some((bucket, bar)) = self.open.take() {
            self.candles.push(&bar.candle(bucket));
        }
        let rest = later.finish();
        rest.iter().for_each(|candle| self.candles.push_or_merge(&candle));
        self.candles
    }

    /// The candles, all closed; whether they are complete is not known here.
    pub fn finish(mut self) -> CandleColumns {
        if let Some((bucket, bar)) = self.open.take() {
            self.candles.push(&bar.candle(bucket));
        }
        self.candles
    }
}

impl TradeColumns<'_> {
    /// The bar of rows `from..to`, which are not none.
    fn sum(&self, from: usize, to: usize) -> Bar {
        let (prices, quantities, makers) = (&self.prices[from..to], &self.quantities[from..to], &self.makers[from..to]);
        let (mut high, mut low, mut bits) = (i64::MIN, i64::MAX, 0);
        let mut narrow = Sums::<i64>::default();
        for ((price, quantity), maker) in prices.iter().zip(quantities).zip(makers) {
            high = high.max(*price);
            low = low.min(*price);
            bits |= *quantity;
            // All ones where the taker bought.
            let bought = maker.wrapping_sub(1);
            let product = price.wrapping_mul(*quantity);
            narrow.volume = narrow.volume.wrapping_add(*quantity);
            narrow.taken = narrow.taken.wrapping_add(quantity & bought);
            narrow.quote = narrow.quote.wrapping_add(product);
            narrow.quote_taken = narrow.quote_taken.wrapping_add(product & bought);
        }
        // No quantity is above the bits of all; no sum of products above the highest price times the sum of quantities.
        let rows = (to - from) as i128;
        let quantities_fit = bits >= 0 && (i128::from(bits) + 1) * rows <= i128::from(i64::MAX);
        let products_fit = low >= 0 && i64::try_from(i128::from(high) * i128::from(narrow.volume)).is_ok();
        let sums = if quantities_fit && products_fit { narrow.widened() } else { self.wide_sums(from, to) };
        self.bar((from, to), (high, low), &sums)
    }

    /// The same sums where 64 bits may not hold them.
    fn wide_sums(&self, from: usize, to: usize) -> Sums<i128> {
        let mut sums = Sums::<i128>::default();
        for at in from..to {
            let (price, quantity) = (i128::from(self.prices[at]), i128::from(self.quantities[at]));
            let bought = i128::from(self.makers[at]) - 1;
            sums.volume += quantity;
            sums.taken += quantity & bought;
            sums.quote += price * quantity;
            sums.quote_taken += (price * quantity) & bought;
        }
        sums
    }

    fn bar(&self, (from, to): (usize, usize), (high, low): (i64, i64), sums: &Sums<i128>) -> Bar {
        let quantity_step = i128::from(self.quantity_step);
        let quote_step = i128::from(self.price_step) * quantity_step;
        let price = |steps: i64| Price::from_units(steps.wrapping_mul(self.price_step));
        let (trades, spans) = ((to - from) as u64, self.spans[from..to].iter().sum::<i64>());
        Bar::of_sums(
            [self.prices[from], high, low, self.prices[to - 1]].map(price),
            [
                sums.volume * quantity_step,
                sums.quote * quote_step,
                sums.taken * quantity_step,
                sums.quote_taken * quote_step,
            ],
            trades,
            spans.cast_unsigned() + trades,
            (self.ids[from].cast_unsigned(), self.ids[to - 1].cast_unsigned()),
        )
    }
}

/// Sums of quantities and of prices times quantities, in steps; all, and those where the taker bought.
#[derive(Clone, Copy, Debug, Default)]
struct Sums<T> {
    volume: T,
    taken: T,
    quote: T,
    quote_taken: T,
}

impl Sums<i64> {
    fn widened(self) -> Sums<i128> {
        Sums {
            volume: self.volume.into(),
            taken: self.taken.into(),
            quote: self.quote.into(),
            quote_taken: self.quote_taken.into(),
        }
    }
}
