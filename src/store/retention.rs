//! What is given up, by its age or because the store is too large?
//!
//! A segment's records of a kind are as old as the newest of them, of whichever contract: contracts that are kept equally long
//! go together, and a segment is written anew once for each age.

use crate::{
    model::{Symbol, UnixMillis},
    store::{
        manifest::SegmentEntry,
        record::{ContractRow, Kind},
        segment::SectionIndex,
    },
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

/// Ages by kind, in milliseconds; what is not among them is kept for ever.
pub type Ages = Vec<(Kind, i64)>;

/// Records of one contract and kind.
pub type Owner = (u32, Kind);

/// How long records are kept. By default, for ever.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// Records of a kind are given up when the newest of them in their segment is so old, unless `own` says otherwise.
    pub ages: Ages,
    /// The ages of contracts that have their own.
    pub own: OwnAges,
    /// Records of a kind take at most about so many bytes: a segment's bytes count for its kinds by their words.
    pub kind_bytes_max: Vec<(Kind, u64)>,
    /// The segments together take at most so many bytes.
    pub bytes_max: Option<u64>,
}

/// The ages of contracts that have their own, by symbol: those of contracts that come later are known, too.
#[derive(Clone, Default)]
pub struct OwnAges(Option<Arc<AgesOf>>);

/// The ages of a contract, if it has its own.
type AgesOf = dyn Fn(&Symbol) -> Option<Ages> + Send + Sync;

impl OwnAges {
    /// Those that `of` says; none for a contract of which the general ones hold.
    pub fn new(of: impl Fn(&Symbol) -> Option<Ages> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(of)))
    }

    fn by_number(&self, contracts: &[ContractRow]) -> BTreeMap<u32, Ages> {
        let Some(of) = &self.0 else { return BTreeMap::new() };
        let own = |row: &ContractRow| Some((row.number, of(&row.symbol()?)?));
        contracts.iter().filter_map(own).collect()
    }
}

impl fmt::Debug for OwnAges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnAges").field(&self.0.is_some()).finish()
    }
}

/// What is given up now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The numbers of segments that are given up whole, oldest first.
    pub segments: Vec<u64>,
    /// The numbers of segments that are kept, with what in them is not.
    pub thinned: Vec<(u64, BTreeSet<Owner>)>,
}

/// What of these segments, which hold records of these contracts, is given up.
pub fn due(entries: &[SegmentEntry], contracts: &[ContractRow], retention: &Retention, now: UnixMillis) -> Due {
    let mut aged: Vec<_> = entries.iter().filter_map(|entry| Some((newest(entry)?, entry))).collect();
    aged.sort_by_key(|(newest, entry)| (*newest, entry.number));
    // A wall clock that runs ahead gives up nothing: what has not been recorded since has not passed.
    let now = aged.last().map_or(now, |(newest, _)| now.min(*newest));
    let entries: Vec<&SegmentEntry> = aged.into_iter().map(|(_, entry)| entry).collect();
    let mut expired: BTreeMap<u64, BTreeSet<Owner>> = BTreeMap::new();
    let rules = Rules { general: &retention.ages, own: retention.own.by_number(contracts), now };
    for (number, owner) in too_old(&entries, &rules).into_iter().chain(too_many(&entries, retention)) {
        expired.entry(number).or_default().insert(owner);
    }
    let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let mut due = Due::default();
    for entry in entries {
        let expired = expired.remove(&entry.number).unwrap_or_default();
        if retention.bytes_max.is_some_and(|max| bytes > max) || owners(entry).all(|owner| expired.contains(&owner)) {
            bytes -= entry.bytes;
            due.segments.push(entry.number);
        } else if !expired.is_empty() {
            due.thinned.push((entry.number, expired));
        }
    }
    due
}

fn newest(entry: &SegmentEntry) -> Option<UnixMillis> {
    entry.record_sections().map(|section| UnixMillis::new(section.last_time)).max()
}

fn owner(section: &SectionIndex) -> Option<Owner> {
    Some((section.contract, Kind::from_number(section.kind)?))
}

fn owners(entry: &SegmentEntry) -> impl Iterator<Item = Owner> {
    entry.record_sections().filter_map(owner)
}

/// Which age holds of whom, and when it is.
struct Rules<'a> {
    general: &'a Ages,
    own: BTreeMap<u32, Ages>,
    now: UnixMillis,
}

impl Rules<'_> {
    /// The sections of a segment, each with whose it is and whether it is over its age.
    fn judge<'e>(&self, entry: &'e SegmentEntry) -> impl Iterator<Item = (Owner, &'e SectionIndex, bool)> {
        let newest = newest_by_kind(entry);
        let owned = entry.record_sections().filter_map(|section| Some((owner(section)?, section)));
        owned.map(move |(owner, section)| (owner, section, self.is_over(owner, newest.get(&owner.1).copied())))
    }

    fn is_over(&self, (contract, kind): Owner, newest: Option<UnixMillis>) -> bool {
        let ages = self.own.get(&contract).unwrap_or(self.general);
        let age = ages.iter().find(|(own, _)| *own == kind).map(|(_, age)| *age);
        newest.zip(age).is_some_and(|(newest, age)| newest.plus(age) < self.now)
    }
}

