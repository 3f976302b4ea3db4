//! How small do columns of trades become, and what do they cost to pack and unpack beside copying them?
//!
//! Sizes are printed first, in bytes a row of each column. Every figure has its floor in the same run: `copy` moves the
//! columns as they are, `pco` is that crate alone on chunks of 131,072 rows. The budgets: 5 bytes a row and 1,000 M rows/s
//! of time, price and quantity in the recent tier; 2.6 bytes in the cold one, and a minute out of a block in 0.2 ms.

#![expect(clippy::float_arithmetic, reason = "distributions are drawn and measured, no money is counted")]
#![expect(clippy::cast_possible_truncation, reason = "draws are small and not negative")]

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use pco::{ChunkConfig, DeltaSpec, ModeSpec, standalone};
use std::{collections::HashMap, hint::black_box, ops::Range, time::Duration};
use tapedeck::store::codec::{Columns, MINI_ROWS, Shape, Tier, encode};

const ROWS: usize = 1 << 20;
/// Rows of a chunk of the `pco` floor.
const CHUNK: usize = 131_072;
/// Trades of a minute, more or less.
const MINUTE: usize = 450;
/// 2026-10-01 00:00 UTC.
const START: f64 = 1_790_812_800_000.0;

const COLUMNS: [(&str, Shape); 7] = [
    ("id", Shape::Delta),
    ("time", Shape::Delta),
    ("price", Shape::Delta),
    ("quantity", Shape::Plain),
    ("side", Shape::Bit),
    ("gap", Shape::Plain),
    ("raw", Shape::Plain),
];
/// Time, price and quantity, and all.
const WANTED: [(&str, Range<usize>); 2] = [("3 columns", 1..4), ("7 columns", 0..7)];
const LAYOUTS: [(Tier, usize); 7] = [
    (Tier::Recent, 4_096),
    (Tier::Recent, 16_384),
    (Tier::Recent, 65_536),
    (Tier::Cold, 4_096),
    (Tier::Cold, 8_192),
    (Tier::Cold, 16_384),
    (Tier::Cold, 65_536),
];

/// One vector for each of [`COLUMNS`].
type Tape = [Vec<i64>; 7];

/// A xorshift generator: the same trades in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    /// Between 0 and 1, neither included.
    fn unit(&mut self) -> f64 {
        (self.below(1 << 52) as f64 + 0.5) / (1u64 << 52) as f64
    }

    fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Failures before the first success.
    fn failures(&mut self, success: f64) -> i64 {
        (self.unit().ln() / (1.0 - success).ln()) as i64
    }
}

/// Takers' orders that walk up or down a book: bursts of trades of one side, mostly within a millisecond.
struct Market {
    random: Random,
    time: f64,
    middle: i64,
    heat: f64,
    buys: bool,
}

impl Market {
    /// Appends the trades of one order.
    fn order(&mut self, tape: &mut Tape) {
        self.heat = 0.9995 * self.heat + 0.03 * self.random.normal();
        self.time += -352.0 * self.random.unit().ln() / (1.25 * (self.heat + 0.45).exp()).max(0.05);
        self.buys ^= self.random.chance(0.62);
        let long = if self.random.chance(0.015) { 8 } else { 1 };
        let mut price = self.middle + i64::from(self.buys);
        for trade in 0..(1 + self.random.failures(0.42)) * long {
            if trade > 0 && self.random.chance(0.86) {
                price += (1 + self.random.failures(0.33)) * if self.buys { 1 } else { -1 };
            }
            if trade > 0 && self.random.chance(0.12) {
                self.time += (1 + self.random.below(3)) as f64;
            }
            self.trade(tape, price);
        }
        self.refill(price - i64::from(self.buys));
    }

    fn trade(&mut self, tape: &mut Tape, price: i64) {
        let quantity = self.quantity();
        let raw = self.random.failures(if quantity < 20 { 0.7 } else { 0.3 }).min(7).min(quantity - 1);
        let gap = i64::from(self.random.below(5_000) == 0);
        let id = 1_963_000_001 + (tape[0].len() as u64).cast_signed();
        let row = [id, self.time as i64, price, quantity, i64::from(!self.buys), gap, raw];
        tape.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }

    /// Thousandths, often the least or a round one.
    fn quantity(&mut self) -> i64 {
        match self.random.below(100) {
            0..7 => 1,
            7..11 => 2,
            11..17 => [5, 10, 20, 50, 100, 200, 500, 1_000][self.random.below(8) as usize],
            _ => ((36f64.ln() + 2.0 * self.random.normal()).exp() as i64).clamp(1, 900_000),
        }
    }

