//! How does the coverage of all series look to a person?

use crate::{
    cli::{
        table::grouped,
        verify::{
            coverage::{Hole, Line, names},
            text::{cut, moment, name, section},
        },
    },
    model::UnixMillis,
    store::{coverage::HoleState, record::Origin},
};

/// Columns of figures, by their places: those that say nothing of any series are left out.
const FIGURES: [&str; 9] =
    ["stream", "rest", "daily archive", "monthly archive", "derived", "missing", "awaiting", "absent", "conflicts"];

/// Tables of what is held by source and what is known of the rest, and of single holes what no other part of a report tells.
pub(in crate::cli::verify) fn tables(lines: &[Line]) -> String {
    let (with_ids, without): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(|line| line.has_ids);
    let mut text = section("coverage in ids, by source", &figures(&with_ids));
    text += &section("coverage in time, of series without ids", &figures(&without));
    let open = |hole: &Hole| hole.state.is_open();
    let rows = without.iter().flat_map(|line| holes(line, open)).collect();
    text += &section("times that are missing", &cut(rows, &["symbol", "series", "from", "up to", "state"]));
    let rows = lines.iter().flat_map(|line| holes(line, |hole| !open(hole))).collect();
    let heads = ["symbol", "series", "from", "up to", "state", "lacking in", "checked"];
    text + &section("confirmed absent: the venue has none", &cut(rows, &heads))
}

fn figures(lines: &[&Line]) -> String {
    let rows: Vec<[String; 9]> = lines.iter().map(|line| figures_of(line)).collect();
    let said = |at: &usize| rows.iter().any(|row| !row[*at].is_empty());
    let shown: Vec<usize> = (0..FIGURES.len()).filter(said).collect();
    let heads: Vec<&str> =
        ["symbol", "series"].into_iter().chain(shown.iter().map(|at| FIGURES[*at])).chain(["whole from"]).collect();
    let row = |(line, figures): (&&Line, &[String; 9])| {
        let whole_from = line.whole_from.map_or_else(String::new, |place| shown_place(line, place));
        let shown = shown.iter().map(|at| figures[*at].clone());
        named(line).into_iter().chain(shown).chain([whole_from]).collect()
    };
    cut(lines.iter().zip(&rows).map(row).collect(), &heads)
}

/// Empty where there is nothing.
fn figures_of(line: &Line) -> [String; 9] {
    let held = |source: Origin| line.held.iter().find(|(own, _)| *own == source).map_or(0, |(_, amount)| *amount);
    let [stream, rest, daily, monthly, derived] = Origin::ALL.map(held);
    let counts = line.counts;
    let amounts =
        [stream, rest, daily, monthly, derived, counts.missing, counts.awaiting_archive, counts.confirmed_absent];
    let amount = |amount: u64| if line.has_ids { grouped(amount) } else { length(amount) };
    let shown = |figure: u64, text: String| if figure == 0 { String::new() } else { text };
    let [a, b, c, d, e, f, g, h] = amounts.map(|figure| shown(figure, amount(figure)));
    [a, b, c, d, e, f, g, h, shown(line.conflicts, grouped(line.conflicts))]
}

fn named(line: &Line) -> [String; 2] {
    [name(line.contract, line.symbol.as_ref()), line.series.as_str().to_owned()]
}

fn holes(line: &Line, wanted: impl Fn(&Hole) -> bool) -> Vec<Vec<String>> {
    let row = |hole: &Hole| {
        let mut row = named(line).to_vec();
        row.extend([shown_place(line, hole.from), shown_place(line, hole.to), hole.state.as_str().replace('_', " ")]);
        if let HoleState::ConfirmedAbsent((witnesses, at)) = hole.state {
            row.extend([names(witnesses).join(", ").replace('_', " "), moment(UnixMillis::new(at))]);
        }
        row
    };
    line.holes.iter().filter(|hole| wanted(hole)).map(row).collect()
}

fn shown_place(line: &Line, place: i128) -> String {
    let time = i64::try_from(place).ok().filter(|_| !line.has_ids).map(UnixMillis::new);
    time.map_or_else(|| place.to_string(), moment)
}

/// A length of time in its two largest units.
fn length(millis: u64) -> String {
    let seconds = millis / 1_000;
    let units = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let shown = units.iter().skip(first).take(2).filter(|(count, _)| *count > 0);
    let text: Vec<String> = shown.map(|(count, unit)| format!("{count} {unit}")).collect();
    if text.is_empty() { format!("{millis} ms") } else { text.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_two_units() {
        let written = [0, 999, 1_000, 61_000, 3_600_000, 86_460_000, 31 * 86_400_000 + 4 * 3_600_000].map(length);
        assert_eq!(written, ["0 ms", "999 ms", "1 s", "1 min 1 s", "1 h", "1 d", "31 d 4 h"]);
    }
}
