//! What does the bucket list? The S3 API as far as the archive's readers use it.

use crate::{
    model::UnixMillis,
    sim::{
        archive::{
            calendar::iso,
            edition::Edition,
            key::{CHECKSUM, Cycle, Dataset, File, Shelf},
        },
        contract::Contract,
        exchange::Exchange,
        rest::Query,
    },
};
use std::fmt::Write as _;

/// Keys and prefixes on one page (Amazon S3, ListObjects).
const PAGE_MAX: usize = 1_000;
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// One line of a listing.
enum Entry {
    Folder(String),
    Key { key: String, modified: i64, etag: String, size: u64 },
}

impl Entry {
    fn name(&self) -> &str {
        match self {
            Self::Folder(name) | Self::Key { key: name, .. } => name,
        }
    }
}

/// What was asked for.
struct Wanted<'a> {
    prefix: &'a str,
    /// Entries up to this one were told before.
    after: &'a str,
    is_by_folder: bool,
    is_second_version: bool,
    count_max: usize,
}

/// The XML of a page of the bucket's listing.
pub(super) fn list(exchange: &Exchange, query: &Query<'_>) -> String {
    let is_second_version = query.text("list-type") == Some("2");
    let after = if is_second_version { "continuation-token" } else { "marker" };
    let count_max = query.text("max-keys").and_then(|count| count.parse().ok()).unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let wanted = Wanted {
        prefix: query.text("prefix").unwrap_or_default(),
        after: query.text(after).or(query.text("start-after")).unwrap_or_default(),
        is_by_folder: query.text("delimiter") == Some("/"),
        is_second_version,
        count_max,
    };
    let mut entries = entries(exchange, &wanted);
    let is_truncated = entries.len() > wanted.count_max;
    entries.truncate(wanted.count_max);
    page(&wanted, &entries, is_truncated)
}

/// One more than fit a page, if there are so many.
fn entries(exchange: &Exchange, wanted: &Wanted<'_>) -> Vec<Entry> {
    let mut shelves: Vec<(String, Shelf)> = shelves(exchange).collect();
    shelves.retain(|(folder, _)| folder.starts_with(wanted.prefix) || wanted.prefix.starts_with(folder));
    let now = exchange.now().get();
    shelves.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut entries: Vec<Entry> = Vec::new();
    for (folder, shelf) in &shelves {
        if entries.len() > wanted.count_max {
            break;
        }
        let deeper = folder.get(wanted.prefix.len()..).and_then(|rest| rest.find('/'));
        match deeper.filter(|_| wanted.is_by_folder) {
            Some(slash) => {
                let name = &folder[..=wanted.prefix.len() + slash];
                let is_told = name <= wanted.after || entries.last().is_some_and(|last| last.name() == name);
                if !is_told && shelf.files(exchange.market(), now).any(|file| file.due() <= now) {
                    entries.push(Entry::Folder(name.to_owned()));
                }
            }
            None => list_shelf(exchange, *shelf, wanted, &mut entries),
        }
    }
    entries
}

fn shelves(exchange: &Exchange) -> impl Iterator<Item = (String, Shelf)> {
    let contracts = exchange.contracts();
    Cycle::ALL.into_iter().flat_map(|cycle| Dataset::ALL.map(|dataset| (cycle, dataset))).flat_map(
        move |(cycle, dataset)| {
            (0..contracts.len())
                .map(move |contract| Shelf { cycle, dataset, contract })
                .filter(|shelf| shelf.exists(exchange.market()))
                .map(|shelf| (shelf.folder(&contracts[shelf.contract]), shelf))
        },
    )
}

fn list_shelf(exchange: &Exchange, shelf: Shelf, wanted: &Wanted<'_>, entries: &mut Vec<Entry>) {
    let (market, now) = (exchange.market(), exchange.now().get());
    let listed = &exchange.contracts()[shelf.contract];
    let salt = market.key(shelf.contract).unwrap_or_default();
    for file in shelf.files(market, now) {
        let path = file.path(listed);
        let checksum = format!("{path}{CHECKSUM}");
        if entries.len() > wanted.count_max || checksum.as_str() <= wanted.after || !checksum.starts_with(wanted.prefix)
        {
            continue;
        }
        let Some(edition) = Edition::at(now, &file, &exchange.faults().archive().of(&path)) else { continue };
        let etag = edition.etag(salt, &path);
        if path.as_str() > wanted.after && path.starts_with(wanted.prefix) {
            let size = file.bytes_estimate(listed).min(edition.shortened_to.unwrap_or(u64::MAX));
            entries.push(Entry::Key { key: path.clone(), modified: edition.published, etag, size });
        }
        if edition.checksum_from <= now {
            let size = (64 + 2 + file.stem(listed).len() + ".zip\n".len()) as u64;
            let etag = edition.etag(salt, &checksum);
            entries.push(Entry::Key { key: checksum, modified: edition.checksum_from, etag, size });
        }
    }
}

fn page(wanted: &Wanted<'_>, entries: &[Entry], is_truncated: bool) -> String {
    let mut xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"{NAMESPACE}\">");
    element(&mut xml, "Name", "data.binance.vision");
    element(&mut xml, "Prefix", wanted.prefix);
    let last = entries.last().map_or("", Entry::name);
    if wanted.is_second_version {
        element(&mut xml, "KeyCount", &entries.len().to_string());
        if is_truncated {
            element(&mut xml, "NextContinuationToken", last);
        }
    } else {
        element(&mut xml, "Marker", wanted.after);
        // S3 names the next page's marker only where a delimiter was given.
        if is_truncated && wanted.is_by_folder {
            element(&mut xml, "NextMarker", last);
        }
    }
    element(&mut xml, "MaxKeys", &wanted.count_max.to_string());
    if wanted.is_by_folder {
        element(&mut xml, "Delimiter", "/");
    }
    element(&mut xml, "IsTruncated", if is_truncated { "true" } else { "false" });
    for entry in entries {
        write_entry(&mut xml, entry);
    }
    xml.push_str("</ListBucketResult>");
    xml
}

fn write_entry(xml: &mut String, entry: &Entry) {
    match entry {
        Entry::Folder(name) => {
            xml.push_str("<CommonPrefixes>");
            element(xml, "Prefix", name);
            xml.push_str("</CommonPrefixes>");
        }
        Entry::Key { key, modified, etag, size } => {
            xml.push_str("<Contents>");
            element(xml, "Key", key);
            element(xml, "LastModified", &iso(*modified));
            element(xml, "ETag", etag);
            element(xml, "Size", &size.to_string());
            element(xml, "StorageClass", "STANDARD");
            xml.push_str("</Contents>");
        }
    }
}

/// Appends an element that holds nothing but text.
pub(super) fn element(xml: &mut String, name: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    // Writing to a string cannot fail.
    write!(xml, "<{name}>{text}</{name}>").unwrap_or_default();
}

impl File {
    /// About how long the zip is. To know, one would have to make it, and a page lists a thousand.
    pub(super) fn bytes_estimate(&self, contract: &Contract) -> u64 {
        let minutes = u64::try_from((self.end() - self.start) / UnixMillis::MINUTE).unwrap_or(0);
        let trades = minutes * u64::from(contract.trades_per_minute);
        200 + match self.shelf.dataset {
            Dataset::AggTrades => trades * 14,
            Dataset::Trades => trades * 20,
            Dataset::Klines => minutes * 50,
            Dataset::Metrics => minutes * 12,
            Dataset::FundingRate => minutes / 20,
        }
    }
}
