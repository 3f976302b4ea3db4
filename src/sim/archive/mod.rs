//! What does the archive host answer? `data.binance.vision` under a path of its own.
//!
//! `/archive/data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-08-19.zip` is a file, the same with
//! `.CHECKSUM` its checksum, and `/archive?delimiter=/&prefix=data/...` the bucket's listing. A file is made when it is
//! asked for: its rows are the market's.

mod calendar;
mod csv;
mod edition;
mod faults;
mod key;
mod listing;
mod made;
mod rows;
mod zipped;

pub use faults::{ArchiveFault, ArchiveFaults, Defect};
pub(super) use made::Archive;
pub(super) use zipped::Zip;

use crate::sim::{
    answer::{Answer, Body, Delivery, Request},
    exchange::Exchange,
    rest::{Query, percent_decoded},
};
use bytes::{Bytes, BytesMut};
use calendar::http_date;
use edition::Edition;
use key::{CHECKSUM, File};
use made::Made;
use std::{io, sync::Arc};

/// The path of the archive host on the exchange's port.
const BASE: &str = "/archive";

/// What follows the archive's base path in a target, if it is there.
pub(super) fn below_base(target: &str) -> Option<&str> {
    target.strip_prefix(BASE).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// Answers a GET or HEAD of what [`below_base`] gave.
pub(super) async fn respond(exchange: &Arc<Exchange>, request: &Request<'_>, below: &str) -> Answer {
    let (path, query) = below.split_once('?').unwrap_or((below, ""));
    let path = percent_decoded(path.trim_start_matches('/'));
    if path.is_empty() {
        let query = Query::new(query);
        return match is_unavailable(exchange, query.text("prefix").unwrap_or_default()) {
            true => unavailable(),
            false => Answer::new(200, xml(), listing::list(exchange, &query)),
        };
    }
    let zip_path = path.strip_suffix(CHECKSUM).unwrap_or(&path);
    if is_unavailable(exchange, zip_path) {
        return unavailable();
    }
    let Some((file, edition)) = find(exchange, zip_path) else { return no_such_key(&path) };
    match object(exchange, &file, &edition, path.ends_with(CHECKSUM)).await {
        Ok(Some(answer)) if path.ends_with(CHECKSUM) => answer,
        Ok(Some(answer)) => delivered(exchange, zip_path, ranged(answer, request.range)),
        Ok(None) => no_such_key(&path),
        Err(error) => {
            tracing::warn!(%error, path, "a file of the simulated archive cannot be made");
            Answer::new(500, xml(), problem("InternalError", "We encountered an internal error. Please try again.", ""))
        }
    }
}

fn find(exchange: &Exchange, zip_path: &str) -> Option<(File, Edition)> {
    let file = File::find(exchange.market(), zip_path)?;
    let faults = exchange.faults().archive().of(zip_path);
    Some((file, Edition::at(exchange.now().get(), &file, &faults)?))
}

/// The zip or its checksum; nothing while the checksum is not there.
async fn object(
    exchange: &Arc<Exchange>,
    file: &File,
    edition: &Edition,
    is_checksum: bool,
) -> io::Result<Option<Answer>> {
    if is_checksum && edition.checksum_from > exchange.now().get() {
        return Ok(None);
    }
    let made = exchange.archive().made(exchange, file, edition).await?;
    let path = file.path(&exchange.contracts()[file.shelf.contract]);
    let name = path.rsplit('/').next().unwrap_or_default();
    if is_checksum {
        let text = checksum(&exchange.faults().archive().of(&path), &made, name);
        let headers = headers(exchange, file, edition, (&format!("{path}{CHECKSUM}"), "binary/octet-stream"));
        return Ok(Some(Answer::new(200, headers, text)));
    }
    let headers = headers(exchange, file, edition, (&path, "application/zip"));
    let (length, body) = body(exchange, file, edition, made)?;
    Ok(Some(Answer::new(200, headers, Bytes::new()).with_body(length, body)))
}

fn headers(
    exchange: &Exchange,
    file: &File,
    edition: &Edition,
    (path, kind): (&str, &str),
) -> Vec<(&'static str, String)> {
    let salt = exchange.market().key(file.shelf.contract).unwrap_or_default();
    let modified = if path.ends_with(CHECKSUM) { edition.checksum_from } else { edition.published };
    vec![
        ("content-type", kind.to_owned()),
        ("etag", edition.etag(salt, path)),
        ("last-modified", http_date(modified)),
        ("accept-ranges", "bytes".to_owned()),
    ]
}

/// The bytes as they lie there, damage included.
fn body(exchange: &Arc<Exchange>, file: &File, edition: &Edition, made: Made) -> io::Result<(u64, Body)> {
    let length = made.length.min(edition.shortened_to.unwrap_or(u64::MAX));
    let Some(zip) = made.zip else {
        return Ok((length, Body::Made(Box::new(Zip::stored(exchange, file, edition)?))));
    };
    let mut stored = zip.slice(..usize::try_from(length).unwrap_or(zip.len()));
    if let Some(at) = edition.flipped_at.and_then(|at| usize::try_from(at).ok()).filter(|at| *at < stored.len()) {
        let mut flipped = BytesMut::from(&stored[..]);
        flipped[at] ^= 1;
        stored = flipped.freeze();
    }
    Ok((length, Body::Held(stored)))
}

fn checksum(faults: &[ArchiveFault], made: &Made, name: &str) -> String {
    if faults.contains(&ArchiveFault::ChecksumMalformed) {
        return "<html>not a checksum</html>\n".to_owned();
    }
    let wrong: String = made.sha256.chars().rev().collect();
    let sha256 = if faults.contains(&ArchiveFault::ChecksumWrong) { &wrong } else { &made.sha256 };
    format!("{sha256}  {name}\n")
}

/// A part of the body, where `range` asks for one that can be given (RFC 9110, 14.2).
fn ranged(answer: Answer, range: Option<&str>) -> Answer {
    let Some((first, last)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return answer;
    };
    let Ok(first) = first.parse::<u64>() else { return answer };
    let Some(end) = answer.length.checked_sub(1).filter(|end| first <= *end) else {
        let headers = vec![("content-range", format!("bytes */{}", answer.length))];
        return Answer::new(416, headers, Bytes::new());
    };
    answer.part(first, last.parse().unwrap_or(end).min(end))
}

fn delivered(exchange: &Exchange, path: &str, answer: Answer) -> Answer {
    let faults = exchange.faults().archive();
    let slow = faults.of(path).into_iter().find_map(|fault| match fault {
        ArchiveFault::Slow { bytes_per_second } => Some(Delivery::Slow(bytes_per_second)),
        _ => None,
    });
    match faults.cut(path).map(Delivery::Cut).or(slow) {
        Some(delivery) => answer.delivered(delivery),
        None => answer,
    }
}

fn is_unavailable(exchange: &Exchange, path: &str) -> bool {
    let now = exchange.now();
    let faults = exchange.faults().archive().of(path);
    faults.iter().any(|fault| matches!(fault, ArchiveFault::Unavailable { until } if now < *until))
}

fn xml() -> Vec<(&'static str, String)> {
    vec![("content-type", "application/xml".to_owned())]
}

fn unavailable() -> Answer {
    Answer::new(503, xml(), problem("SlowDown", "Please reduce your request rate.", ""))
}

fn no_such_key(path: &str) -> Answer {
    let mut key = String::new();
    listing::element(&mut key, "Key", path);
    Answer::new(404, xml(), problem("NoSuchKey", "The specified key does not exist.", &key))
}

fn problem(code: &str, message: &str, detail: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{detail}\
         <RequestId>SIMULATED</RequestId></Error>"
    )
}
