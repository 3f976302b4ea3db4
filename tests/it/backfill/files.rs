//! Is what is taken from files late, missing, replaced or damaged never anything but the truth?

use super::*;
use tapedeck::sim::Defect;

#[test]
fn a_month_its_next_days_and_the_tail_over_rest_are_the_truth() {
    in_one_life(async |rig: Rig| {
        // October as a month, November by days, the 19th, whose file is late, and today over REST.
        rig.fault("2026-11-19", ArchiveFault::Late { millis: DAY });
        let from = TODAY - 50 * DAY;
        let job = soon("the job", rig.fill(from, START)).await;
        assert_eq!((job.state, job.error.as_deref()), (State::Done, None));
        let truth = rig.truth(from, START - 10_000);
        assert!(truth.len() > 300_000, "{}", truth.len());
        let held = rig.held();
        assert!(held.len() >= truth.len() && held[..truth.len()] == truth, "{} of {}", held.len(), truth.len());
        let part = &job.parts[0];
        assert_eq!((part.files_done, part.files), (1 + 18, 1 + 18));
        assert!(part.rest_rows > 5_000 && part.rest_rows + part.rows == held.len() as u64, "{part:?}");
        assert_eq!((part.conflicts, part.ids_missing), (0, 0));
        assert_eq!((part.bytes_done, part.refused.len(), part.absent.len()), (part.bytes, 0, 0));
        // The minutes are those of the trades.
        let minutes = rig.holding(Kind::Trade).minutes(at(from), at(TODAY), usize::MAX, false);
        let closed: Vec<_> = tapedeck::candle::fold(tapedeck::model::Timeframe::MINUTE, &truth)
            .into_iter()
            .filter(|minute| minute.close_time <= at(TODAY))
            .collect();
        assert_eq!(minutes.len(), closed.len());
        for (minute, expected) in minutes.iter().zip(&closed) {
            assert_eq!(
                (minute.open_time, minute.volume, minute.trades),
                (expected.open_time, expected.volume, expected.trades)
            );
            assert_eq!(
                (minute.open, minute.high, minute.low, minute.close),
                (expected.open, expected.high, expected.low, expected.close)
            );
        }
        // All of it again costs a listing and no file.
        rig.forget_asked();
        let again = soon("again", rig.fill(from, START)).await;
        assert_eq!((again.state, again.parts[0].files, again.parts[0].rows_new), (State::Done, 0, 0));
        assert_eq!((rig.asked(".zip"), rig.asked("fromId")), (0, 0));
    });
}

#[test]
fn more_of_the_past_costs_only_what_is_missing() {
    in_one_life(async |rig: Rig| {
        rig.fill(TODAY - 5 * DAY, TODAY - 2 * DAY).await;
        assert_eq!(rig.asked("fromId"), 0);
        assert_eq!(rig.asked("CHECKSUM"), 3);
        rig.forget_asked();
        let job = rig.fill(TODAY - 8 * DAY, TODAY - DAY).await;
        assert_eq!(job.state, State::Done);
        assert_eq!((rig.asked("CHECKSUM"), job.parts[0].files), (4, 4));
        assert!(rig.held() == rig.truth(TODAY - 8 * DAY, TODAY - DAY));
    });
}

#[test]
fn a_transfer_that_breaks_off_goes_on_where_it_broke_off() {
    in_one_life(async |rig: Rig| {
        rig.fault("2026-11-17", ArchiveFault::Cut { bytes: 40_000, times: 2 });
        let job = rig.fill(TODAY - 3 * DAY, TODAY - 2 * DAY).await;
        assert_eq!(job.state, State::Done);
        assert!(rig.held() == rig.truth(TODAY - 3 * DAY, TODAY - 2 * DAY));
        assert_eq!(rig.asked("zip") - rig.asked("CHECKSUM"), 3, "one that was cut, two that went on");
    });
}

#[test]
fn nothing_of_a_damaged_file_is_kept_and_the_month_stands_in_for_it() {
    in_one_life(async |rig: Rig| {
        let october = TODAY - 30 * DAY;
        for (date, fault) in [
            ("2026-10-21", ArchiveFault::BitFlip { at: 5_000 }),
            ("2026-11-16", ArchiveFault::Shortened { bytes: 9_000 }),
            ("2026-11-17", ArchiveFault::Contents(Defect::LastLineCut)),
            ("2026-11-18", ArchiveFault::ChecksumMalformed),
        ] {
            rig.fault(date, fault);
        }
        let job = soon("the job", rig.fill(TODAY - 5 * DAY, TODAY - DAY)).await;
        assert_eq!(job.state, State::Failed, "the 16th never comes through whole: {job:?}");
        let part = &job.parts[0];
        assert_eq!(part.refused.len(), 2, "{:?}", part.refused);
        let held = rig.held();
        // The 18th lies within the reach of REST, from the morning on.
        let mut expected = rig.truth(TODAY - 5 * DAY, TODAY - 4 * DAY);
        expected.retain(|trade| trade.time < at(TODAY - 4 * DAY));
        assert!(held[..expected.len()] == expected);
        let late = rig.truth(START - 47 * UnixMillis::HOUR, TODAY - DAY);
        assert!(held.ends_with(&late), "REST stands in where it reaches");
        assert!(held.iter().all(|trade| trade.time < at(TODAY - 4 * DAY) || trade.time >= at(TODAY - 2 * DAY)));
        // A day of October is damaged: the month has it.
        let job = soon("the month", rig.fill(october, october + DAY)).await;
        assert_eq!(job.state, State::Failed, "told, although the month brought it");
        let holding = rig.holding(Kind::Trade);
        let truth = rig.truth(october, october + DAY);
        let found = holding.from_id(truth[0].id, truth.len()).trades;
        assert!(found == truth);
    });
}

