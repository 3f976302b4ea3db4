//! How does a report look to a person?

use crate::{
    cli::{
        table::{bytes, counted, grouped, table},
        verify::{
            Verdict,
            coverage::{self, Line},
        },
    },
    model::{IdRange, Symbol, UnixMillis},
    store::{
        record::Kind,
        verify::{Conflict, Finding, Month, Report},
    },
};
use std::path::Path;

/// Longer lists are cut here; `--json` has them whole.
const LINES_MAX: usize = 40;

pub(super) fn report(dir: &Path, report: &Report, covered: &[Line], verdict: Verdict) -> String {
    let manifest = report.generation.map_or_else(String::new, |generation| format!(", manifest {generation}"));
    let mut text = format!("{}: records {}{manifest}\n", dir.display(), report.identity.venue);
    let heads = [
        "symbol",
        "rows of",
        "month",
        "rows",
        "first id",
        "last id",
        "holes",
        "missing",
        "damaged",
        "size",
        "bytes/row",
    ];
    let rows: Vec<_> = report.months.iter().map(month_row).collect();
    text += &section("", &table(&heads, &rows));
    text += &coverage::text::tables(covered);
    text += &section("missing ids", &ranges(report, |month| &month.holes));
    text += &section("damaged ids", &ranges(report, |month| &month.damaged));
    text += &section("conflicts: ids of which another version is kept apart", &conflicts(report));
    text += &section("findings", &cut(report.findings.iter().map(finding_row).collect(), &["", ""]));
    let (segments, journals) = (report.segments, report.journals);
    let files = [
        format!("{}, {}", counted(segments.count, "segment", "segments"), bytes(segments.bytes)),
        format!("{} with room for {}", counted(journals.count, "journal file", "journal files"), bytes(journals.bytes)),
    ];
    text + &format!("\n{}\n{}\n", files.join("; "), line(dir, report, verdict))
}

fn month_row(month: &Month) -> Vec<String> {
    let ids = |ranges: &[IdRange]| grouped(ranges.iter().map(IdRange::count).sum());
    let size = month.millibytes_a_row().map_or_else(String::new, |size| {
        let hundredths = (size + 5) / 10;
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    });
    let (year, number) = month.start.year_month();
    vec![
        name(month.contract, month.symbol.as_ref()),
        month.kind.schema().name.to_owned(),
        format!("{year:04}-{number:02}"),
        grouped(month.rows),
        month.keys.first.to_string(),
        month.keys.last.to_string(),
        grouped(month.holes.len() as u64),
        ids(&month.holes),
        ids(&month.damaged),
        bytes(month.bytes),
        size,
    ]
}

pub(super) fn name(contract: u32, symbol: Option<&Symbol>) -> String {
    symbol.map_or_else(|| format!("contract {contract}"), |symbol| symbol.as_str().to_owned())
}

fn ranges(report: &Report, of: impl Fn(&Month) -> &Vec<IdRange>) -> String {
    let row = |month: &Month, range: &IdRange| {
        let symbol = name(month.contract, month.symbol.as_ref());
        let kind = month.kind.schema().name.to_owned();
        vec![symbol, kind, range.first.to_string(), range.last.to_string(), grouped(range.count())]
    };
    let months = report.months.iter();
    let rows = months.flat_map(|month| of(month).iter().map(|range| row(month, range)).collect::<Vec<_>>());
    cut(rows.collect(), &["symbol", "rows of", "first id", "last id", "ids"])
}

fn conflicts(report: &Report) -> String {
    let symbol = |contract: u32, kind: Kind| {
        let month = report.months.iter().find(|month| (month.contract, month.kind) == (contract, kind));
        name(contract, month.and_then(|month| month.symbol.as_ref()))
    };
    let row = |conflict: &Conflict| {
        let (first, last) = (conflict.keys.first.to_string(), conflict.keys.last.to_string());
        vec![symbol(conflict.contract, conflict.kind), conflict.kind.schema().name.to_owned(), first, last]
    };
    cut(report.conflicts.iter().map(row).collect(), &["symbol", "rows of", "first id", "last id"])
}

fn finding_row(finding: &Finding) -> Vec<String> {
    vec![if finding.is_damage() { "damage" } else { "note" }.to_owned(), finding.to_string()]
}

/// A table of the first rows, and how many are left out.
pub(super) fn cut(mut rows: Vec<Vec<String>>, heads: &[&str]) -> String {
    let left_out = rows.len().saturating_sub(LINES_MAX);
    rows.truncate(LINES_MAX);
    let text = table(heads, &rows);
    if left_out == 0 { text } else { format!("{text}  ... {} more: --json lists all\n", grouped(left_out as u64)) }
}

/// A minute in UTC; its milliseconds where no calendar reaches.
pub(super) fn moment(time: UnixMillis) -> String {
    let moment = jiff::Timestamp::from_millisecond(time.get());
    moment.map_or_else(|_| time.to_string(), |moment| moment.strftime("%Y-%m-%d %H:%M").to_string())
}

/// A part below its title, with a line free before it; nothing when it is empty.
pub(super) fn section(title: &str, body: &str) -> String {
    match (title, body) {
        (_, "") => String::new(),
        ("", body) => format!("\n{body}"),
        (title, body) => format!("\n{title}\n{body}"),
    }
}

/// What it comes to, and what to do.
fn line(dir: &Path, report: &Report, verdict: Verdict) -> String {
    let missing: u64 = report.holes().map(|(_, hole)| hole.count()).sum();
    let holes = counted(report.holes().count() as u64, "hole", "holes");
    let holes = format!("{holes} of {}", counted(missing, "id", "ids"));
    match verdict {
        Verdict::Intact => "intact, no id is missing".to_owned(),
        Verdict::Holes { strict: false } => format!("intact, with {holes}"),
        Verdict::Holes { strict: true } => format!("not whole: {holes} (--strict)"),
        Verdict::Damaged => {
            let damaged = report.findings.iter().filter(|finding| finding.is_damage()).count() as u64;
            let found = counted(damaged, "finding", "findings");
            let dir = dir.display();
            format!("DAMAGED: {found}; `tapedeck repair --data-dir {dir} --dry-run` says what can be done")
        }
    }
}
