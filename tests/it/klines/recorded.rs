//! Do the venue's own minutes come through the readers and fold to its own hours, and are those that it invented seen?

use super::{assert_counted, blank, candle, compare};
use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    path::Path,
};
use tapedeck::{
    candle::regroup,
    exchange::binance::{
        Kline,
        archive::{AggTrades, Cadence, Dataset, Folder, Period},
        rest::agg_trades,
    },
    history::{
        archive::{Limits, Wanted, read},
        klines::{Kept, list},
    },
    model::{Candle, Price, QuoteVolume, Symbol, Timeframe, Trade, UnixMillis, Volume},
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// The text of a recording; nothing, and a word about it, when the recordings are not there.
fn text(name: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    if !folder.is_dir() {
        eprintln!("skipped: ../shared/data is absent");
        return None;
    }
    let mut text = String::new();
    let file = fs::File::open(folder.join(name)).expect(name);
    zstd::Decoder::new(file).expect(name).read_to_string(&mut text).expect(name);
    Some(text)
}

fn zipped(entry: &str, text: &str) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file(entry, SimpleFileOptions::default()).expect("an entry");
    writer.write_all(text.as_bytes()).expect("memory");
    writer.finish().expect("memory").into_inner()
}

fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A month's minutes, through a zip with its CHECKSUM and, beside it, as the bare CSV.
fn month(name: &str) -> Option<Vec<Kline>> {
    let text = text(&format!("klines_um/{name}.csv.zst"))?;
    let folder = tempfile::tempdir().expect("a folder");
    let (deep, zip) = (folder.path().join("monthly/klines"), zipped(&format!("{name}.csv"), &text));
    fs::create_dir_all(&deep).expect("made");
    fs::write(deep.join(format!("{name}.zip")), &zip).expect("written");
    fs::write(deep.join(format!("{name}.zip.CHECKSUM")), format!("{}  {name}.zip\n", sha256(&zip))).expect("written");
    let csv = folder.path().join(format!("{name}.csv"));
    fs::write(&csv, &text).expect("written");
    let read = |path: &Path| {
        let files = list(&[path.to_owned()]).expect("listed");
        assert_eq!(files.len(), 1);
        files[0].read().expect("a sound file")
    };
    let Kept { klines, tally, is_checked } = read(&deep);
    assert!(is_checked && tally.conflicts.is_empty());
    assert_eq!(klines.len(), text.lines().count() - 1);
    let bare = read(&csv);
    assert!(bare.klines == klines && !bare.is_checked);
    Some(klines)
}

/// The venue's hours: open, high, low, close and volume by their start.
fn hours() -> Option<BTreeMap<i64, ([Price; 4], Volume)>> {
    let text = text("klines_um/FILUSDT-1h-MuTheBug.csv.zst")?;
    let hour = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let price = |at: usize| Price::parse(cells[at].as_bytes()).expect("a price");
        // With `.0` even where it is whole, as the price is.
        let volume = Volume::from_units(price(5).units().into());
        (cells[0].parse().expect("a time"), ([price(1), price(2), price(3), price(4)], volume))
    };
    Some(text.lines().skip(1).map(hour).collect())
}

fn shown(candle: &Candle) -> ([Price; 4], Volume) {
    ([candle.open, candle.high, candle.low, candle.close], candle.volume)
}

fn folded(klines: &[Kline]) -> Vec<Candle> {
    let minutes: Vec<Candle> = klines.iter().map(candle).collect();
    regroup(Timeframe::parse("1h").expect("an hour"), &minutes)
}

#[test]
fn three_months_of_minutes_fold_to_the_official_hours_exactly() {
    let Some(official) = hours() else { return };
    let mut compared = 0;
    for name in ["FILUSDT-1m-2023-04", "FILUSDT-1m-2023-05", "FILUSDT-1m-2023-06"] {
        for hour in folded(&month(name).expect("it lies beside the other")) {
            assert_eq!(official.get(&hour.open_time.get()), Some(&shown(&hour)), "{name} {}", hour.open_time);
            compared += 1;
        }
    }
    assert_eq!(compared, (30 + 31 + 30) * 24);
}

/// 2024-10-28 20:00 UTC.
const EVENING: i64 = 1_730_145_600_000;