/// What is over its age and lies before everything of its contract and kind that is not: a back-filled piece whose newest row
/// is older than its neighbours' would else leave a hole that looks like a loss, and is fetched again.
fn too_old(entries: &[&SegmentEntry], rules: &Rules<'_>) -> Vec<(u64, Owner)> {
    if rules.general.is_empty() && rules.own.values().all(Vec::is_empty) {
        return Vec::new();
    }
    let mut over: BTreeMap<Owner, Vec<(u64, &SectionIndex)>> = BTreeMap::new();
    for entry in entries {
        for (owner, section, _) in rules.judge(entry).filter(|(_, _, is_over)| *is_over) {
            over.entry(owner).or_default().push((entry.number, section));
        }
    }
    let mut kept_from = kept_from(entries, rules, &over);
    let mut old = Vec::new();
    for (owner, mut pieces) in over {
        let kept_from = kept_from.entry(owner).or_insert(u64::MAX);
        pieces.sort_by_key(|(_, section)| Reverse(section.last_key));
        for (number, section) in pieces {
            if section.last_key < *kept_from {
                old.push((number, owner));
            } else {
                *kept_from = section.first_key.min(*kept_from);
            }
        }
    }
    old
}

/// The lowest key that is not over its age, of each contract and kind in `over`.
fn kept_from(
    entries: &[&SegmentEntry],
    rules: &Rules<'_>,
    over: &BTreeMap<Owner, Vec<(u64, &SectionIndex)>>,
) -> BTreeMap<Owner, u64> {
    let mut kept_from = BTreeMap::new();
    if over.is_empty() {
        return kept_from;
    }
    for (owner, section, is_over) in entries.iter().flat_map(|entry| rules.judge(entry)) {
        if !is_over && section.role == 0 && over.contains_key(&owner) {
            let first = kept_from.entry(owner).or_insert(u64::MAX);
            *first = section.first_key.min(*first);
        }
    }
    kept_from
}

fn newest_by_kind(entry: &SegmentEntry) -> BTreeMap<Kind, UnixMillis> {
    let mut newest = BTreeMap::new();
    for section in entry.record_sections() {
        let Some((_, kind)) = owner(section) else { continue };
        let last = newest.entry(kind).or_insert(UnixMillis::new(i64::MIN));
        *last = UnixMillis::new(section.last_time).max(*last);
    }
    newest
}

/// Of each kind that has a budget the oldest, until the rest is within it.
fn too_many(entries: &[&SegmentEntry], retention: &Retention) -> impl Iterator<Item = (u64, Owner)> {
    retention.kind_bytes_max.iter().flat_map(move |(kind, bytes_max)| {
        let mut bytes: u64 = entries.iter().map(|entry| bytes_of(entry, *kind)).sum();
        let over = entries.iter().filter(move |entry| {
            let own = bytes_of(entry, *kind);
            let is_over = own > 0 && bytes > *bytes_max;
            bytes -= if is_over { own } else { 0 };
            is_over
        });
        over.flat_map(move |entry| {
            owners(entry).filter(move |(_, own)| own == kind).map(move |owner| (entry.number, owner))
        })
    })
}

/// About how many of a segment's bytes are of a kind.
fn bytes_of(entry: &SegmentEntry, kind: Kind) -> u64 {
    let words = |section: &SectionIndex| {
        let width = Kind::from_number(section.kind).map_or(1, Kind::width);
        u128::from(section.rows) * width as u128
    };
    let all: u128 = entry.record_sections().map(words).sum();
    let own = entry.record_sections().filter(|section| section.kind == kind.number()).map(words).sum::<u128>();
    u64::try_from(u128::from(entry.bytes) * own / all.max(1)).unwrap_or(entry.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{manifest::Level, segment::Footer};

    /// A segment of one contract's trades, one made each millisecond from 0 on.
    fn piece(number: u64, contract: u32, (first_key, last_key): (u64, u64)) -> SegmentEntry {
        let section = SectionIndex {
            contract,
            kind: Kind::Trade.number(),
            role: 0,
            rows: last_key - first_key + 1,
            first_key,
            last_key,
            first_time: first_key.cast_signed(),
            last_time: last_key.cast_signed(),
            first_block: 0,
            blocks: 1,
            first_run: 0,
            runs: 0,
        };
        let footer = Footer { sections: vec![section], ..Footer::default() };
        SegmentEntry { number, level: Level::Fill, bytes: 100, footer }
    }

    #[test]
    fn a_piece_among_what_is_kept_goes_with_that() {
        let retention = Retention { ages: vec![(Kind::Trade, 500)], ..Retention::default() };
        let due = |pieces: &[SegmentEntry]| due(pieces, &[], &retention, UnixMillis::new(i64::MAX)).segments;
        let (old, whole, filled, newest) =
            (piece(1, 7, (0, 90)), piece(2, 7, (100, 600)), piece(3, 7, (200, 300)), piece(4, 7, (601, 1_000)));
        assert_eq!(due(&[old.clone(), whole, filled.clone(), newest.clone()]), [1], "3 lies in what 2 spans");
        assert_eq!(due(&[old.clone(), filled.clone(), newest.clone()]), [1, 3]);
        let others = piece(5, 8, (150, 700));
        assert_eq!(due(&[old, filled, others, newest]), [1, 3], "what is kept of others keeps nothing");
    }
}
