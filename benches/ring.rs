//! What does the ring cost beside plain memory that knows of no second thread?
//!
//! Each figure has its floor in the same run: the same records moved to or from a plain `Vec`, without atomics. The
//! budget: the newest 1,024 records read from the ring in 3 us.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::{hint::black_box, sync::Arc};
use tapedeck::ring::{Cursor, Ring, Writer};

/// With their stamp, seven words fill a cache line.
type Record = [u64; 7];

/// A plain record on a line of its own, as the ring has them.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(Record);

/// The default length of a ring of trades.
const SLOTS: usize = 8192;
/// How many of the newest are read at once.
const NEWEST: usize = 1024;

fn record(position: u64) -> Record {
    [position; 7]
}

/// A full ring, its writer, and the same records on plain lines.
fn full() -> (Arc<Ring<7>>, Writer<7>, Vec<Line>) {
    let ring = Ring::new(SLOTS);
    let mut writer = Writer::adopt(&ring).expect("a new ring has no writer");
    let lines = (0..SLOTS as u64).map(|position| Line(record(writer.push(record(position))))).collect();
    (ring, writer, lines)
}

fn push(criterion: &mut Criterion) {
    let (_ring, mut writer, mut lines) = full();
    let mut group = criterion.benchmark_group("push");
    group.throughput(Throughput::Elements(1));
    let mut slot = 0;
    group.bench_function("floor", |bencher| {
        bencher.iter(|| {
            lines[slot % SLOTS] = Line(record(black_box(1)));
            black_box(&mut lines);
            slot += 1;
        });
    });
    group.bench_function("ring", |bencher| bencher.iter(|| writer.push(record(black_box(1)))));
    group.finish();
}

/// Something to do with each record that needs all of it.
fn add(sum: &mut Record, record: &Record) {
    sum.iter_mut().zip(record).for_each(|(sum, word)| *sum = sum.wrapping_add(*word));
}

fn follow(criterion: &mut Criterion) {
    let (ring, _writer, lines) = full();
    let mut group = criterion.benchmark_group("follow");
    group.throughput(Throughput::Elements(SLOTS as u64));
    group.bench_function("floor", |bencher| {
        bencher.iter(|| {
            let mut sum = record(0);
            black_box(&lines).iter().for_each(|line| add(&mut sum, &line.0));
            sum
        });
    });
    group.bench_function("cursor", |bencher| {
        bencher.iter(|| {
            let mut sum = record(0);
            let batch = Cursor::at(0).read(black_box(&ring), SLOTS, |record| add(&mut sum, &record));
            assert_eq!(batch.records, SLOTS);
            sum
        });
    });
    group.finish();
}

fn newest(criterion: &mut Criterion) {
    let (ring, _writer, lines) = full();
    let mut group = criterion.benchmark_group("newest 1024");
    group.throughput(Throughput::Elements(NEWEST as u64));
    group.bench_function("floor", |bencher| bencher.iter(|| black_box(&lines)[SLOTS - NEWEST..].to_vec()));
    group.bench_function("ring", |bencher| bencher.iter(|| black_box(&ring).newest(NEWEST)));
    group.finish();
}

criterion_group!(benches, push, follow, newest);
criterion_main!(benches);