    /// After an order the book comes most of the way back, then drifts.
    fn refill(&mut self, end: i64) {
        self.middle += (end - self.middle) * self.random.below(4).cast_signed() / 8;
        let sign = if self.random.chance(0.5) { 1 } else { -1 };
        match self.random.below(100) {
            0..10 => self.middle += sign * (1 + self.random.failures(0.06)),
            10..30 => self.middle += sign,
            _ => {}
        }
    }
}

fn tape() -> Tape {
    let mut tape = Tape::default();
    let random = Random(0x9e37_79b9_7f4a_7c15);
    let mut market = Market { random, time: START, middle: 420_000, heat: 0.0, buys: true };
    while tape[0].len() < ROWS {
        market.order(&mut tape);
    }
    tape.iter_mut().for_each(|column| column.truncate(ROWS));
    tape
}

/// Bits a value, were each drawn alone.
fn entropy(values: impl Iterator<Item = i64>) -> f64 {
    let mut counts = HashMap::new();
    values.for_each(|value| *counts.entry(value).or_insert(0u32) += 1);
    let total: u32 = counts.values().sum();
    let share = |count: &u32| f64::from(*count) / f64::from(total);
    counts.values().map(|count| -share(count) * share(count).log2()).sum()
}

/// How like real trades they are: those have 3.68, 7.63 and 2.23 bits, 0.59 and 0.26.
fn describe(tape: &Tape) {
    let steps = |column: usize| tape[column].windows(2).map(|pair| pair[1] - pair[0]);
    let share = |count: usize| count as f64 / ROWS as f64;
    eprintln!(
        "price step {:.2} bits, quantity {:.2}, raw {:.2}; same ms {:.2}, side flips {:.2}",
        entropy(steps(2)),
        entropy(tape[3].iter().copied()),
        entropy(tape[6].iter().copied()),
        share(steps(1).filter(|step| *step == 0).count()),
        share(steps(4).filter(|step| *step != 0).count()),
    );
}

/// The payloads of a range of columns, a block each.
fn packed(tier: Tier, block: usize, tape: &Tape, wanted: Range<usize>) -> Vec<Vec<u8>> {
    let pack = |start: usize| {
        let columns: Vec<_> = wanted.clone().map(|at| (COLUMNS[at].1, &tape[at][start..start + block])).collect();
        let mut out = Vec::new();
        encode(tier, &columns, &mut out).expect("valid columns");
        out
    };
    (0..ROWS).step_by(block).map(pack).collect()
}

/// What `pco` makes of a column by itself, with what is known of the column.
fn alone(shape: Shape, block: usize, values: &[i64]) -> Vec<Vec<u8>> {
    let config = ChunkConfig::default();
    let config = match shape {
        Shape::Delta => config.with_mode_spec(ModeSpec::Classic).with_delta_spec(DeltaSpec::TryConsecutive(1)),
        _ => config,
    };
    values.chunks(block).map(|chunk| standalone::simple_compress(chunk, &config).expect("valid")).collect()
}

fn print_sizes(name: &str, size: impl Fn(usize) -> usize, total: usize) {
    let a_row = |bytes: usize| bytes as f64 / ROWS as f64;
    let columns = (0..COLUMNS.len()).map(|at| format!("{} {:.3}", COLUMNS[at].0, a_row(size(at))));
    eprintln!("{name:>14}: {:.3} bytes a row: {}", a_row(total), columns.collect::<Vec<_>>().join(", "));
}

fn sizes(tape: &Tape) {
    describe(tape);
    let sum = |payloads: Vec<Vec<u8>>| payloads.iter().map(Vec::len).sum::<usize>();
    for (tier, block) in LAYOUTS {
        let size = |at: usize| sum(packed(tier, block, tape, at..at + 1));
        print_sizes(&format!("{tier:?} {block}"), size, sum(packed(tier, block, tape, 0..7)));
    }
    for block in [4_096, 16_384, CHUNK] {
        let size = |at: usize| sum(alone(COLUMNS[at].1, block, &tape[at]));
        print_sizes(&format!("pco {block}"), size, (0..7).map(size).sum());
    }
}

/// Every mini-block of a range of columns, in turn, in the same few arrays.
fn read_minis(payloads: &[Vec<u8>], block: usize, wanted: Range<usize>) -> i64 {
    let (mut scratch, mut sum) = ([[0; MINI_ROWS]; 7], 0);
    for payload in payloads {
        let columns = Columns::parse(block, COLUMNS.len(), payload).expect("valid payload");
        for row in (0..block).step_by(MINI_ROWS) {
            for (column, rows) in wanted.clone().zip(&mut scratch) {
                columns.read_into(column, row, rows).expect("valid column");
            }
            sum ^= black_box(&scratch)[0][0];
        }
    }
    sum
}

