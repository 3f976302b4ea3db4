//! Does a job outlive the process, end when it is told to, and wait for what is not there yet?

use super::*;
use tapedeck::{
    candle::fold,
    model::{Candle, Timeframe},
    store::files::Damage,
};

impl Rig {
    /// Every minute but the last follows from the trades held; whether each is complete is not looked at.
    fn assert_minutes_follow(&self) {
        let plain = |minute: &Candle| Candle { complete: true, revision: 0, ..*minute };
        let stored = self.holding(Kind::Trade).minutes(at(0), at(i64::MAX), usize::MAX, false);
        let mut expected = fold(Timeframe::MINUTE, &self.held());
        expected.pop();
        assert!(!expected.is_empty());
        assert!(stored.iter().map(plain).eq(expected), "{} minutes", stored.len());
    }
}

#[test]
fn after_a_crash_a_job_goes_on_and_fetches_nothing_twice() {
    let disk = SimulatedDisk::new(4);
    let (from, to) = (TODAY - 15 * DAY, TODAY - 2 * DAY);
    let before = live(&disk, START, async |rig: Rig| {
        let job = rig.jobs.submit(want(Series::Trades, from, to)).expect("taken");
        // Dropped in the middle, as by a kill.
        let cut = async {
            while rig.jobs.get(job.id).expect("there").parts[0].files_done < 5 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = rig.runner.finish(job.id) => panic!("it was to be cut off"),
            () = cut => {}
        }
        rig.held()
    });
    disk.power_cut(6);
    live(&disk, START, async |rig: Rig| {
        let [job] = &rig.jobs.list()[..] else { panic!("one job") };
        assert_eq!(job.state, State::Queued);
        let held = rig.held();
        assert!(held.len() >= before.len() && !held.is_empty());
        let done = soon("the rest", rig.runner.finish(job.id)).await.expect("there");
        assert_eq!(done.state, State::Done);
        assert!((5..=8).contains(&(13 - rig.asked("CHECKSUM"))), "{} asked for", rig.asked("CHECKSUM"));
        assert!(rig.held() == rig.truth(from, to));
        rig.assert_minutes_follow();
    });
}

#[test]
fn what_was_lost_with_its_segment_is_fetched_again() {
    let disk = SimulatedDisk::new(5);
    let (from, to) = (TODAY - 9 * DAY, TODAY - 2 * DAY);
    live(&disk, START, async |rig: Rig| {
        assert_eq!(rig.fill(from, to).await.state, State::Done);
        assert!(rig.held() == rig.truth(from, to));
    });
    let fills: Vec<_> = disk.paths().into_iter().filter(|path| path.starts_with("fill/")).collect();
    assert!(fills.len() >= 7, "{fills:?}");
    for path in fills {
        disk.damage(&path, &Damage::Delete).expect("there");
    }
    live(&disk, START, async |rig: Rig| {
        assert!(rig.held().is_empty());
        let job = rig.fill(from, to).await;
        assert_eq!((job.state, job.parts[0].files_done), (State::Done, 7));
        assert!(rig.held() == rig.truth(from, to));
        rig.assert_minutes_follow();
        rig.forget_asked();
        rig.fill(from, to).await;
        assert_eq!(rig.asked("zip"), 0, "nothing is lacking");
    });
}

#[test]
fn a_job_that_is_called_off_ends_and_keeps_what_it_has() {
    in_one_life(async |rig: Rig| {
        let (from, to) = (TODAY - 15 * DAY, TODAY - 2 * DAY);
        let job = rig.jobs.submit(want(Series::Trades, from, to)).expect("taken");
        let running = tokio::task::spawn_local(rig.runner.clone().run());
        while rig.jobs.get(job.id).expect("there").parts[0].files_done < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let cancelled = rig.jobs.cancel(job.id).expect("filed").expect("there");
        assert_eq!(cancelled.state, State::Cancelled);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let asked = rig.asked("zip");
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(rig.asked("zip"), asked, "nothing more is asked for");
        assert_eq!(rig.jobs.get(job.id).expect("there").state, State::Cancelled);
        let (held, truth) = (rig.held(), rig.truth(from, to));
        assert!(!held.is_empty() && held.len() < truth.len() && held.iter().all(|trade| truth.contains(trade)));
        rig.assert_minutes_follow();
        // The next in the queue is done all the same.
        let next = rig.jobs.submit(want(Series::Trades, TODAY - 3 * DAY, to)).expect("taken");
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(rig.jobs.get(next.id).expect("there").state, State::Done);
        assert!(rig.jobs.cancel(99).expect("nothing to file").is_none());
        running.abort();
    });
}

