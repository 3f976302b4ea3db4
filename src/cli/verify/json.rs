//! How does a report look to a program?

use crate::{
    cli::verify::{
        Verdict,
        coverage::{self, Line},
    },
    model::IdRange,
    store::verify::{Conflict, Files, Finding, Month, Report},
};
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn report(dir: &Path, report: &Report, covered: &[Line], verdict: Verdict) -> String {
    let value = json!({
        "directory": dir.display().to_string(),
        "store": format!("{:032x}", report.identity.store),
        "venue": report.identity.venue,
        "manifest": report.generation,
        "verdict": match verdict {
            Verdict::Intact => "intact",
            Verdict::Holes { .. } => "holes",
            Verdict::Damaged => "damaged",
        },
        "coverage": covered.iter().map(coverage::json::line).collect::<Vec<_>>(),
        "months": report.months.iter().map(month).collect::<Vec<_>>(),
        "conflicts": report.conflicts.iter().map(conflict).collect::<Vec<_>>(),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "segments": files(report.segments),
        "journals": files(report.journals),
    });
    format!("{value:#}\n")
}

fn month(month: &Month) -> Value {
    let (year, number) = month.start.year_month();
    json!({
        "contract": month.contract,
        "symbol": month.symbol.as_ref().map(|symbol| symbol.as_str()),
        "kind": month.kind.schema().name,
        "month": format!("{year:04}-{number:02}"),
        "rows": month.rows,
        "first_id": month.keys.first,
        "last_id": month.keys.last,
        "holes": ranges(&month.holes),
        "absent": ranges(&month.absent),
        "damaged": ranges(&month.damaged),
        "bytes": month.bytes,
        "stored_rows": month.stored,
    })
}

fn ranges(ranges: &[IdRange]) -> Vec<Value> {
    ranges.iter().map(range).collect()
}

/// First and last, both included.
fn range(range: &IdRange) -> Value {
    json!([range.first, range.last])
}

fn conflict(conflict: &Conflict) -> Value {
    json!({ "contract": conflict.contract, "kind": conflict.kind.schema().name, "ids": range(&conflict.keys) })
}

fn finding(finding: &Finding) -> Value {
    json!({ "file": finding.path, "problem": finding.problem.to_string(), "damage": finding.is_damage() })
}

fn files(files: Files) -> Value {
    json!({ "count": files.count, "bytes": files.bytes })
}
