//! `tapedeck verify --against-klines`: do the stored minutes agree with the exchange's own?

mod json;
mod text;

use crate::{
    cli::{
        failure::Failure,
        verify::{Meter, Place},
    },
    history::klines::{Checked, Difference, check, list},
    model::{Candle, Symbol},
    store::{
        files::{Disk, RealDisk},
        identity::Identity,
        verify::VerifyError,
    },
};
use anyhow::{Context as _, anyhow};
use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

pub(super) fn run(dir: &Path, paths: &[PathBuf], symbols: &[Symbol], is_json: bool) -> Result<(), Failure> {
    let mut files = list(paths).map_err(anyhow::Error::from)?;
    files.retain(|file| symbols.is_empty() || symbols.contains(file.place.folder().symbol()));
    if files.is_empty() {
        return Err(anyhow!("none of the files is of a symbol that --symbol names").into());
    }
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(dir));
    let identity = Identity::read(&*disk).map_err(|error| Place::refuse(dir, VerifyError::Identity(error)))?;
    let meter = Meter::new();
    let checked = check(&disk, identity.store, &files, |file| meter.line(format_args!("comparing {}", file.place)));
    meter.end();
    let checked = checked.with_context(|| dir.display().to_string())?;
    if !checked.symbols.iter().any(|symbol| symbol.is_known) {
        let shown = dir.display();
        return Err(
            anyhow!("{shown} records none of the symbols of these files: `tapedeck verify` lists its own").into()
        );
    }
    let verdict = Verdict::of(&checked);
    let about = About { dir, identity: &identity, verdict };
    let out = if is_json { json::report(&about, &checked) } else { text::report(&about, &checked) };
    io::stdout().write_all(out.as_bytes())?;
    if verdict == Verdict::Agrees { Ok(()) } else { Err(Failure::Answer(2)) }
}

/// What stands above a report, and what it comes to.
struct About<'a> {
    dir: &'a Path,
    identity: &'a Identity,
    verdict: Verdict,
}

/// What the comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Every minute is equal, explained, or not comparable.
    Agrees,
    /// Some differ for no known reason.
    Differs,
    /// Files of the store or of the exchange are damaged.
    Damaged,
}

impl Verdict {
    fn of(checked: &Checked) -> Self {
        match (checked.is_damaged(), checked.unexplained()) {
            (true, _) => Self::Damaged,
            (false, 0) => Self::Agrees,
            (false, _) => Self::Differs,
        }
    }
}

/// The figures of a minute, by name, as text: ours, and the exchange's.
fn figures(difference: &Difference) -> Vec<(&'static str, Option<String>, String)> {
    let (ours, official) = (difference.ours.as_ref(), &difference.official);
    let own = |figure: fn(&Candle) -> String| ours.map(figure);
    vec![
        ("open", own(|candle| candle.open.to_string()), official.open.to_string()),
        ("high", own(|candle| candle.high.to_string()), official.high.to_string()),
        ("low", own(|candle| candle.low.to_string()), official.low.to_string()),
        ("close", own(|candle| candle.close.to_string()), official.close.to_string()),
        ("volume", own(|candle| candle.volume.to_string()), official.volume.to_string()),
        ("quote_volume", own(|candle| candle.quote_volume.to_string()), official.quote_volume.to_string()),
        ("taker_buy_volume", own(|candle| candle.taker_buy_volume.to_string()), official.taker_buy_volume.to_string()),
        (
            "taker_buy_quote_volume",
            own(|candle| candle.taker_buy_quote_volume.to_string()),
            official.taker_buy_quote_volume.to_string(),
        ),
    ]
}