/// When the ranges begin that REST is asked for, in the order of asking, and how many files were downloaded before the first.
fn asked_of_rest(rig: &Rig) -> (Vec<i64>, usize) {
    let asked = rig.fetch.asked.lock().expect("whole");
    let is_rest = |url: &&String| url.contains("aggTrades?");
    let number = |url: &String| url.split("startTime=").nth(1)?.split('&').next()?.parse().ok();
    let files = asked.iter().take_while(|url| !is_rest(url)).filter(|url| url.ends_with(".zip")).count();
    (asked.iter().filter(is_rest).filter_map(number).collect(), files)
}

#[test]
fn what_rest_forgets_first_is_fetched_first_whichever_job_wants_it() {
    in_one_life(async |rig: Rig| {
        rig.fault("2026-11-1", ArchiveFault::Late { millis: 9 * DAY });
        let hour = UnixMillis::HOUR;
        let wants = [
            (TODAY - 79 * DAY, TODAY - 51 * DAY),
            (START - 5 * hour, START - 4 * hour),
            (START - 47 * hour, START - 45 * hour),
        ];
        let jobs = wants.map(|(from, to)| rig.jobs.submit(want(Series::Trades, from, to)).expect("taken").id);
        let running = tokio::task::spawn_local(rig.runner.clone().run());
        tokio::time::sleep(Duration::from_hours(1)).await;
        for id in jobs {
            assert_eq!(rig.jobs.get(id).expect("there").state, State::Done);
        }
        let (starts, files) = asked_of_rest(&rig);
        let of = |from: i64| starts.iter().position(|start| *start == from).expect("asked for");
        assert!(of(wants[2].0) < of(wants[1].0), "{starts:?}");
        assert!(files < 10, "{files} files came before");
        for (from, to) in &wants[1..] {
            let truth = rig.truth(*from, *to);
            assert!(rig.holding(Kind::Trade).from_id(truth[0].id, truth.len()).trades == truth);
        }
        running.abort();
    });
}

#[test]
fn what_is_not_published_yet_is_waited_for_without_noise() {
    in_one_life(async |rig: Rig| {
        rig.fault("2026-11-17", ArchiveFault::Late { millis: 3 * DAY });
        let (from, to) = (TODAY - 4 * DAY, TODAY - 2 * DAY);
        let job = rig.jobs.submit(want(Series::Trades, from, to)).expect("taken");
        let running = tokio::task::spawn_local(rig.runner.clone().run());
        tokio::time::sleep(Duration::from_hours(5)).await;
        let waiting = rig.jobs.get(job.id).expect("there");
        assert_eq!(waiting.state, State::Queued);
        assert_eq!(waiting.parts[0].awaited, ["XRPUSDT-aggTrades-2026-11-17.zip"]);
        assert!(waiting.resumes.is_some());
        let asked = rig.asked("");
        assert!(asked < 60, "{asked}");
        // It appears on the 21st at 08:30.
        tokio::time::sleep(Duration::from_hours(24)).await;
        let done = rig.jobs.get(job.id).expect("there");
        assert_eq!((done.state, done.parts[0].awaited.len()), (State::Done, 0));
        assert!(rig.held() == rig.truth(from, to));
        running.abort();
    });
}

#[test]
fn a_file_that_never_comes_is_given_up_after_two_weeks() {
    in_one_life(async |rig: Rig| {
        rig.fault("2026-11-0", ArchiveFault::Missing);
        let job = rig.fill(TODAY - 19 * DAY, TODAY - 8 * DAY).await;
        let part = &job.parts[0];
        let name = |day: u32| format!("XRPUSDT-aggTrades-2026-11-{day:02}.zip");
        assert_eq!(part.absent, (1..=5).map(name).collect::<Vec<_>>());
        assert_eq!(part.awaited, (6..=9).map(name).collect::<Vec<_>>());
        assert!(rig.held() == rig.truth(TODAY - 10 * DAY, TODAY - 8 * DAY));
    });
}

#[test]
fn the_same_job_twice_is_one_and_there_are_not_too_many() {
    in_one_life(async |rig: Rig| {
        let first = rig.jobs.submit(want(Series::Trades, 5, 10)).expect("taken");
        let longer = rig.jobs.submit(want(Series::Trades, 5, 20)).expect("taken");
        assert_eq!((longer.id, longer.want.to), (first.id, 20));
        for from in 100..163 {
            rig.jobs.submit(want(Series::Trades, from, 200)).expect("taken");
        }
        assert!(rig.jobs.submit(want(Series::Trades, 1, 2)).is_err());
        rig.jobs.cancel(first.id).expect("filed");
        rig.jobs.submit(want(Series::Trades, 1, 2)).expect("there is room again");
        assert!(rig.clock.wall() >= at(START));
    });
}
