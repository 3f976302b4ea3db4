//! Is everything that was called durable still there, and nothing else, wherever the power goes or the process ends?

use crate::{
    oracle::{Moment, Oracle, Truth},
    rig::{Draws, Rig, START},
    seam::{Bug, Seam},
    workload::{User, options},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};
use tapedeck::{
    clock::Now,
    model::UnixMillis,
    store::{
        files::{Fault, Lasting, SimulatedDisk},
        storage::Options,
    },
};

const CONTRACTS: usize = 3;
/// How often a recovery is cut short by the next one at most.
const DEPTH: u64 = 3;
/// Cuts and recoveries in one run; `TAPEDECK_CRASH_CYCLES` says another number.
const CYCLES: u64 = 100_000;

/// What is different in a run with a planted bug.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plant {
    pub(crate) bug: Option<Bug>,
    pub(crate) bias: u64,
}

/// Everything a seed brings about: work, moments in it, and what is found after each. Says how many stores were cut off and
/// looked at.
pub(crate) fn run(seed: u64, plant: Plant) -> Result<u64, String> {
    let mut draws = Draws::new(seed);
    let options = options(&mut draws);
    let (oracle, faulty) = work(&mut draws, &options, plant)?;
    let moments = std::mem::take(&mut oracle.lock().moments);
    let truth = oracle.lock();
    let mut cycles = 0;
    for moment in &moments {
        let at = format!("seed {seed}, {options:?}");
        for _ in 0..3 {
            cycles += Case { truth: &truth, moment, options: &options, plant, faulty }
                .check(&mut draws)
                .map_err(|error| format!("{at}: {error}"))?;
        }
    }
    Ok(cycles)
}

/// Uses a store and takes moments at some calls; whether calls failed, too.
fn work(draws: &mut Draws, options: &Options, plant: Plant) -> Result<(Oracle, bool), String> {
    let disk = SimulatedDisk::new(draws.next());
    let seam = Seam::new(&disk, plant.bug);
    let oracle = Oracle::default();
    oracle.lock().bias = plant.bias;
    let mut look_draws = Draws::new(draws.next());
    let (watched, watcher) = (disk.clone(), oracle.clone());
    seam.watch(Some(Box::new(move || {
        if look_draws.below(24) == 0 {
            let mut truth = watcher.lock();
            let moment = truth.moment(watched.fork());
            truth.moments.push(moment);
        }
    })));
    let rig = Rig::open(&seam.arc(), options.clone(), CONTRACTS, now(0)).map_err(|error| error.to_string())?;
    let faulty = draws.chance(3);
    let mut user = User::new(rig, &oracle, draws.clone(), options);
    for _ in 0..60 {
        if faulty && draws.chance(2) {
            disk.fail(1 + draws.below(12), Fault::Io, Lasting::Once);
        }
        user.act();
    }
    seam.watch(None);
    Ok((oracle, faulty))
}

fn now(millis: i64) -> Now {
    Now { wall: UnixMillis::new(START + millis), monotonic_ms: millis }
}

/// One cut and what follows.
struct Case<'a> {
    truth: &'a Truth,
    moment: &'a Moment,
    options: &'a Options,
    plant: Plant,
    faulty: bool,
}

