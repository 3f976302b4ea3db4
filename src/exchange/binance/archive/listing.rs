//! What does the bucket behind the archive list?
//!
//! Only S3's `ListBucketResult` is read, as that server writes it: no attributes on what matters, no CDATA, no comments.

use crate::exchange::binance::archive::civil;
use crate::exchange::binance::archive::place::percent_encoded;
use crate::model::UnixMillis;
use memchr::memmem;

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files, by key; CHECKSUMs stand among the zips.
    pub files: Vec<Object>,
    /// With a delimiter, the folders: their whole prefixes.
    pub folders: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// A listed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its whole key, as `Place::key` has it.
    pub key: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was last put there: files change later without notice.
    pub modified: Option<UnixMillis>,
    /// The server's tag for this content, without quotes; empty when it gives none.
    pub etag: String,
}

/// Why a body is no listing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// The server refused.
    #[error("the server answered `{0}`")]
    Refused(String),
    /// Another document, or one that broke off.
    #[error("not a whole ListBucketResult")]
    Shapeless,
    /// An entry without what it needs.
    #[error("entry {entry} has no valid `{element}`")]
    Entry {
        /// Which, from 1.
        entry: usize,
        /// The element.
        element: &'static str,
    },
}

/// The query, without `?`, for the page of `prefix` after `marker`; folders are not looked into.
pub fn listing_query(prefix: &str, marker: Option<&str>) -> String {
    let query = format!("delimiter=/&prefix={}", percent_encoded(prefix));
    match marker {
        Some(marker) => format!("{query}&marker={}", percent_encoded(marker)),
        None => query,
    }
}

/// Reads one page.
///
/// # Errors
///
/// When the body is not a whole listing. A page is taken whole or not at all: what it lacks would look unpublished.
pub fn listing(body: &[u8]) -> Result<Listing, ListingError> {
    let text = std::str::from_utf8(body).map_err(|_| ListingError::Shapeless)?.trim();
    if let Some((error, _)) = element(text, "Error") {
        let code = element(error, "Code").map_or(error, |(code, _)| code);
        return Err(ListingError::Refused(code.chars().take(64).collect()));
    }
    let start = text.find("<ListBucketResult").ok_or(ListingError::Shapeless)?;
    let inner = text[start..].strip_suffix("</ListBucketResult>").ok_or(ListingError::Shapeless)?;
    let files = elements(inner, "Contents").enumerate();
    let files = files.map(|(at, text)| object(at + 1, text)).collect::<Result<Vec<_>, _>>()?;
    let folders = elements(inner, "CommonPrefixes").enumerate();
    let folders = folders.map(|(at, text)| value(at + 1, text, "Prefix")).collect::<Result<Vec<_>, _>>()?;
    let truncated = element(inner, "IsTruncated").is_some_and(|(flag, _)| flag == "true");
    let next = if truncated { Some(next(inner, &files, &folders).ok_or(ListingError::Shapeless)?) } else { None };
    Ok(Listing { files, folders, next })
}

/// The marker of the next page; without a delimiter the server leaves it to be told from the last key.
fn next(inner: &str, files: &[Object], folders: &[String]) -> Option<String> {
    if let Some((marker, _)) = element(inner, "NextMarker") {
        return unescaped(marker);
    }
    files.last().map(|file| &file.key).max(folders.last()).cloned()
}

fn object(entry: usize, text: &str) -> Result<Object, ListingError> {
    let bytes = value(entry, text, "Size")?.parse().map_err(|_| ListingError::Entry { entry, element: "Size" })?;
    let modified = element(text, "LastModified").and_then(|(time, _)| civil::moment(time.as_bytes()));
    let etag = element(text, "ETag").and_then(|(tag, _)| unescaped(tag)).unwrap_or_default();
    Ok(Object { key: value(entry, text, "Key")?, bytes, modified, etag: etag.trim_matches('"').to_owned() })
}

fn value(entry: usize, text: &str, name: &'static str) -> Result<String, ListingError> {
    let found = element(text, name).and_then(|(value, _)| unescaped(value)).filter(|value| !value.is_empty());
    found.ok_or(ListingError::Entry { entry, element: name })
}

/// All elements of a name, one after the other.
fn elements<'a>(mut text: &'a str, name: &'static str) -> impl Iterator<Item = &'a str> {
    std::iter::from_fn(move || {
        let (inner, rest) = element(text, name)?;
        text = rest;
        Some(inner)
    })
}

