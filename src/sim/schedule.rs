//! When does what go wrong, drawn from one number?
//!
//! A schedule is a pure function of its seed: the same seed replays the same faults at the same times, in virtual time or in
//! real. Which client sees which frame of them is then up to the connections.

use crate::{
    model::Symbol,
    sim::{
        archive::{ArchiveFault, Defect},
        exchange::Exchange,
        faults::Ending,
        host::{Host, HostFault},
        malformed::Malformed,
        noise::Draws,
        outage::Outage,
        rest::RestFault,
    },
};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How often things go wrong, by class, in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Severity {
    /// Connections end, or cannot be opened.
    pub connections: u32,
    /// Streams fall silent.
    pub silences: u32,
    /// Frames are lost, repeated or out of order.
    pub streams: u32,
    /// Frames are malformed.
    pub frames: u32,
    /// REST answers wrongly or not at all.
    pub rest: u32,
    /// Files of the archive are late, missing or broken.
    pub archive: u32,
    /// The exchange cannot be reached: names, certificates, silence.
    pub outages: u32,
    /// The machine's clock is wrong, or the machine slept.
    pub time: u32,
    /// The machine's disk stalls, is full or fails.
    pub disk: u32,
}

impl Severity {
    /// Nothing goes wrong.
    pub const NONE: Self =
        Self { connections: 0, silences: 0, streams: 0, frames: 0, rest: 0, archive: 0, outages: 0, time: 0, disk: 0 };

    /// More than the venue was ever seen to do.
    pub const HARSH: Self = Self {
        connections: 30,
        silences: 10,
        streams: 20,
        frames: 20,
        rest: 20,
        archive: 4,
        outages: 6,
        time: 6,
        disk: 6,
    };
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every connection ends.
    End(Ending),
    /// None can be opened for so many milliseconds, after all have ended.
    Refuse(u64),
    /// Every stream is silent for so long.
    Stall(u64),
    /// Connections opened in so long deliver nothing; they end after that.
    Deafen(u64),
    /// The streams of a contract are silent for so long.
    Mute(Symbol, u64),
    /// One frame of forty comes, for so long.
    Thin(u64),
    /// So many frames of a contract are lost.
    Drop(Symbol, usize),
    /// So many come twice.
    Twice(Symbol, usize),
    /// So many in a row come in reverse.
    Reverse(Symbol, usize),
    /// An old frame comes again.
    Old(Symbol),
    /// A frame with an absurd id comes.
    Jump(Symbol),
    /// A malformed frame comes.
    Malformed(Symbol, Malformed),
    /// So many answers of REST are spoilt.
    Rest(RestFault, usize),
    /// The archive's files of a contract are not as they should be.
    Archive(Symbol, ArchiveFault),
    /// For so long nobody reaches the exchange anew, after all connections have ended.
    Outage(Outage, u64),
    /// Something of the machine is wrong for so long.
    Host(HostFault, u64),
}

/// Faults by the time at which each begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Ascending, each with its milliseconds after the beginning.
    pub faults: Vec<(u64, Fault)>,
    /// When all of them are over.
    pub end_ms: u64,
}

impl Schedule {
    /// Faults of `contracts` in so many milliseconds. The last ones end before that.
    pub fn draw(seed: u64, length_ms: u64, contracts: &[Symbol], severity: Severity) -> Self {
        type Make = fn(&mut Draws, &Symbol) -> Fault;
        let classes: [(u32, Make); 9] = [
            (severity.connections, connection),
            (severity.silences, silence),
            (severity.streams, stream),
            (severity.frames, frame),
            (severity.rest, rest),
            (severity.archive, archive),
            (severity.outages, outage),
            (severity.time, time),
            (severity.disk, disk),
        ];
        let mut draws = Draws::new(seed);
        let mut faults = Vec::new();
        for (per_hour, make) in classes {
            let count = (u64::from(per_hour) * length_ms).div_ceil(3_600_000);
            for _ in 0..count {
                let bound = u32::try_from(length_ms).unwrap_or(u32::MAX).max(1);
                let at = u64::from(draws.below(bound));
                let contract = draws.below(u32::try_from(contracts.len()).unwrap_or(u32::MAX).max(1));
                if let Some(symbol) = contracts.get(contract as usize) {
                    faults.push((at, make(&mut draws, symbol)));
                }
            }
        }
        faults.sort_by_key(|(at, _)| *at);
        Self { faults, end_ms: length_ms }
    }

