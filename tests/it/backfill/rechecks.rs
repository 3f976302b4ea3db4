//! Is it noticed what the venue replaces without a word, what it never used, and what it has after all?

use super::*;
use tapedeck::{
    sim::Defect,
    store::{
        coverage::{Hole, HoleState, Reach},
        record::Origin,
    },
};

const HOUR: i64 = UnixMillis::HOUR;
const ALL: IdRange = IdRange { first: 0, last: u64::MAX };
/// 2026-11-19 00:00 UTC.
const MIDNIGHT: i64 = TODAY - DAY;
/// 2026-12-08 10:00:30 UTC, when the file of November is there.
const DECEMBER: i64 = START + 18 * DAY;
/// 2027-01-12.
const JANUARY: i64 = START + 53 * DAY;

/// The last ids of a day and the first of the next.
fn over_midnight() -> IdRange {
    let truth = exchange(START).truth(&symbol(SYMBOL), at(MIDNIGHT - HOUR), at(MIDNIGHT + HOUR));
    let first = truth.partition_point(|trade| trade.time < at(MIDNIGHT));
    IdRange { first: truth[first - 2].id, last: truth[first + 1].id }
}

impl Rig {
    fn holes(&self) -> Vec<Hole> {
        let reach = Reach { now: self.exchange.now(), back_ms: None };
        self.holding(Kind::Trade).coverage(ALL, &[], reach).holes
    }

    /// Looks at files that may have been replaced, and does the jobs that this leads to.
    async fn look_again(&self) -> Vec<Job> {
        self.recheck.look(self.exchange.now()).await;
        let mut done = Vec::new();
        for job in self.jobs.list().into_iter().filter(|job| !job.state.is_over()) {
            done.extend(self.runner.finish(job.id).await);
        }
        done
    }
}

/// A store whose trades around a midnight REST and both archives brought, and of which all three lack the same ids.
fn with_confirmed(lacking: IdRange) -> SimulatedDisk {
    let disk = SimulatedDisk::new(11);
    live_with(&disk, exchange_without(START, vec![lacking]), async |rig: Rig| {
        rig.fault("2026-11-1", ArchiveFault::Missing);
        assert_eq!(rig.fill(MIDNIGHT - 12 * HOUR, MIDNIGHT + 12 * HOUR).await.state, State::Done);
        let holes = rig.holes();
        assert_eq!(
            holes.iter().map(|hole| (hole.ids, hole.state)).collect::<Vec<_>>(),
            [(lacking, HoleState::AwaitingArchive)]
        );
    });
    live_with(&disk, exchange_without(DECEMBER, vec![lacking]), async |rig: Rig| {
        let job = rig.fill(MIDNIGHT - DAY, MIDNIGHT + DAY).await;
        assert_eq!((job.state, job.parts[0].files, job.parts[0].ids_missing), (State::Done, 3, 0));
        let [Hole { ids, state: HoleState::ConfirmedAbsent(absent), .. }] = rig.holes()[..] else {
            panic!("{:?}", rig.holes())
        };
        assert_eq!(ids, lacking);
        assert!(
            [Origin::Rest, Origin::DailyArchive, Origin::MonthlyArchive]
                .iter()
                .all(|source| absent.witnesses.has(*source))
        );
        rig.forget_asked();
        rig.fill(MIDNIGHT - DAY, MIDNIGHT + DAY).await;
        assert_eq!(rig.asked("zip"), 0, "that is settled");
    });
    disk
}

#[test]
fn ids_over_a_midnight_that_no_source_has_are_confirmed_absent_and_checked_again() {
    let lacking = over_midnight();
    let disk = with_confirmed(lacking);
    live_with(&disk, exchange_without(JANUARY, vec![lacking]), async |rig: Rig| {
        rig.recheck.look(rig.exchange.now()).await;
        assert_eq!(
            (rig.asked("CHECKSUM"), rig.asked("prefix"), rig.jobs.list().len()),
            (0, 2, 3),
            "a listing a folder"
        );
        let [Hole { state: HoleState::ConfirmedAbsent(absent), .. }] = rig.holes()[..] else { panic!("one") };
        assert_eq!(absent.at, rig.exchange.now());
        rig.forget_asked();
        rig.recheck.look(rig.exchange.now().plus(HOUR)).await;
        assert_eq!(rig.asked(""), 0, "once a day");
    });
}