/// What stands in the first element of a name, and what follows it.
fn element<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let start = memmem::find(text.as_bytes(), open.as_bytes())? + open.len();
    let length = memmem::find(text.get(start..)?.as_bytes(), close.as_bytes())?;
    Some((text.get(start..start + length)?, text.get(start + length + close.len()..)?))
}

/// Character data with its references resolved.
fn unescaped(text: &str) -> Option<String> {
    let mut pieces = text.split('&');
    let mut out = pieces.next()?.to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once(';')?;
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => code_point(name)?,
        });
        out.push_str(rest);
    }
    Some(out)
}

fn code_point(name: &str) -> Option<char> {
    let number = name.strip_prefix('#')?;
    let code = match number.strip_prefix('x') {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = "data/futures/um/daily/aggTrades/BTCUSDT/";

    fn page(inner: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>data.binance.vision</Name>\
             <Prefix>{FOLDER}</Prefix><Marker></Marker><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter>{inner}</ListBucketResult>"
        )
    }

    fn contents(name: &str, bytes: u64) -> String {
        format!(
            "<Contents><Key>{FOLDER}{name}</Key><LastModified>2025-10-02T08:32:57.000Z</LastModified>\
             <ETag>&quot;0a1b&quot;</ETag><Size>{bytes}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )
    }

    #[test]
    fn a_page_of_files() {
        let files = contents("a.zip", 12_345) + &contents("a.zip.CHECKSUM", 93);
        let found = listing(page(&format!("<IsTruncated>false</IsTruncated>{files}")).as_bytes()).expect("a listing");
        let object = |name: &str, bytes| Object {
            key: format!("{FOLDER}{name}"),
            bytes,
            modified: Some(UnixMillis::new(1_759_393_977_000)),
            etag: "0a1b".to_owned(),
        };
        assert_eq!(found.files, [object("a.zip", 12_345), object("a.zip.CHECKSUM", 93)]);
        assert_eq!((found.folders, found.next), (Vec::<String>::new(), None));
    }

    #[test]
    fn a_page_of_folders_that_goes_on() {
        let folder = |name: &str| format!("<CommonPrefixes><Prefix>x/{name}/</Prefix></CommonPrefixes>");
        let folders = folder("币安人生USDT") + &folder("A&amp;B&#38;&#x5E01;");
        let truncated = "<IsTruncated>true</IsTruncated>";
        let found =
            |marker: &str| listing(page(&format!("{truncated}{marker}{folders}")).as_bytes()).expect("a listing");
        let listed = found("<NextMarker>x/m/</NextMarker>");
        assert_eq!(listed.folders, ["x/币安人生USDT/", "x/A&B&币/"]);
        assert_eq!(listed.next.as_deref(), Some("x/m/"));
        assert_eq!(found("").next.as_deref(), Some("x/A&B&币/"));
    }

    #[test]
    fn anything_else_is_no_listing() {
        let whole = page(&contents("a.zip", 1));
        assert!(listing(whole.as_bytes()).is_ok());
        for cut in 0..whole.len() {
            assert!(listing(&whole.as_bytes()[..cut]).is_err(), "{cut}");
        }
        for (body, expected) in [
            (page(&contents("", 1).replace(FOLDER, "")), ListingError::Entry { entry: 1, element: "Key" }),
            (page(&contents("a", 1).replace(">1<", ">-1<")), ListingError::Entry { entry: 1, element: "Size" }),
            (page(&contents("a&b;", 1)), ListingError::Entry { entry: 1, element: "Key" }),
            (page("<IsTruncated>true</IsTruncated>"), ListingError::Shapeless),
            ("<Error><Code>AccessDenied</Code></Error>".to_owned(), ListingError::Refused("AccessDenied".to_owned())),
            ("<html></html>".to_owned(), ListingError::Shapeless),
        ] {
            assert_eq!(listing(body.as_bytes()), Err(expected), "{body}");
        }
        assert_eq!(listing(b"\xFF"), Err(ListingError::Shapeless));
    }

    #[test]
    fn a_query_escapes_what_is_not_plain() {
        assert_eq!(listing_query("a/币/", None), "delimiter=/&prefix=a/%E5%B8%81/");
        assert_eq!(listing_query("a/", Some("a/b&c")), "delimiter=/&prefix=a/&marker=a/b%26c");
    }
}
