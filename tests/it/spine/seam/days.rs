//! Away for days, longer than REST reaches back, and the archive's files of those days fail by schedule while everything else
//! fails, too: does the hourly sweep heal all that archive or REST offer, once faults stop?
//!
//! `TAPEDECK_ORACLE_DAYS` says how many such times, `TAPEDECK_ORACLE_FROM` with which seed they begin.

use super::{
    schedule::{Met, Replay, told},
    *,
};
use tapedeck::sim::{ArchiveFault, Fault, Schedule, Severity};

const THIN: [(&str, TapeKind, u32); 2] =
    [("XRPUSDT", TapeKind::Aggregate, 6), ("币安人生USDT", TapeKind::Aggregate, 2)];
const HOUR_MS: u64 = 3_600_000;
/// So long everything fails after the return.
const FAULTS_MS: u64 = 3 * HOUR_MS;
const LIVE: Severity =
    Severity { connections: 3, silences: 1, streams: 2, frames: 2, rest: 2, archive: 0, outages: 1, time: 1, disk: 1 };
/// Of each contract's files, by and large: this many in the schedule's first second.
const OF_FILES: Severity = Severity { archive: 8 * 3_600, ..Severity::NONE };
/// A job looks again for files an hour later, and a day that passed REST's reach meanwhile is due nine hours after its end.
const HEALED_S: u64 = 12 * 3_600;

/// What a return from days away went through.
#[derive(Debug, Default)]
struct Account {
    trades: usize,
    away_h: i64,
    /// Ids that were missing at the return, and when the faults ended.
    lost: u64,
    missing: u64,
    healed_s: u64,
    met: Met,
}

/// Between two and three days.
fn away_ms(seed: u64) -> i64 {
    let hours = 49 + i64::try_from(seed.wrapping_mul(7) % 24).expect("small");
    hours * UnixMillis::HOUR
}

impl Scene {
    fn thin_missing(&self) -> u64 {
        THIN.iter().map(|(name, ..)| self.missing(name)).sum()
    }

    /// Spoils the files of the days away, until the exchange's faults are healed.
    fn spoil_files(&self, seed: u64) -> Vec<ArchiveFault> {
        let drawn = Schedule::draw(seed, 1_000, &THIN.map(|(name, ..)| symbol(name)), OF_FILES);
        let mut faults = Vec::new();
        for (_, fault) in drawn.faults {
            let Fault::Archive(symbol, fault) = fault else { continue };
            let prefix = format!("data/futures/um/daily/aggTrades/{symbol}/");
            self.rig.exchange.faults().archive().set(&prefix, fault.clone());
            faults.push(fault);
        }
        faults
    }
}

fn days(seed: u64) -> Account {
    let _replay = Replay(seed);
    let disk = SimulatedDisk::new(seed);
    let life = Life { step: Duration::from_millis(500), seed, ..Life::new(&THIN) };
    life.on(&disk).run(async |_| seconds(300).await);
    let life = Life { step: Duration::from_millis(500), asks_archive: true, seed, ..Life::new(&THIN) };
    life.on(&disk).from(START + away_ms(seed)).run(async |scene| {
        let faults = scene.spoil_files(seed);
        seconds(60).await;
        let mut account = Account { away_h: away_ms(seed) / UnixMillis::HOUR, ..Account::default() };
        account.lost = scene.thin_missing();
        let schedule = Schedule::draw(seed, FAULTS_MS, &THIN.map(|(name, ..)| symbol(name)), LIVE);
        let met = scene.through(&schedule, Duration::from_hours(1), async |scene: &Scene| {
            THIN.iter().for_each(|(name, ..)| _ = scene.assert_honest(seed, name));
        });
        account.met = met.await.end(&scene, &disk);
        account.missing = scene.thin_missing();
        while scene.thin_missing() > 0 || account.healed_s < 120 {
            let holes = THIN.map(|(name, ..)| (name, scene.holes(name)));
            assert!(account.healed_s < HEALED_S, "seed {seed}: {holes:?} are missing still, after {faults:?}");
            seconds(30).await;
            account.healed_s += 30;
        }
        seconds(130).await;
        for (name, ..) in THIN {
            account.trades += scene.assert_honest(seed, name);
            scene.assert_whole(name).await;
            scene.assert_stored(seed, name, &disk).await;
        }
        assert_eq!(scene.counter("panics_total"), 0, "seed {seed}");
        account
    })
}

#[test]
fn days_away_are_healed_whatever_became_of_their_files() {
    let (from, count) = (told("TAPEDECK_ORACLE_FROM", 0), told("TAPEDECK_ORACLE_DAYS", 6));
    let accounts: Vec<Account> = (from..from + count).map(days).collect();
    let trades: usize = accounts.iter().map(|account| account.trades).sum();
    let (lost, missing): (u64, u64) =
        accounts.iter().fold((0, 0), |(lost, missing), one| (lost + one.lost, missing + one.missing));
    let (away, worst) =
        (accounts.iter().map(|one| one.away_h).sum::<i64>(), accounts.iter().map(|one| one.healed_s).max());
    eprintln!(
        "{count} times away, {away} h, {trades} trades; {lost} ids were missing at the return, {missing} when faults ended, all \
         healed at most {worst:?} s later"
    );
    assert!(lost > 400 * count, "REST alone could have brought it");
    assert!(missing > 0, "no fault of a file outlasted the return");
}