#[test]
fn a_file_that_is_replaced_is_read_again() {
    in_one_life(async |rig: Rig| {
        // Published on the 18th at 08:30; two days and two hours later it is another one.
        rig.fault("2026-11-17", ArchiveFault::Replaced { after_ms: 50 * UnixMillis::HOUR, with: Vec::new() });
        rig.fault("2026-11-17", ArchiveFault::Contents(Defect::MissingRows { first: 0, last: 0 }));
        let (from, to) = (TODAY - 4 * DAY, TODAY - 2 * DAY);
        let job = rig.fill(from, to).await;
        assert_eq!(job.state, State::Done);
        rig.forget_asked();
        tokio::time::sleep(Duration::from_hours(2)).await;
        let job = rig.fill(from, to).await;
        assert_eq!((job.state, job.parts[0].files, job.parts[0].rows_new), (State::Done, 1, 0));
        assert_eq!((rig.asked("2026-11-17.zip"), rig.asked("2026-11-16.zip")), (2, 0));
        rig.forget_asked();
        rig.fill(from, to).await;
        assert_eq!(rig.asked(".zip"), 0, "once is enough");
        assert!(rig.held() == rig.truth(from, to));
    });
}

#[test]
fn a_wall_clock_that_is_a_day_off_hides_no_replaced_file_and_delays_no_job() {
    for off in [DAY, -DAY] {
        in_one_life(async |rig: Rig| {
            rig.hand.step(off);
            rig.fault("2026-11-17", ArchiveFault::Replaced { after_ms: 50 * UnixMillis::HOUR, with: Vec::new() });
            rig.fault("2026-11-16", ArchiveFault::Unavailable { until: rig.exchange.now().plus(UnixMillis::HOUR) });
            let (from, to) = (TODAY - 4 * DAY, TODAY - 2 * DAY);
            let job = rig.jobs.submit(want(Series::Trades, from, to)).expect("taken");
            let running = tokio::task::spawn_local(rig.runner.clone().run());
            tokio::time::sleep(Duration::from_hours(2)).await;
            running.abort();
            let job = rig.jobs.get(job.id).expect("it is there");
            assert_eq!((job.state, job.parts[0].ids_missing), (State::Done, 0), "{off}");
            assert!(rig.held() == rig.truth(from, to));
            assert_eq!(rig.asked("2026-11-17.zip"), 4, "{off}: the other file of the day is fetched, too");
        });
    }
}

#[test]
fn a_disk_that_is_full_for_an_hour_delays_a_job_and_ends_none() {
    let disk = SimulatedDisk::new(9);
    live(&disk, START, async |rig: Rig| {
        let (from, to) = (TODAY - 4 * DAY, TODAY - 2 * DAY);
        let job = rig.jobs.submit(want(Series::Trades, from, to)).expect("taken");
        disk.fail(1, Fault::Full, Lasting::ForEver);
        let running = tokio::task::spawn_local(rig.runner.clone().run());
        tokio::time::sleep(Duration::from_hours(1)).await;
        let waiting = rig.jobs.get(job.id).expect("it is there");
        assert!(waiting.state == State::Queued && waiting.error.is_some(), "{waiting:?}");
        assert!(disk.faults_met() > 0);
        disk.heal();
        tokio::time::sleep(Duration::from_hours(1)).await;
        running.abort();
        let job = rig.jobs.get(job.id).expect("it is there");
        assert_eq!((job.state, job.parts[0].ids_missing), (State::Done, 0));
        assert!(rig.held() == rig.truth(from, to));
    });
}

#[test]
fn rows_that_a_day_lacks_are_filled_from_its_month_and_what_none_has_is_named() {
    in_one_life(async |rig: Rig| {
        let from = TODAY - 30 * DAY;
        let truth = rig.truth(from, from + 3 * DAY);
        let lacking = IdRange { first: truth[5_000].id, last: truth[5_009].id };
        let missing = Defect::MissingRows { first: lacking.first, last: lacking.last };
        rig.fault("2026-10-21", ArchiveFault::Contents(missing.clone()));
        let job = rig.fill(from, from + 3 * DAY).await;
        assert_eq!((job.state, job.parts[0].ids_missing), (State::Done, 0));
        let held = rig.holding(Kind::Trade).from_id(truth[0].id, truth.len()).trades;
        assert!(held == truth);
    });
    in_one_life(async |rig: Rig| {
        let from = TODAY - 30 * DAY;
        let truth = rig.truth(from, from + 3 * DAY);
        let lacking = IdRange { first: truth[5_000].id, last: truth[5_009].id };
        let missing = Defect::MissingRows { first: lacking.first, last: lacking.last };
        rig.fault("2026-10-21", ArchiveFault::Contents(missing.clone()));
        let monthly = "data/futures/um/monthly/aggTrades/XRPUSDT/XRPUSDT-aggTrades-2026-10";
        rig.exchange.faults().archive().set(monthly, ArchiveFault::Contents(missing));
        let job = rig.fill(from, from + 3 * DAY).await;
        assert_eq!((job.state, job.parts[0].ids_missing), (State::Done, lacking.count()));
        let said = rig.library.ledger().absent(rig.contract, Kind::Trade, lacking);
        let both = said.iter().all(|run| {
            use tapedeck::store::record::Origin::{DailyArchive, MonthlyArchive};
            run.witnesses.has(DailyArchive) && run.witnesses.has(MonthlyArchive)
        });
        assert!(!said.is_empty() && both, "{said:?}");
    });
}