#[test]
fn what_the_archive_has_after_all_is_adopted_and_no_more_called_absent() {
    let lacking = over_midnight();
    let disk = with_confirmed(lacking);
    live(&disk, JANUARY, async |rig: Rig| {
        let truth = rig.truth(MIDNIGHT - DAY, MIDNIGHT + DAY);
        let other = truth[truth.len() - 100];
        rig.fault("2026-11-18", ArchiveFault::Replaced { after_ms: 30 * DAY, with: Vec::new() });
        let with = vec![Defect::WrongRow { id: other.id }];
        rig.fault("2026-11-19", ArchiveFault::Replaced { after_ms: 30 * DAY, with });
        let jobs = rig.look_again().await;
        let [job] = &jobs[..] else { panic!("{jobs:?}") };
        let part = &job.parts[0];
        assert_eq!(
            (job.state, part.files, part.rows_new, part.conflicts),
            (State::Done, 2, lacking.count(), 1),
            "{job:?}"
        );
        let held = rig.holding(Kind::Trade).from_id(truth[0].id, truth.len()).trades;
        assert!(held == truth, "what was held first stays");
        assert_eq!(rig.holding(Kind::Trade).conflicts(ALL, 9), [other.id]);
        assert_eq!(rig.library.ledger().absent(rig.contract, Kind::Trade, ALL), []);
        assert_eq!((rig.asked("CHECKSUM"), rig.asked("fromId")), (2, 0));
        assert!(rig.look_again().await.is_empty(), "once is enough");
    });
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_is_read_again() {
    in_one_life(async |rig: Rig| {
        let lacking = rig.truth(TODAY - 3 * DAY, TODAY - 2 * DAY)[7].id;
        rig.fault("2026-11-17", ArchiveFault::Contents(Defect::MissingRows { first: lacking, last: lacking }));
        // Before anybody asked, by the time that it bears: half a minute.
        let replaced = ArchiveFault::Replaced { after_ms: 50 * HOUR - 30 * UnixMillis::MINUTE, with: Vec::new() };
        let replacing = async {
            while rig.asked("2026-11-17.zip") < 2 {
                tokio::task::yield_now().await;
            }
            rig.fault("2026-11-17", replaced);
        };
        let (from, to) = (TODAY - 3 * DAY, TODAY - 2 * DAY);
        let (job, ()) = tokio::join!(rig.fill(from, to), replacing);
        assert_eq!((job.state, job.parts[0].files), (State::Done, 2), "{job:?}");
        assert!(rig.held() == rig.truth(from, to));
    });
}

#[test]
fn a_day_that_is_listed_before_the_morning_is_not_trusted_yet() {
    live(&SimulatedDisk::new(12), TODAY + 7 * HOUR, async |rig: Rig| {
        // There at six, without its last hour; whole from half past eight on.
        let folder = "data/futures/um/daily/klines/XRPUSDT/1m/XRPUSDT-1m-2026-11-19";
        let minute = |time: i64| u64::try_from(time).expect("late");
        let hour = Defect::MissingRows { first: minute(TODAY - HOUR), last: minute(TODAY) };
        let archive = rig.exchange.faults().archive();
        archive.set(folder, ArchiveFault::Late { millis: -150 * UnixMillis::MINUTE });
        archive.set(folder, ArchiveFault::Contents(hour));
        archive.set(folder, ArchiveFault::Replaced { after_ms: 150 * UnixMillis::MINUTE, with: Vec::new() });
        let job = rig.jobs.submit(want(Series::Candles, TODAY - DAY, TODAY)).expect("taken");
        let running = tokio::task::spawn_local(rig.runner.clone().run());
        tokio::time::sleep(Duration::from_mins(30)).await;
        let waiting = rig.jobs.get(job.id).expect("there");
        assert_eq!(
            (waiting.state, &waiting.parts[0].awaited[..]),
            (State::Queued, &["XRPUSDT-1m-2026-11-19.zip".to_owned()][..])
        );
        assert_eq!(rig.asked(".zip"), 0);
        tokio::time::sleep(Duration::from_hours(2)).await;
        let done = rig.jobs.get(job.id).expect("there");
        assert_eq!((done.state, done.parts[0].files_done), (State::Done, 1));
        let minutes = rig.holding(Kind::Trade).minutes(at(TODAY - HOUR), at(TODAY), usize::MAX, false);
        assert!(minutes.len() > 50, "{}", minutes.len());
        running.abort();
    });
}
