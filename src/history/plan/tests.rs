//! Is every missing day in exactly one of a plan's lists, and is nothing fetched that is held?

use super::{
    days::{Span, periods},
    *,
};
use crate::{
    exchange::binance::archive::{Cadence, Dataset, Folder, Period},
    history::download::Published,
    model::{Symbol, Timeframe, UnixMillis},
};
use std::collections::BTreeMap;

const DAY: i64 = UnixMillis::DAY;

fn start(date: &str) -> UnixMillis {
    Period::parse(date).expect("a date").start()
}

fn file(dataset: Dataset, date: &str) -> Published {
    let period = Period::parse(date).expect("a date");
    let folder = Folder::new(Symbol::new("BTCUSDT").expect("a symbol"), dataset, period.cadence());
    Published {
        place: folder.expect("there is one").place(period.start()),
        bytes: 1,
        modified: None,
        etag: String::new(),
    }
}

fn published(dataset: Dataset, dates: &[&str]) -> BTreeMap<Period, Published> {
    dates.iter().map(|date| file(dataset, date)).map(|file| (file.place.period(), file)).collect()
}

/// Every day from one date to the other, that one not included.
fn days(from: &str, to: &str) -> Vec<String> {
    periods(Cadence::Daily, (start(from), start(to))).map(|day| day.to_string()).collect()
}

fn rules(dataset: Dataset) -> Rules {
    Rules { dataset, awaited_ms: 14 * DAY }
}

fn names(plan: &Plan) -> Vec<String> {
    plan.files.iter().map(|file| file.place.period().to_string()).collect()
}

fn known<'a>(published: &'a BTreeMap<Period, Published>, held: &'a [Span], now: UnixMillis) -> Known<'a> {
    Known { published, begin: published.keys().map(|period| period.start()).min(), held, now }
}

fn made(span: Span, dates: &[&str], held: &[Span], now: UnixMillis) -> Plan {
    let published = published(Dataset::AggTrades, dates);
    plan(span, &rules(Dataset::AggTrades), &known(&published, held, now))
}

#[test]
fn whole_months_then_days_then_rest() {
    let now = start("2026-11-20").plus(10 * UnixMillis::HOUR);
    let listed = days("2026-09-01", "2026-11-19");
    let mut dates: Vec<&str> = listed.iter().map(String::as_str).collect();
    dates.extend(["2026-09", "2026-10"]);
    let plan = made((start("2026-09-10"), now), &dates, &[], now);
    let mut expected = days("2026-11-01", "2026-11-19");
    expected.reverse();
    expected.push("2026-10".to_owned());
    let mut september = days("2026-09-10", "2026-10-01");
    september.reverse();
    expected.extend(september);
    assert_eq!(names(&plan), expected);
    // The file of the 19th is late by now; the day and today come over REST.
    assert_eq!(plan.rest, [(start("2026-11-19"), now)]);
    assert_eq!((plan.awaited, plan.absent), (vec![], vec![]));
}

#[test]
fn nothing_that_is_held_is_fetched() {
    let now = start("2026-11-20").plus(10 * UnixMillis::HOUR);
    let span = (start("2026-10-01"), start("2026-11-01"));
    let listed = days("2026-10-01", "2026-11-01");
    let mut dates: Vec<&str> = listed.iter().map(String::as_str).collect();
    dates.push("2026-10");
    let held =
        [(start("2026-10-01"), start("2026-10-20")), (start("2026-10-22").plus(-1), start("2026-11-01").plus(5))];
    assert_eq!(names(&made(span, &dates, &held, now)), ["2026-10-21", "2026-10-20"]);
    assert_eq!(names(&made(span, &dates, &held[1..], now)), ["2026-10"]);
    let all = [(span.0, span.1)];
    assert_eq!(made(span, &dates, &all, now), Plan::default());
}

#[test]
fn the_month_stands_in_for_a_day_that_is_not_there() {
    let now = start("2026-11-20");
    let plan = made((start("2026-10-05"), start("2026-10-08")), &["2026-10-05", "2026-10-07", "2026-10"], &[], now);
    assert_eq!(names(&plan), ["2026-10"]);
}

#[test]
fn what_is_in_neither_archive_is_awaited_and_given_up_one_day() {
    let dates = ["2026-11-01", "2026-11-03"];
    let span = (start("2026-11-01"), start("2026-11-04"));
    let day = Period::parse("2026-11-02").expect("a day");
    let early = made(span, &dates, &[], start("2026-11-16"));
    assert_eq!((early.awaited, early.absent), (vec![day], vec![]));
    let late = made(span, &dates, &[], start("2026-11-17").plus(8 * UnixMillis::HOUR));
    assert_eq!((late.awaited, late.absent, late.rest), (vec![], vec![day], vec![]));
}

#[test]
fn days_before_the_first_file_are_no_ones() {
    let now = start("2026-11-20");
    let plan = made((start("2019-01-01"), start("2026-11-03")), &["2026-11-01", "2026-11-02"], &[], now);
    assert_eq!(names(&plan), ["2026-11-02", "2026-11-01"]);
    assert_eq!((plan.absent, plan.awaited), (vec![], vec![]));
    let nothing = made((start("2019-01-01"), now), &[], &[], now);
    assert_eq!(nothing.rest, [(now.plus(15 * UnixMillis::MINUTE - 2 * DAY), now)]);
}

#[test]
fn datasets_come_in_the_files_that_they_have() {
    let now = start("2026-11-20");
    let span = (start("2026-08-15"), now);
    let fundings = published(Dataset::FundingRate, &["2026-07", "2026-08", "2026-10"]);
    let plan = plan(span, &rules(Dataset::FundingRate), &known(&fundings, &[], now));
    assert_eq!(names(&plan), ["2026-10", "2026-08"]);
    assert_eq!(plan.absent, [Period::parse("2026-09").expect("a month")]);
    assert_eq!(plan.awaited, [Period::parse("2026-11").expect("a month")]);
    let klines = Dataset::Klines(Timeframe::MINUTE);
    let published = published(klines, &["2026-11-18"]);
    let plan = super::plan((start("2026-11-18"), now), &rules(klines), &known(&published, &[], now));
    assert_eq!((names(&plan), plan.rest), (vec!["2026-11-18".to_owned()], vec![]));
    assert_eq!(plan.awaited, [Period::parse("2026-11-19").expect("a day")]);
}

#[test]
fn what_rest_soon_does_not_reach_comes_first() {
    let now = start("2026-11-20");
    let rest = |hours: i64| Task::Rest((now.plus(-hours * UnixMillis::HOUR), now));
    let dated = |date| Task::File(file(Dataset::AggTrades, date));
    let mut tasks = vec![dated("2026-10"), dated("2026-11-18"), rest(2), dated("2026-11-02"), rest(40)];
    in_order(&mut tasks, now);
    assert_eq!(tasks, [rest(40), rest(2), dated("2026-11-18"), dated("2026-11-02"), dated("2026-10")]);
}
