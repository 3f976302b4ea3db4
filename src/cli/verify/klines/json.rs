//! How does a comparison look to a program?

use crate::{
    cli::verify::klines::{About, Verdict, figures},
    history::klines::{Checked, Difference, FileChecked, Stretch, SymbolChecked},
    store::recovery::Finding,
};
use serde_json::{Map, Value, json};

pub(super) fn report(about: &About<'_>, checked: &Checked) -> String {
    let finding = |finding: &Finding| json!({ "problem": finding.to_string(), "damage": finding.is_damage() });
    let value = json!({
        "directory": about.dir.display().to_string(),
        "store": format!("{:032x}", about.identity.store),
        "venue": about.identity.venue,
        "verdict": match about.verdict {
            Verdict::Agrees => "agrees",
            Verdict::Differs => "differs",
            Verdict::Damaged => "damaged",
        },
        "symbols": checked.symbols.iter().map(symbol).collect::<Vec<_>>(),
        "findings": checked.findings.iter().map(finding).collect::<Vec<_>>(),
        "unreadable": checked.unreadable,
    });
    format!("{value:#}\n")
}

fn symbol(symbol: &SymbolChecked) -> Value {
    let report = &symbol.report;
    json!({
        "symbol": symbol.symbol.as_str(),
        "recorded": symbol.is_known,
        "minutes": report.minutes,
        "equal": report.equal,
        "straddled": report.straddled,
        "at_edges": report.at_edges,
        "in_holes": report.in_holes,
        "invented": report.invented,
        "unexplained": report.unexplained,
        "raw_trades": {
            "minutes": report.counts.minutes,
            "ours": report.counts.ours,
            "official": report.counts.official,
            "minutes_above": report.counts.above,
            "minutes_below": report.counts.below,
        },
        "folded": symbol.folded,
        "inventions": report.inventions.iter().map(stretch).collect::<Vec<_>>(),
        "differences": report.differences.iter().map(difference).collect::<Vec<_>>(),
        "files": symbol.files.iter().map(file).collect::<Vec<_>>(),
    })
}

/// From the first millisecond to the exclusive end.
fn stretch(stretch: &Stretch) -> Value {
    json!({ "start": stretch.start.get(), "end": stretch.end.get(), "trades": stretch.trades })
}

/// All figures of both sides as text; ours are null where no trade is held.
fn difference(difference: &Difference) -> Value {
    let side = |figure: fn((Option<String>, String)) -> Value| {
        let figures = figures(difference).into_iter();
        figures.map(|(name, ours, official)| (name.to_owned(), figure((ours, official)))).collect::<Map<_, _>>()
    };
    json!({
        "open_time": difference.official.open_time.get(),
        "ours": difference.ours.is_some().then(|| side(|(ours, _)| ours.into())),
        "official": side(|(_, official)| official.into()),
    })
}

fn file(file: &FileChecked) -> Value {
    let path = file.file.path.display().to_string();
    match &file.outcome {
        Ok(counts) => json!({
            "path": path,
            "minutes": counts.minutes,
            "conflicts": counts.conflicts,
            "outside": counts.outside,
            "checksum": counts.is_checked,
        }),
        Err(error) => json!({ "path": path, "problem": error.to_string() }),
    }
}
