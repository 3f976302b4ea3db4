//! How does a comparison look to a person?

use crate::{
    cli::{
        table::{counted, grouped, table},
        verify::{
            klines::{About, Verdict, figures},
            text::{cut, moment, section},
        },
    },
    history::klines::{Checked, Difference, FileChecked, Stretch, SymbolChecked},
};

pub(super) fn report(about: &About<'_>, checked: &Checked) -> String {
    let (dir, venue) = (about.dir.display(), &about.identity.venue);
    let mut text = format!("{dir}: records {venue}; its minutes beside the exchange's own\n");
    let heads =
        ["symbol", "minutes", "equal", "straddled", "at edges", "in holes", "invented", "unexplained", "not stored"];
    let known = || checked.symbols.iter().filter(|symbol| symbol.is_known);
    text += &section("", &table(&heads, &known().map(counts).collect::<Vec<_>>()));
    let rows: Vec<_> = known().flat_map(|symbol| &symbol.files).filter_map(file).collect();
    text += &section("files of the exchange", &cut(rows, &["", ""]));
    text += &section(
        "invented: the exchange says nothing was traded, trades are held",
        &cut(known().flat_map(inventions).collect(), &["symbol", "from", "to", "trades"]),
    );
    text += &section(
        "unexplained",
        &cut(known().flat_map(differences).collect(), &["symbol", "minute", "figure", "ours", "exchange"]),
    );
    text += &section(
        "raw trades of equal minutes: ours are counted from ids, an upper bound",
        &cut(
            known().filter_map(raw_trades).collect(),
            &["symbol", "ours", "exchange", "minutes with more", "minutes with fewer"],
        ),
    );
    let findings = checked
        .findings
        .iter()
        .map(|finding| vec![if finding.is_damage() { "damage" } else { "note" }.to_owned(), finding.to_string()]);
    text += &section("findings", &cut(findings.collect(), &["", ""]));
    let strangers = checked.symbols.iter().filter(|symbol| !symbol.is_known);
    let strangers: Vec<_> = strangers.map(|symbol| vec![symbol.symbol.as_str().to_owned()]).collect();
    text += &section("symbols that the store does not record", &cut(strangers, &[""]));
    format!("{text}\n{}\n", line(about, checked))
}

fn counts(symbol: &SymbolChecked) -> Vec<String> {
    let report = &symbol.report;
    let explained = [report.equal, report.straddled, report.at_edges, report.in_holes, report.invented];
    let counts = [report.minutes].into_iter().chain(explained).chain([report.unexplained, symbol.folded]);
    [symbol.symbol.as_str().to_owned()].into_iter().chain(counts.map(grouped)).collect()
}

/// What there is to say of a file, if anything.
fn file(file: &FileChecked) -> Option<Vec<String>> {
    let said = match &file.outcome {
        Err(error) => format!("REFUSED: {error}"),
        Ok(counts) => {
            let lack = (!counts.is_checked).then(|| "no CHECKSUM beside it".to_owned());
            let conflicts = (counts.conflicts > 0).then(|| counted(counts.conflicts, "conflict", "conflicts"));
            let outside = (counts.outside > 0)
                .then(|| counted(counts.outside, "minute of another time", "minutes of another time"));
            let said: Vec<String> = [lack, conflicts, outside].into_iter().flatten().collect();
            (!said.is_empty()).then(|| said.join(", "))?
        }
    };
    Some(vec![file.file.path.display().to_string(), said])
}

fn inventions(symbol: &SymbolChecked) -> Vec<Vec<String>> {
    let row = |stretch: &Stretch| {
        vec![symbol.symbol.as_str().to_owned(), moment(stretch.start), moment(stretch.end), grouped(stretch.trades)]
    };
    symbol.report.inventions.iter().map(row).collect()
}

/// Nothing where both sides count the same.
fn raw_trades(symbol: &SymbolChecked) -> Option<Vec<String>> {
    let counts = symbol.report.counts;
    let figures = [counts.ours, counts.official, counts.above, counts.below].map(grouped);
    let name = symbol.symbol.as_str().to_owned();
    (counts.above + counts.below > 0).then(|| [name].into_iter().chain(figures).collect())
}

fn differences(symbol: &SymbolChecked) -> Vec<Vec<String>> {
    let rows = |difference: &Difference| {
        let minute = moment(difference.official.open_time);
        let differ = figures(difference).into_iter().filter(|(_, ours, official)| ours.as_ref() != Some(official));
        let row = move |(name, ours, official): (&str, Option<String>, String)| {
            let ours = ours.unwrap_or_else(|| "none".to_owned());
            vec![symbol.symbol.as_str().to_owned(), minute.clone(), name.to_owned(), ours, official]
        };
        differ.map(row).collect::<Vec<_>>()
    };
    symbol.report.differences.iter().flat_map(rows).collect()
}

/// What it comes to.
fn line(about: &About<'_>, checked: &Checked) -> String {
    let minutes = counted(checked.symbols.iter().map(|symbol| symbol.report.minutes).sum(), "minute", "minutes");
    match about.verdict {
        Verdict::Agrees => format!("{minutes} compared: every difference is explained"),
        Verdict::Differs => format!("DIFFERS: {} of {minutes} unexplained", grouped(checked.unexplained())),
        Verdict::Damaged => {
            let dir = about.dir.display();
            format!("DAMAGED: see above; `tapedeck verify --data-dir {dir}` reads all of the store")
        }
    }
}
