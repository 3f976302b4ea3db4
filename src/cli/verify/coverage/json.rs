//! How does the coverage of a series look to a program?

use crate::{
    cli::verify::coverage::{Hole, Line, names},
    store::coverage::HoleState,
};
use serde_json::{Map, Value, json};

/// Amounts and places of a series with ids are ids; of others milliseconds, and holes end before their `end`.
pub(in crate::cli::verify) fn line(line: &Line) -> Value {
    let held: Map<_, _> =
        line.held.iter().map(|(source, amount)| (source.as_str().to_owned(), json!(amount))).collect();
    let name = |name: &str| if line.has_ids { name.to_owned() } else { format!("{name}_ms") };
    let mut row = json!({
        "contract": line.contract,
        "symbol": line.symbol.as_ref().map(|symbol| symbol.as_str()),
        "series": line.series.as_str(),
        "conflicts": line.conflicts,
        "holes": line.holes.iter().map(|own| hole(own, line.has_ids)).collect::<Vec<_>>(),
    });
    row[name("held")] = Value::Object(held);
    row[name("missing")] = json!(line.counts.missing);
    row[name("awaiting_archive")] = json!(line.counts.awaiting_archive);
    row[name("confirmed_absent")] = json!(line.counts.confirmed_absent);
    row[if line.has_ids { "whole_from_id" } else { "whole_from" }] = place(line.whole_from);
    row
}

fn hole(hole: &Hole, has_ids: bool) -> Value {
    let (from, to) = if has_ids { ("first", "last") } else { ("start", "end") };
    let mut row = json!({"state": hole.state.as_str()});
    row[from] = place(Some(hole.from));
    row[to] = place(Some(hole.to));
    if let HoleState::ConfirmedAbsent((witnesses, at)) = hole.state {
        row["confirmed_by"] = json!(names(witnesses));
        row["confirmed_at"] = json!(at);
    }
    row
}

/// A place is an id or a time: one of the two fits.
fn place(place: Option<i128>) -> Value {
    let number = |place: i128| u64::try_from(place).map_or_else(|_| json!(i64::try_from(place).ok()), |id| json!(id));
    place.map_or(Value::Null, number)
}
