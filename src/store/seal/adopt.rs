//! How do new segments take the place of what they were made of?

use crate::store::{
    journal::JournalFile,
    library::Library,
    manifest::{Manifest, SegmentEntry},
    record::Kind,
    recovery::QUARANTINE,
    shelf::SealedPart,
};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// Segments that are there and that no manifest lists yet, and what they replace.
pub(in crate::store) struct Sealed {
    /// None when what they replace held nothing, or is given up.
    entries: Vec<SegmentEntry>,
    journals: Vec<Arc<JournalFile>>,
    taken: Vec<Taken>,
    /// Wants to know when readers find them.
    listed: Option<Box<dyn FnOnce() + Send>>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = self.taken.iter().map(|taken| taken.segment);
        f.debug_struct("Sealed")
            .field("entries", &self.entries)
            .field("taken", &taken.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// What is taken from a listed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Taken {
    /// Its number.
    pub(in crate::store) segment: u64,
    /// Its path.
    pub(in crate::store) path: String,
    /// Only the sections of one contract, or everything.
    pub(in crate::store) contract: Option<u32>,
}

impl Sealed {
    pub(super) fn of_journals(entry: Option<SegmentEntry>, files: &[Arc<JournalFile>]) -> Self {
        Self { entries: entry.into_iter().collect(), journals: files.to_vec(), taken: Vec::new(), listed: None }
    }

    /// Segments in place of others; or of none, to give those up.
    pub(in crate::store) fn of_segments(entries: Vec<SegmentEntry>, taken: Vec<Taken>) -> Self {
        Self { entries, journals: Vec::new(), taken, listed: None }
    }

    /// A segment in place of nothing.
    pub(super) fn of_fill(entry: SegmentEntry, listed: impl FnOnce() + Send + 'static) -> Self {
        Self { listed: Some(Box::new(listed)), ..Self::of_segments(vec![entry], Vec::new()) }
    }

    /// Puts the segments into `manifest` in place of what they replace.
    pub(in crate::store) fn list(&self, manifest: &mut Manifest) {
        self.taken.iter().for_each(|taken| manifest.take(taken.segment, taken.contract));
        manifest.segments.extend(self.entries.iter().cloned());
        for file in &self.journals {
            manifest.seal_below(file.identity.shard, file.identity.number + 1);
        }
    }

    /// How many segments there are.
    pub(in crate::store) fn segments(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Lets readers find the rows in the segments, and takes away what they replace; `manifest`, which is written, lists
    /// them.
    pub(in crate::store) fn adopt(mut self, library: &Library, manifest: &Manifest) {
        let mut parts: BTreeMap<(u32, Kind), Vec<SealedPart>> = BTreeMap::new();
        for (contract, kind, part) in self.entries.iter().flat_map(SegmentEntry::parts) {
            library.shelf(contract, kind);
            parts.entry((contract, kind)).or_default().push(part);
        }
        for shelf in library.shelves() {
            let own = |taken: &&Taken| taken.contract.is_none_or(|contract| contract == shelf.contract);
            let old: Vec<u64> = self.taken.iter().filter(own).map(|taken| taken.segment).collect();
            let by = parts.remove(&(shelf.contract, shelf.kind)).unwrap_or_default();
            // In one step: a reader finds each row once, here or there.
            shelf.replace(&self.journals, &old, by);
        }
        self.take_away(library, manifest);
        self.listed.take().into_iter().for_each(|listed| listed());
    }

    fn take_away(&self, library: &Library, manifest: &Manifest) {
        let is_listed = |number: u64| manifest.segments.iter().any(|entry| entry.number == number);
        let gone = || self.taken.iter().filter(|taken| !is_listed(taken.segment));
        gone().for_each(|taken| library.close(taken.segment));
        for path in self.journals.iter().map(|file| file.path()).chain(gone().map(|taken| taken.path.clone())) {
            let is_damaged = self.journals.iter().any(|file| file.is_damaged() && file.path() == path);
            let aside = format!("{QUARANTINE}/{}", path.replace('/', "-"));
            let disk = library.disk();
            let removed = if is_damaged { disk.rename(&path, &aside) } else { disk.unlink(&path) };
            // What stays is found at the next start and taken away then: the manifest says that it is replaced.
            if let Err(error) = removed {
                tracing::warn!(path, "a file that was replaced could not be removed: {error}");
            }
        }
    }
}
