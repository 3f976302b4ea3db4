//! Which recorded snapshots of an order book are there?

use crate::{
    book::TickSize,
    model::UnixMillis,
    store::{
        Records,
        record::{BookLevelRow, StoredBook},
    },
};

/// Rows that are read at once: the largest snapshots of one time have a fifth of it.
const ROWS: usize = 16_384;
/// Readings of one page; what it lacks then is on the next.
const READINGS_MAX: usize = 64;

/// Which snapshots are wanted.
#[derive(Clone, Copy, Debug)]
pub struct BooksWanted {
    /// Taken at or after it, the oldest first; without it the newest ones.
    pub start: Option<UnixMillis>,
    /// Taken before it.
    pub end: Option<UnixMillis>,
    /// Of this tick size alone.
    pub tick_size: Option<TickSize>,
    /// So many, or as many as there are of one time if that is more.
    pub limit: usize,
}

/// Snapshots as the store has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookPage {
    /// Ascending; those of one time are all there.
    pub books: Vec<StoredBook>,
    /// Whether everything that is held there could be read, and was looked at: there is an end to how much is.
    pub complete: bool,
    /// The `start` of the next page; none when there is nothing after this one yet.
    pub next: Option<UnixMillis>,
}

/// Reads recorded snapshots.
pub fn books(records: &Records, wanted: &BooksWanted) -> BookPage {
    let end = wanted.end.unwrap_or(UnixMillis::new(i64::MAX));
    match wanted.start {
        Some(start) => oldest(records, wanted, start, end),
        None => newest(records, wanted, end),
    }
}

fn oldest(records: &Records, wanted: &BooksWanted, mut start: UnixMillis, end: UnixMillis) -> BookPage {
    let mut page = BookPage { complete: true, ..BookPage::default() };
    for _ in 0..READINGS_MAX {
        let found = records.between::<BookLevelRow>(start, end, ROWS, false);
        page.complete &= found.damaged.is_empty();
        // The last one may go on.
        let cut = found.rows.last().map(|row| row.at).filter(|_| found.rows.len() >= ROWS);
        let whole = found.rows.partition_point(|row| cut.is_none_or(|cut| row.at < cut));
        for of_a_time in books_by_time(&found.rows[..whole], wanted.tick_size) {
            if !page.books.is_empty() && page.books.len() + of_a_time.len() > wanted.limit {
                page.next = of_a_time.first().map(|book| book.at);
                return page;
            }
            page.books.extend(of_a_time);
        }
        page.next = cut;
        match cut {
            Some(cut) if page.books.len() < wanted.limit => start = cut,
            _ => return page,
        }
    }
    page
}

fn newest(records: &Records, wanted: &BooksWanted, mut end: UnixMillis) -> BookPage {
    let mut page = BookPage { complete: true, ..BookPage::default() };
    let mut times = Vec::new();
    let mut count = 0;
    'readings: for reading in 1.. {
        let found = records.between::<BookLevelRow>(UnixMillis::new(0), end, ROWS, true);
        page.complete &= found.damaged.is_empty();
        // The first one may have begun before.
        let cut = found.rows.first().map(|row| row.at).filter(|_| found.rows.len() >= ROWS);
        let whole = found.rows.partition_point(|row| cut.is_some_and(|cut| row.at <= cut));
        for of_a_time in books_by_time(&found.rows[whole..], wanted.tick_size).into_iter().rev() {
            if count > 0 && count + of_a_time.len() > wanted.limit {
                break 'readings;
            }
            count += of_a_time.len();
            times.push(of_a_time);
        }
        match cut {
            Some(_) if count < wanted.limit && reading == READINGS_MAX => {
                page.complete = false;
                break;
            }
            Some(cut) if count < wanted.limit => end = cut.plus(1),
            _ => break,
        }
    }
    page.books = times.into_iter().rev().flatten().collect();
    page
}

/// Snapshots, together with those of the same time.
fn books_by_time(rows: &[BookLevelRow], tick_size: Option<TickSize>) -> Vec<Vec<StoredBook>> {
    let is_wanted = |book: &StoredBook| tick_size.is_none_or(|tick_size| book.tick_size == tick_size);
    let times = rows.chunk_by(|one, next| one.at == next.at);
    let books = times.map(|rows| StoredBook::of(rows).filter(is_wanted).collect::<Vec<_>>());
    books.filter(|books| !books.is_empty()).collect()
}
