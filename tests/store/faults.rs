//! What if the N-th call to the disk fails, for every N, and how does the store get over it?

use crate::{
    oracle::{Oracle, right, served},
    rig::{Draws, Rig, small, start},
    seam::Seam,
    workload::{User, first_id},
};
use std::time::Instant;
use tapedeck::clock::Now;
use tapedeck::store::{
    Health,
    files::{Fault, Lasting, SimulatedDisk},
    storage::{Options, SyncPolicy},
};

const CONTRACTS: usize = 2;
const FAULTS: [Fault; 6] =
    [Fault::Io, Fault::Full, Fault::Interrupted, Fault::Short, Fault::TooManyFiles, Fault::Misdirected];

/// How a fault lasts that does not pass by itself; an interruption always does.
fn lasting(fault: Fault) -> Lasting {
    if fault == Fault::Interrupted { Lasting::Times(20) } else { Lasting::ForEver }
}

#[derive(Clone, Copy, Debug)]
enum Workload {
    /// A little at a time into one file.
    Append,
    /// Enough for many files and segments.
    Roll,
    /// What a crash left is opened, and appended to.
    Reopen,
}

impl Workload {
    fn options(self) -> Options {
        match self {
            Self::Append => Options { file_bytes: 64 << 10, ..small() },
            Self::Roll | Self::Reopen => Options { file_bytes: 12 << 10, roll_ms: 400, ..small() },
        }
    }

    /// What there is before the workload begins.
    fn before(self) -> Before {
        let (disk, oracle) = (SimulatedDisk::new(7), Oracle::default());
        if !matches!(self, Self::Reopen) {
            return Before { disk, oracle, now: start() };
        }
        let mut user = user(&disk, Self::Roll, &oracle, start()).expect("nothing fails yet");
        append(&mut user, 6, 0);
        let now = user.rig.now;
        drop(user);
        disk.power_cut(3);
        Before { disk, oracle, now }
    }

    /// One who uses the store whatever it answers.
    fn run(self, disk: &SimulatedDisk, oracle: &Oracle, now: Now) -> Option<User> {
        let mut user = user(disk, self, oracle, now).ok()?;
        append(&mut user, 8, 1_000);
        Some(user)
    }
}

struct Before {
    disk: SimulatedDisk,
    oracle: Oracle,
    now: Now,
}

fn user(disk: &SimulatedDisk, workload: Workload, oracle: &Oracle, now: Now) -> Result<User, String> {
    let options = workload.options();
    let seam = Seam::new(disk, None);
    let rig = Rig::open(&seam.arc(), options.clone(), CONTRACTS, now).map_err(|error| error.to_string())?;
    Ok(User::new(rig, oracle, Draws::new(1), &options))
}