    /// Lets the faults happen to `exchange`, and to the machine that records it where there is one to be had, from now on, by
    /// tokio's clock; when this returns, all of them are over.
    pub async fn run(&self, exchange: &Exchange, host: Option<&Host>) {
        let sides = Sides { exchange, host };
        let begun = Instant::now();
        let mut open: Vec<(u64, &Fault)> = Vec::new();
        let mut next = self.faults.iter().peekable();
        loop {
            let begins = next.peek().map_or(self.end_ms, |(at, _)| *at);
            let ends = open.iter().map(|(end, _)| *end).min().unwrap_or(u64::MAX);
            sleep_until(begun + Duration::from_millis(begins.min(ends).min(self.end_ms))).await;
            if ends <= begins.min(self.end_ms) {
                let over = open.extract_if(.., |(end, _)| *end <= ends);
                over.for_each(|(_, fault)| fault.end(sides));
                continue;
            }
            let Some((at, fault)) = next.next() else { break };
            fault.begin(sides);
            open.extend(fault.length_ms().map(|length_ms| (at + length_ms, fault)));
        }
        open.iter().for_each(|(_, fault)| fault.end(sides));
        exchange.faults().heal();
        host.into_iter().for_each(Host::heal);
        // A connection that delivers nothing would go on for ever.
        exchange.faults().end(Ending::Cut);
    }
}

/// What faults happen to.
#[derive(Clone, Copy)]
struct Sides<'a> {
    exchange: &'a Exchange,
    host: Option<&'a Host>,
}

impl Fault {
    /// How long it lasts; nothing when it is over at once.
    const fn length_ms(&self) -> Option<u64> {
        match self {
            Self::Refuse(millis) | Self::Stall(millis) | Self::Deafen(millis) | Self::Thin(millis) => Some(*millis),
            Self::Mute(_, millis) | Self::Outage(_, millis) | Self::Host(_, millis) => Some(*millis),
            _ => None,
        }
    }

    fn begin(&self, Sides { exchange, host }: Sides<'_>) {
        let faults = exchange.faults();
        match self {
            Self::End(ending) => faults.end(*ending),
            Self::Refuse(_) => {
                faults.refuse(true);
                faults.end(Ending::Cut);
            }
            Self::Stall(_) => faults.stall(true),
            Self::Deafen(_) => {
                faults.deafen(true);
                faults.end(Ending::Cut);
            }
            Self::Mute(symbol, _) => faults.mute(symbol, true),
            Self::Thin(_) => faults.thin(25),
            Self::Drop(symbol, count) => faults.drop_next(symbol, *count),
            Self::Twice(symbol, count) => faults.duplicate_next(symbol, *count),
            Self::Reverse(symbol, count) => (0..*count).for_each(|_| faults.reorder_next(symbol)),
            Self::Old(symbol) => faults.repeat_old_next(symbol),
            Self::Jump(symbol) => faults.jump_next(symbol),
            Self::Malformed(symbol, malformed) => faults.malform_next(symbol, *malformed, 1),
            Self::Rest(fault, count) => faults.rest().next("/fapi/v1/aggTrades", *fault, *count),
            Self::Outage(outage, _) => {
                faults.outages().begin(*outage);
                faults.end(Ending::Cut);
            }
            Self::Host(fault, _) => host.into_iter().for_each(|host| host.begin(*fault, exchange)),
            Self::Archive(symbol, fault) => {
                for cadence in ["daily", "monthly"] {
                    faults.archive().set(&format!("data/futures/um/{cadence}/aggTrades/{symbol}/"), fault.clone());
                }
            }
        }
    }

    fn end(&self, Sides { exchange, host }: Sides<'_>) {
        let faults = exchange.faults();
        match self {
            Self::Refuse(_) => faults.refuse(false),
            Self::Stall(_) => faults.stall(false),
            Self::Deafen(_) => {
                faults.deafen(false);
                faults.end(Ending::Cut);
            }
            Self::Mute(symbol, _) => faults.mute(symbol, false),
            Self::Thin(_) => faults.thin(1_000),
            Self::Outage(..) => faults.outages().end(),
            Self::Host(fault, _) => host.into_iter().for_each(|host| host.end(*fault)),
            _ => {}
        }
    }
}

/// A length between 10 ms and `longest_ms`, short ones as likely as long.
fn length(draws: &mut Draws, longest_ms: u64) -> u64 {
    let octave = draws.below(u64::BITS - longest_ms.leading_zeros());
    (10 + u64::from(draws.below(1 << octave.min(31)))).min(longest_ms)
}

fn count(draws: &mut Draws, most: u64) -> usize {
    usize::try_from(length(draws, most)).unwrap_or(1)
}

fn one_of<T: Copy>(draws: &mut Draws, all: &[T]) -> T {
    let at = draws.below(u32::try_from(all.len()).unwrap_or(1));
    all[at as usize]
}

fn connection(draws: &mut Draws, _: &Symbol) -> Fault {
    let endings = [Ending::Cut, Ending::Torn, Ending::Closed(1_000), Ending::Closed(1_001), Ending::Closed(1_008)];
    if draws.below(6) == 0 { Fault::Refuse(length(draws, 60_000)) } else { Fault::End(one_of(draws, &endings)) }
}

fn silence(draws: &mut Draws, symbol: &Symbol) -> Fault {
    match draws.below(4) {
        0 => Fault::Stall(length(draws, 600_000)),
        1 => Fault::Deafen(length(draws, 60_000)),
        2 => Fault::Thin(length(draws, 60_000)),
        _ => Fault::Mute(symbol.clone(), length(draws, 600_000)),
    }
}

