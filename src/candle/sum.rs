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
        for candle in (0..rest.len()).filter_map(|at| rest.get(at)) {
            self.candles.push_or_merge(&candle);
        }
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
        let (mut high, mut low, mut all, mut bought) = (i64::MIN, i64::MAX, 0_i128, 0_i128);
        let (mut volume, mut taken, mut spans) = (0_i64, 0_i64, 0_i64);
        for ((price, quantity), maker) in prices.iter().zip(quantities).zip(makers) {
            high = high.max(*price);
            low = low.min(*price);
            volume = volume.saturating_add(*quantity);
            taken = taken.saturating_add(*quantity & (maker - 1));
        }
        spans += self.spans[from..to].iter().sum::<i64>();
        // No product is above the highest price times the sum of the quantities: mostly 64 bits hold that.
        if i64::try_from(i128::from(high.max(0)) * i128::from(volume)).is_ok() && low >= 0 && volume < i64::MAX {
            let (mut quote, mut quote_taken) = (0_i64, 0_i64);
            for ((price, quantity), maker) in prices.iter().zip(quantities).zip(makers) {
                let product = price.wrapping_mul(*quantity);
                quote += product;
                quote_taken += product & (maker - 1);
            }
            (all, bought) = (quote.into(), quote_taken.into());
        } else {
            for ((price, quantity), maker) in prices.iter().zip(quantities).zip(makers) {
                let product = i128::from(*price) * i128::from(*quantity);
                all += product;
                bought += product & i128::from(maker - 1);
            }
        }
        let quote_step = i128::from(self.price_step) * i128::from(self.quantity_step);
        let quantity = |steps: i64| i128::from(steps) * i128::from(self.quantity_step);
        let price = |steps: i64| Price::from_units(steps.wrapping_mul(self.price_step));
        Bar::of_sums(
            [prices[0], high, low, prices[prices.len() - 1]].map(price),
            [quantity(volume), all * quote_step, quantity(taken), bought * quote_step],
            (to - from) as u64,
            spans.cast_unsigned() + (to - from) as u64,
            (self.ids[from].cast_unsigned(), self.ids[to - 1].cast_unsigned()),
        )
    }
}