/// Bursts of trades, a late one among them, with time between; nothing wrong is ever served.
fn append(user: &mut User, bursts: u64, skipped: u64) {
    for burst in 0..bursts {
        for contract in 0..CONTRACTS {
            let first = first_id(contract) + skipped + burst * 40;
            user.hand_in(contract, &(first + 2..first + 40).collect::<Vec<_>>());
            user.pass(20, 20);
            user.hand_in(contract, &[first, first + 1]);
            user.pass(100, 50);
            let stored = user.rig.holdings[contract].from_id(0, usize::MAX);
            right(&stored.trades).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

/// One fault in one workload.
struct Case<'a> {
    workload: Workload,
    before: &'a Before,
    fault: Fault,
    at: u64,
    lasting: Lasting,
}

impl Case<'_> {
    fn check(&self) -> Result<(), String> {
        let (disk, oracle, now) = (self.before.disk.fork(), self.before.oracle.copy(), self.before.now);
        disk.fail(self.at, self.fault, self.lasting);
        let user = self.workload.run(&disk, &oracle, now);
        if self.fault == Fault::Misdirected {
            return self.nothing_wrong(user, &disk, now);
        }
        let mut user = match user {
            Some(mut user) => {
                self.health_tells(&mut user)?;
                disk.heal();
                user
            }
            None => {
                disk.heal();
                self.workload.run(&disk, &oracle, now).ok_or("it does not open after all is healed")?
            }
        };
        user.pass(5_000, 250);
        self.all_is_well(&user, &oracle)?;
        drop(user);
        self.survives(&disk, &oracle, now)
    }

    /// What waits for a disk that fails for long shows in the health.
    fn health_tells(&self, user: &mut User) -> Result<(), String> {
        user.pass(2_500, 250);
        let desk = &user.rig.opened.desk;
        if desk.waiting_bytes() > 0 && desk.health() == Health::Good {
            return Err("trades wait, and all is said to be good".to_owned());
        }
        if desk.waiting_bytes() > small().queue_bytes {
            return Err("more waits than may".to_owned());
        }
        Ok(())
    }

    fn all_is_well(&self, user: &User, oracle: &Oracle) -> Result<(), String> {
        oracle.lock().nothing_pends()?;
        let desk = &user.rig.opened.desk;
        if (desk.health(), desk.waiting_bytes()) != (Health::Good, 0) {
            return Err(format!("{:?} after all is healed, {} bytes wait", desk.health(), desk.waiting_bytes()));
        }
        (0..CONTRACTS).try_for_each(|contract| served(&user.rig, contract).map(drop))
    }

    fn survives(&self, disk: &SimulatedDisk, oracle: &Oracle, now: Now) -> Result<(), String> {
        let moment = oracle.lock().moment(disk.fork());
        moment.disk.power_cut(self.at);
        let rig = Rig::open(&Seam::new(&moment.disk, None).arc(), self.workload.options(), CONTRACTS, now);
        let rig = rig.map_err(|error| error.to_string())?;
        oracle.lock().check(&rig, &moment, true)
    }

    /// A write that went astray may cost what it was to write and what it hit, but nothing wrong comes of it, and what is
    /// missing is either named or not claimed.
    fn nothing_wrong(&self, user: Option<User>, disk: &SimulatedDisk, now: Now) -> Result<(), String> {
        if let Some(mut user) = user {
            user.pass(5_000, 250);
            (0..CONTRACTS).try_for_each(|contract| honest(&user.rig, contract))?;
        }
        disk.heal();
        disk.power_cut(self.at);
        let options = self.workload.options();
        match Rig::open(&Seam::new(disk, None).arc(), options, CONTRACTS, now) {
            Ok(rig) => (0..CONTRACTS).try_for_each(|contract| honest(&rig, contract)),
            // The one file without which nothing is known, when it was made: refused.
            Err(error) if error.to_string().starts_with("STORE is damaged") => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Whether only right trades are served, and what is claimed is served or called damaged.
pub(crate) fn honest(rig: &Rig, contract: usize) -> Result<(), String> {
    let holding = &rig.holdings[contract];
    let stored = holding.from_id(0, usize::MAX);
    right(&stored.trades).map_err(|error| format!("contract {contract}: {error}"))?;
    for (run, _) in holding.shelf().runs() {
        let held = |id: &u64| stored.trades.binary_search_by_key(id, |trade| trade.id).is_ok();
        let named = |id: &u64| stored.damaged.iter().any(|range| range.contains(*id));
        if let Some(id) = (run.first..=run.last).find(|id| !held(id) && !named(id)) {
            return Err(format!("contract {contract}: {id} is claimed, and neither served nor called damaged"));
        }
    }
    Ok(())
}

/// How many calls a workload makes when nothing fails.
fn calls(workload: Workload, before: &Before) -> u64 {
    let disk = before.disk.fork();
    workload.run(&disk, &before.oracle.copy(), before.now).expect("nothing fails");
    disk.calls() - before.disk.calls()
}

fn fail_every_call(workload: Workload) {
    let (begun, before) = (Instant::now(), workload.before());
    let calls = calls(workload, &before);
    let mut cases = 0;
    for at in 1..=calls {
        for fault in FAULTS {
            for lasting in [Lasting::Once, lasting(fault)] {
                let case = Case { workload, before: &before, fault, at, lasting };
                case.check().unwrap_or_else(|error| {
                    panic!("{workload:?}, call {at} of {calls}, {fault:?} {lasting:?}: {error}")
                });
                cases += 1;
            }
        }
    }
    eprintln!("{workload:?}: {calls} calls, {cases} cases in {} ms", begun.elapsed().as_millis());
}

#[test]
fn every_call_of_a_steady_append_may_fail() {
    fail_every_call(Workload::Append);
}

#[test]
fn every_call_while_files_fill_and_are_sealed_may_fail() {
    fail_every_call(Workload::Roll);
}

#[test]
fn every_call_of_a_start_after_a_crash_may_fail() {
    fail_every_call(Workload::Reopen);
}

#[test]
fn a_disk_that_is_full_is_written_to_again_once_several_files_have_room() {
    let disk = SimulatedDisk::new(1);
    let oracle = Oracle::default();
    let mut user = user(&disk, Workload::Roll, &oracle, start()).expect("opens");
    append(&mut user, 2, 0);
    let used = |disk: &SimulatedDisk| {
        disk.set_capacity(1 << 40);
        (1 << 40) - tapedeck::store::files::Disk::free_bytes(disk).expect("no fault")
    };
    disk.set_capacity(used(&disk));
    append(&mut user, 8, 10_000);
    assert_eq!(user.rig.opened.desk.health(), Health::DiskFull);
    let waiting = user.rig.opened.desk.waiting_bytes();
    assert!(waiting > 0);
    let file_bytes = Workload::Roll.options().file_bytes;
    let full = used(&disk);
    disk.set_capacity(full + file_bytes + file_bytes / 2);
    user.pass(5_000, 100);
    assert_eq!(user.rig.opened.desk.health(), Health::DiskFull, "one file has room");
    disk.set_capacity(full + 40 * file_bytes);
    user.pass(5_000, 100);
    assert_eq!((user.rig.opened.desk.health(), user.rig.opened.desk.waiting_bytes()), (Health::Good, 0));
    oracle.lock().nothing_pends().unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_sync_that_failed_condemns_its_file_and_nothing_in_it_is_called_durable() {
    let disk = SimulatedDisk::new(2);
    let oracle = Oracle::default();
    let mut user = user(&disk, Workload::Append, &oracle, start()).expect("opens");
    let first = first_id(0);
    user.hand_in(0, &(first..first + 10).collect::<Vec<_>>());
    user.pass(200, 10);
    let file = user.rig.holdings[0].shelf().parts(tapedeck::model::IdRange { first, last: first });
    assert_eq!((file.len(), user.rig.holdings[0].durable_through_id()), (1, Some(first + 9)));
    user.hand_in(0, &(first + 10..first + 20).collect::<Vec<_>>());
    user.pass(10, 10);
    disk.fail(1, Fault::Io, Lasting::Once);
    while disk.faults_met() == 0 {
        user.rig.advance(10);
        user.rig.opened.storage.step(user.rig.now);
    }
    assert_eq!(user.rig.opened.storage.counts().condemned, 1);
    assert_eq!(user.rig.holdings[0].durable_through_id(), Some(first + 9), "what failed is not durable");
    let moment = oracle.lock().moment(disk.fork());
    user.pass(200, 10);
    assert_eq!(user.rig.holdings[0].durable_through_id(), Some(first + 19), "it stands in the next file");
    let later = oracle.lock().moment(disk.fork());
    for (moment, seed) in [(moment, 1), (later, 2)] {
        moment.disk.power_cut(seed);
        let rig = Rig::open(&Seam::new(&moment.disk, None).arc(), Workload::Append.options(), CONTRACTS, user.rig.now);
        oracle.lock().check(&rig.expect("opens"), &moment, false).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_contract_that_could_not_be_listed_is_listed_by_the_next_try() {
    let disk = SimulatedDisk::new(4);
    let mut rig = Rig::open(&Seam::new(&disk, None).arc(), small(), 1, start()).expect("opens");
    disk.fail(1, Fault::Io, Lasting::Once);
    assert!(rig.add(&["B"]).is_err());
    rig.add(&["B"]).expect("the fault is over");
    disk.power_cut(1);
    let mut rig = Rig::open(&Seam::new(&disk, None).arc(), small(), 1, start()).expect("opens");
    rig.add(&["C", "B"]).expect("no fault");
    assert_eq!(rig.holdings.iter().map(|holding| holding.shelf().contract).collect::<Vec<_>>(), [0, 2, 1]);
}

#[test]
fn a_batch_longer_than_a_file_is_stored_in_pieces() {
    let disk = SimulatedDisk::new(3);
    let oracle = Oracle::default();
    let options = Options { file_bytes: 12 << 10, sync: SyncPolicy::EveryMs(20), ..small() };
    let rig = Rig::open(&Seam::new(&disk, None).arc(), options.clone(), CONTRACTS, start()).expect("opens");
    let mut user = User::new(rig, &oracle, Draws::new(1), &options);
    assert!(user.hand_in(0, &(1..5_000).collect::<Vec<_>>()));
    user.pass(500, 10);
    user.pass(20_000, 1_000);
    oracle.lock().nothing_pends().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(served(&user.rig, 0), Ok((1..5_000).collect()));
}