#[test]
fn the_minutes_that_were_invented_in_october_2024_are_reported() {
    let (Some(official), Some(klines)) = (hours(), month("FILUSDT-1m-2024-10")) else { return };
    let differing: Vec<i64> = folded(&klines)
        .iter()
        .filter(|hour| official.get(&hour.open_time.get()) != Some(&shown(hour)))
        .map(|hour| hour.open_time.get())
        .collect();
    assert_eq!(differing, [EVENING, EVENING + UnixMillis::HOUR], "the hours know of trades that the minutes do not");
    // What was traded then, as a tape would have it: spread over the minutes that say that nothing was.
    let is_blank = |kline: &Kline| *kline == blank(kline);
    let minutes: Vec<Candle> = klines.iter().map(candle).collect();
    let held: Vec<Candle> = minutes
        .iter()
        .zip(&klines)
        .filter_map(|(minute, kline)| {
            let hour = kline.open_time.floor(UnixMillis::HOUR, 0).get();
            match (is_blank(kline), differing.contains(&hour)) {
                (false, _) => Some(*minute),
                (true, false) => None,
                (true, true) => Some(Candle {
                    volume: Volume::from_units(7),
                    quote_volume: QuoteVolume::from_units(7 * i128::from(minute.close.units())),
                    trades: 2,
                    ..*minute
                }),
            }
        })
        .collect();
    let report = compare(&klines, &held, |_| false);
    assert_counted(&report);
    let stretches: Vec<_> = report.inventions.iter().map(|one| (one.start.get(), one.end.get(), one.trades)).collect();
    assert_eq!(stretches, [(EVENING, EVENING + 74 * UnixMillis::MINUTE, 148)]);
    assert_eq!((report.invented, report.unexplained, report.straddled, report.at_edges), (74, 0, 0, 0));
    assert_eq!(report.equal, klines.len() as u64 - 74);
    let quiet = klines.iter().filter(|kline| is_blank(kline)).count();
    assert!(quiet > 74, "minutes without a trade on both sides are equal");
}

#[test]
fn a_month_of_another_contract_agrees_with_itself_and_not_with_a_lost_minute() {
    let Some(klines) = month("LTCUSDT-1m-2026-02") else { return };
    let mut minutes: Vec<Candle> = klines.iter().map(candle).collect();
    let report = compare(&klines, &minutes, |_| false);
    assert_eq!((report.equal, report.minutes), (40_320, 40_320));
    let lost = minutes.remove(20_000);
    let report = compare(&klines, &minutes, |_| false);
    assert_eq!((report.equal, report.unexplained), (40_319, 1));
    assert_eq!((report.differences[0].ours, report.differences[0].official.open_time), (None, lost.open_time));
}

/// What REST said becomes a file of the archive, and comes back out of its reader.
#[test]
fn trades_of_the_rest_interface_come_through_the_archive_reader() {
    let Some(body) = text("aggtrades/CLUSDT-um-aggTrades-rest-2026-05-01.json.zst") else { return };
    let trades = agg_trades(body.as_bytes()).expect("a body of the venue");
    let line = |trade: &Trade| {
        let Trade { id, price, quantity, first_id, last_id, time, buyer_is_maker } = trade;
        format!("{id},{price},{quantity},{first_id},{last_id},{time},{buyer_is_maker}\n")
    };
    let csv: String = trades.iter().map(line).collect();
    let period = Period::of(Cadence::Daily, trades[0].time);
    let symbol = Symbol::new("CLUSDT").expect("a symbol");
    let place = Folder::new(symbol, Dataset::AggTrades, Cadence::Daily).expect("daily").place(period.start());
    let zip = zipped(&place.entry_name(), &csv);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &zip);
    let sha256 = digest.as_ref().try_into().expect("32 bytes");
    let wanted = Wanted { place: &place, table: &AggTrades, sha256, limits: Limits::default() };
    let stage = |rows: &mut Vec<Trade>, batch: &[Trade]| {
        rows.extend_from_slice(batch);
        Ok(())
    };
    let begin = || Ok::<_, std::convert::Infallible>(Vec::new());
    let found = read(&mut std::io::Cursor::new(&zip), &wanted, begin, stage).expect("a sound file");
    assert!(found.staged == trades && trades.len() == 1_000);
    assert_eq!(found.tally.runs.len(), 1);
    // A fold of them keeps every unit, though two aggregates' raw ids do not join.
    let sum: i128 = trades.iter().map(|trade| i128::from(trade.quantity.units())).sum();
    let minutes = tapedeck::candle::fold(Timeframe::MINUTE, &found.staged);
    assert_eq!(minutes.iter().map(|minute| minute.volume.units()).sum::<i128>(), sum);
}