fn stream(draws: &mut Draws, symbol: &Symbol) -> Fault {
    let symbol = symbol.clone();
    match draws.below(6) {
        0 | 1 => Fault::Drop(symbol, count(draws, 4_000)),
        2 => Fault::Twice(symbol, count(draws, 200)),
        3 => Fault::Reverse(symbol, 1 + draws.below(5) as usize),
        4 => Fault::Old(symbol),
        _ => Fault::Jump(symbol),
    }
}

fn frame(draws: &mut Draws, symbol: &Symbol) -> Fault {
    Fault::Malformed(symbol.clone(), one_of(draws, &Malformed::ALL))
}

fn rest(draws: &mut Draws, _: &Symbol) -> Fault {
    // A ban is as short as the venue's shortest: a longer one would outlast an hour's schedule.
    let faults = [
        RestFault::TooMany { has_retry_after: true },
        RestFault::TooMany { has_retry_after: false },
        RestFault::Banned { millis: 120_000 },
        RestFault::Forbidden,
        RestFault::Overloaded,
        RestFault::BackendTimeout,
        RestFault::BadGateway,
        RestFault::Cut,
        RestFault::RowMissing,
        RestFault::OutOfOrder,
        RestFault::Duplicate,
        RestFault::StartsAbove,
        RestFault::Empty,
    ];
    let fault = one_of(draws, &faults);
    // Said twice in a row, a step over ids is taken for true: no source is asked a third time.
    let most =
        if matches!(fault, RestFault::RowMissing | RestFault::StartsAbove | RestFault::Banned { .. }) { 1 } else { 4 };
    Fault::Rest(fault, 1 + draws.below(most) as usize)
}

fn archive(draws: &mut Draws, symbol: &Symbol) -> Fault {
    let hour = 3_600_000;
    let fault = match draws.below(12) {
        0 => ArchiveFault::Late { millis: one_of(draws, &[hour, 6 * hour, 30 * hour, 72 * hour]) },
        1 => ArchiveFault::ChecksumWrong,
        2 => ArchiveFault::ChecksumMalformed,
        3 => ArchiveFault::BitFlip { at: u64::from(draws.below(1_000)) },
        4 => ArchiveFault::Shortened { bytes: u64::from(draws.below(1_000)) },
        5 => ArchiveFault::Cut { bytes: u64::from(draws.below(1_000)), times: 1 + draws.below(3) },
        6 => ArchiveFault::Contents(Defect::Interleaved),
        7 => ArchiveFault::Contents(Defect::LastLineCut),
        8 => ArchiveFault::Missing,
        9 => ArchiveFault::ChecksumLate { millis: one_of(draws, &[hour, 6 * hour, i64::MAX]) },
        10 => ArchiveFault::Replaced { after_ms: hour * i64::from(1 + draws.below(72)), with: Vec::new() },
        _ => ArchiveFault::Contents(Defect::Duplicates { every: 1 + draws.below(50) }),
    };
    Fault::Archive(symbol.clone(), fault)
}

fn outage(draws: &mut Draws, _: &Symbol) -> Fault {
    Fault::Outage(one_of(draws, &Outage::ALL), length(draws, 120_000))
}

fn time(draws: &mut Draws, _: &Symbol) -> Fault {
    let (second, hour, day) = (1_000, 3_600_000, 86_400_000);
    let fault = match draws.below(8) {
        0 => HostFault::LeapSecond,
        1 => HostFault::Suspend(600_000),
        _ => HostFault::Clock(one_of(draws, &[second, -second, hour, -hour, day, -day])),
    };
    Fault::Host(fault, length(draws, 600_000))
}

fn disk(draws: &mut Draws, _: &Symbol) -> Fault {
    let fault = match draws.below(4) {
        0 => HostFault::DiskStalls,
        1 => HostFault::DiskFull,
        2 => HostFault::DiskRefuses,
        _ => HostFault::DiskFails(1 + u64::from(draws.below(20))),
    };
    let longest_ms = if fault == HostFault::DiskStalls { 120_000 } else { 600_000 };
    Fault::Host(fault, length(draws, longest_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols() -> Vec<Symbol> {
        ["AUSDT", "BUSDT"].map(|text| Symbol::new(text).expect("a symbol")).to_vec()
    }

    #[test]
    fn a_seed_replays_and_another_differs() {
        let draw = |seed| Schedule::draw(seed, 3_600_000, &symbols(), Severity::HARSH);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(draw(3).faults.len(), 122);
        assert!(draw(3).faults.is_sorted_by_key(|(at, _)| *at));
    }

    #[test]
    fn every_class_is_drawn() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..40 {
            let schedule = Schedule::draw(seed, 3_600_000, &symbols(), Severity::HARSH);
            seen.extend(schedule.faults.iter().map(|(_, fault)| std::mem::discriminant(fault)));
        }
        assert_eq!(seen.len(), 16);
    }
}
