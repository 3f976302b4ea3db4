//! Which trades are measured?

use std::{fs, io, path::Path};
use tapedeck::model::{Price, Quantity, Trade, UnixMillis};

/// The trades of an aggTrades CSV in the layout of the venue's archive, at most `rows`.
pub(crate) fn of_csv(path: &Path, rows: usize) -> io::Result<Vec<Trade>> {
    let bytes = fs::read(path)?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| line.first().is_some_and(u8::is_ascii_digit));
    lines.take(rows).map(|line| row(line).ok_or_else(|| io::ErrorKind::InvalidData.into())).collect()
}

fn row(line: &[u8]) -> Option<Trade> {
    let mut fields = line.split(|byte| *byte == b',');
    let mut next = || fields.next();
    let number = |text: &[u8]| str::from_utf8(text).ok()?.parse::<u64>().ok();
    Some(Trade {
        id: number(next()?)?,
        price: Price::parse(next()?).ok()?,
        quantity: Quantity::parse(next()?).ok()?,
        first_id: number(next()?)?,
        last_id: number(next()?)?,
        time: UnixMillis::new(i64::try_from(number(next()?)?).ok()?),
        buyer_is_maker: next()?.eq_ignore_ascii_case(b"true"),
    })
}

/// A walk of trades over January 2024, most of which come in bursts inside a millisecond.
pub(crate) fn generated(rows: usize) -> Vec<Trade> {
    walk(rows).collect()
}

/// The same one by one.
pub(crate) fn walk(rows: usize) -> impl Iterator<Item = Trade> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |end: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % end
    };
    let pause = 31 * 86_400_000 / (rows as u64 * 3 / 10).max(1);
    let (mut time, mut price, mut raw) = (1_704_067_200_000_i64, 4_200_000_000_000_i64, 1_u64);
    let trade = move |id: u64| {
        time += if below(10) < 7 { 0 } else { below(2 * pause + 1).cast_signed() };
        price += (below(21).cast_signed() - 10) * 10_000_000;
        let raws = 1 + below(100) / 80;
        raw += raws;
        Trade {
            id,
            price: Price::from_units(price),
            quantity: Quantity::from_units((1 + below(8).pow(3).cast_signed()) * 100_000),
            first_id: raw - raws,
            last_id: raw - 1,
            time: UnixMillis::new(time.min(1_706_745_599_999)),
            buyer_is_maker: below(4) == 0,
        }
    };
    (1..=rows as u64).map(trade)
}