impl Case<'_> {
    fn check(&self, draws: &mut Draws) -> Result<u64, String> {
        let mut disk = self.moment.disk.fork();
        disk.heal();
        let mut killed = self.end(&disk, draws);
        let depth = if draws.chance(3) { 1 + draws.below(DEPTH) } else { 0 };
        for _ in 0..depth {
            disk = self.recover_in_part(&disk, draws)?;
            killed &= self.end(&disk, draws);
        }
        let rig = self.open(&disk)?;
        self.truth.check(&rig, self.moment, killed && !self.faulty)?;
        let more = if draws.chance(1) { self.go_on(rig, &disk, draws)? } else { 0 };
        Ok(1 + depth + more)
    }

    /// Ends the process or the power; whether it was the process.
    fn end(&self, disk: &SimulatedDisk, draws: &mut Draws) -> bool {
        let kill = draws.chance(2);
        if kill {
            disk.kill();
        } else {
            disk.power_cut(draws.next());
        }
        kill
    }

    fn open(&self, disk: &SimulatedDisk) -> Result<Rig, String> {
        let seam = Seam::new(disk, self.plant.bug);
        Rig::open(&seam.arc(), self.options.clone(), CONTRACTS, now(1_000_000)).map_err(|error| error.to_string())
    }

    /// Starts the store, with a call that fails or not, and says how its disk was at some call on the way.
    fn recover_in_part(&self, disk: &SimulatedDisk, draws: &mut Draws) -> Result<SimulatedDisk, String> {
        let (mut left, taken) = (draws.below(60), Arc::new(Mutex::new(None)));
        let seam = Seam::new(disk, self.plant.bug);
        let (watched, slot) = (disk.clone(), Arc::clone(&taken));
        seam.watch(Some(Box::new(move || {
            if left == 0 {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(watched.fork());
            }
            left = left.wrapping_sub(1);
        })));
        let fails = draws.chance(2);
        if fails {
            disk.fail(1 + draws.below(60), Fault::Io, Lasting::Once);
        }
        match Rig::open(&seam.arc(), self.options.clone(), CONTRACTS, now(1_000_000)) {
            Ok(mut rig) => (0..2).for_each(|_| rig.step()),
            Err(_) if fails => {}
            Err(error) => return Err(error.to_string()),
        }
        seam.watch(None);
        let taken = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
        let found = taken.unwrap_or_else(|| disk.fork());
        found.heal();
        Ok(found)
    }

    /// The store that was found takes trades again, and what it calls durable survives the next cut.
    fn go_on(&self, rig: Rig, disk: &SimulatedDisk, draws: &mut Draws) -> Result<u64, String> {
        let oracle = Oracle::default();
        let mut user = User::new(rig, &oracle, Draws::new(draws.next()), self.options);
        for contract in 0..CONTRACTS {
            let found = crate::oracle::served(&user.rig, contract)?;
            oracle.lock().handed(contract, &found);
        }
        oracle.lock().ask();
        self.cut_and_look(disk, &oracle, draws)?;
        for contract in 0..CONTRACTS {
            let first = 1 << 40;
            user.hand_in(contract, &(first..first + 10).collect::<Vec<_>>());
        }
        user.pass(200, 50);
        self.cut_and_look(disk, &oracle, draws)?;
        user.pass(12_000, 2_000);
        let segments = user.rig.opened.storage.counts().segments;
        oracle.lock().nothing_pends()?;
        if segments == 0 {
            return Err("nothing was sealed".to_owned());
        }
        self.cut_and_look(disk, &oracle, draws)?;
        Ok(3)
    }

    /// What the store calls durable now is there after a cut.
    fn cut_and_look(&self, disk: &SimulatedDisk, oracle: &Oracle, draws: &mut Draws) -> Result<(), String> {
        let mut truth = oracle.lock();
        let moment = truth.moment(disk.fork());
        moment.disk.power_cut(draws.next());
        let rig = self.open(&moment.disk)?;
        truth.check(&rig, &moment, false).map_err(|error| format!("going on: {error}"))
    }
}

/// Runs seeds on two threads until so many cycles are done.
fn run_cycles(cycles: u64) -> Result<(u64, u64), String> {
    let (done, next) = (AtomicU64::new(0), AtomicU64::new(1));
    let worker = || {
        while done.load(Ordering::Relaxed) < cycles {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            done.fetch_add(run(seed, Plant::default())?, Ordering::Relaxed);
        }
        Ok::<_, String>(())
    };
    thread::scope(|scope| {
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker panicked"))
    })?;
    Ok((done.into_inner(), next.into_inner() - 1))
}

#[test]
fn what_was_called_durable_survives_every_cut() {
    let wanted = std::env::var("TAPEDECK_CRASH_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(CYCLES);
    let begun = Instant::now();
    let (cycles, seeds) = run_cycles(wanted).unwrap_or_else(|error| panic!("{error}"));
    let millis = begun.elapsed().as_millis().max(1);
    eprintln!("{cycles} cuts and recoveries from {seeds} seeds: {} a second", u128::from(cycles) * 1_000 / millis);
}