/// Every block of a range of columns, in turn, in the same few vectors.
fn read_blocks(payloads: &[Vec<u8>], block: usize, rows: &Range<usize>, wanted: Range<usize>) {
    let mut scratch: [Vec<i64>; 7] = Default::default();
    for payload in payloads {
        let columns = Columns::parse(block, COLUMNS.len(), payload).expect("valid payload");
        for (column, out) in wanted.clone().zip(&mut scratch) {
            columns.read(column, rows.clone(), out).expect("valid column");
        }
        black_box(&mut scratch);
    }
}

/// The floor: the columns copied piece by piece into the same few arrays.
fn copy(tape: &Tape, wanted: Range<usize>) {
    let mut scratch = [[0; MINI_ROWS]; 7];
    for row in (0..ROWS).step_by(MINI_ROWS) {
        for (column, rows) in wanted.clone().zip(&mut scratch) {
            rows.copy_from_slice(&tape[column][row..row + MINI_ROWS]);
        }
        black_box(&mut scratch);
    }
}

fn timed<'a>(criterion: &'a mut Criterion, name: String, rows: usize) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(rows as u64)).sample_size(10);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group
}

fn decoding(criterion: &mut Criterion, tape: &Tape) {
    for (name, wanted) in WANTED {
        let mut group = timed(criterion, format!("decode {name}"), ROWS);
        group.bench_function("copy", |bencher| bencher.iter(|| copy(black_box(tape), wanted.clone())));
        let chunks: Vec<_> = wanted.clone().flat_map(|at| alone(COLUMNS[at].1, CHUNK, &tape[at])).collect();
        let mut out = vec![0i64; CHUNK];
        let mut inflate =
            |chunk: &Vec<u8>| standalone::simple_decompress_into(chunk, &mut out).expect("valid").n_processed;
        group.bench_function("pco", |bencher| bencher.iter(|| chunks.iter().map(&mut inflate).sum::<usize>()));
        for (tier, block) in LAYOUTS {
            let payloads = packed(tier, block, tape, 0..7);
            let read = || read_blocks(black_box(&payloads), block, &(0..block), wanted.clone());
            group.bench_function(format!("{tier:?} {block}"), |bencher| bencher.iter(read));
            if tier == Tier::Recent {
                let read = || read_minis(black_box(&payloads), block, wanted.clone());
                group.bench_function(format!("{tier:?} {block} by mini-blocks"), |bencher| bencher.iter(read));
            }
        }
        group.finish();
    }
}

/// A minute's trades out of the middle of each block of all columns; the time is of one block.
fn minutes(criterion: &mut Criterion, tape: &Tape) {
    for (name, wanted) in WANTED {
        let mut group = timed(criterion, format!("a minute of {name}"), 1);
        for (tier, block) in LAYOUTS {
            let payloads = packed(tier, block, tape, 0..7);
            let rows = block / 2..block / 2 + MINUTE;
            let mut next = payloads.iter().cycle();
            let mut read = || {
                let payload = next.next().map_or(&payloads[..0], std::slice::from_ref);
                read_blocks(black_box(payload), block, &rows, wanted.clone());
            };
            group.bench_function(format!("{tier:?} {block}"), |bencher| bencher.iter(&mut read));
        }
        group.finish();
    }
}

fn encoding(criterion: &mut Criterion, tape: &Tape) {
    let mut group = timed(criterion, "encode 7 columns".to_owned(), ROWS);
    group.bench_function("copy", |bencher| bencher.iter(|| copy(black_box(tape), 0..7)));
    let pco = || COLUMNS.iter().zip(tape).map(|((_, shape), values)| alone(*shape, CHUNK, values).len()).sum::<usize>();
    group.bench_function("pco", |bencher| bencher.iter(pco));
    for (tier, block) in LAYOUTS {
        group.bench_function(format!("{tier:?} {block}"), |bencher| {
            bencher.iter(|| packed(tier, block, black_box(tape), 0..7).len());
        });
    }
    group.finish();
}

/// What is timed is also right.
fn check(tape: &Tape) {
    let expected = tape[0].iter().step_by(MINI_ROWS).fold(0, |sum, id| sum ^ id);
    assert_eq!(read_minis(&packed(Tier::Recent, 4_096, tape, 0..7), 4_096, 0..7), expected);
}

fn codec(criterion: &mut Criterion) {
    let tape = tape();
    check(&tape);
    sizes(&tape);
    decoding(criterion, &tape);
    minutes(criterion, &tape);
    encoding(criterion, &tape);
}

criterion_group!(benches, codec);
criterion_main!(benches);
