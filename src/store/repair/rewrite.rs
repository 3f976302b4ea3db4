//! How does a damaged segment become a whole one without its damaged blocks?

use crate::{
    model::UnixMillis,
    store::{
        codec::Tier,
        files::Disk,
        manifest::{Level, Manifest, SegmentEntry, path as path_of},
        record::{Kind, Rows},
        repair::RepairError,
        segment::{
            BlockError, Replaced, RunIndex, SectionIndex, Segment, SegmentError, SegmentIdentity, SegmentWriter,
            origin_at,
        },
    },
};
use std::{io, sync::Arc};

pub(super) const fn identity(store: u128, number: u64) -> SegmentIdentity {
    SegmentIdentity { store, number }
}

/// Opens a damaged segment; nothing when no block of it is left.
pub(super) fn open(disk: &dyn Disk, identity: SegmentIdentity, path: &str) -> io::Result<Option<Segment>> {
    match Segment::open_unmapped(disk, identity, path) {
        Ok(segment) => Ok(Some(segment)),
        Err(SegmentError::Io(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Whether a segment says that it was made of the one with that number.
pub(super) fn replaces(segment: &Segment, number: u64) -> bool {
    segment.footer().replaces.contains(&Replaced::segment(number))
}

/// Writes the whole blocks of `old` as the segment `new`; nothing when there are none. `listed` is what the manifest says
/// of the old one.
pub(super) fn rewrite(
    disk: &Arc<dyn Disk>,
    (old, old_number): (&Segment, u64),
    listed: Option<&SegmentEntry>,
    (level, new): (Level, SegmentIdentity),
    now: UnixMillis,
) -> Result<Option<SegmentEntry>, RepairError> {
    let Some(tier) = tier_of(old) else { return Ok(None) };
    let path = path_of(level, new.number);
    let mut writer = SegmentWriter::create(disk, new, &path, tier, now)?;
    old.footer().replaces.iter().for_each(|replaced| writer.replaces(*replaced));
    writer.replaces(Replaced::segment(old_number));
    for section in &old.footer().sections {
        let Some(kind) = Kind::from_number(section.kind) else { continue };
        writer.begin(section.contract, kind, section.role != 0)?;
        copy(&mut writer, old, section, &runs_of(old, section, listed))?;
    }
    writer.finish()?;
    let segment = Segment::open(&**disk, new, &path).map_err(io::Error::other)?;
    Ok(Some(SegmentEntry::new(new.number, level, segment.bytes(), segment.footer().clone())))
}

/// Takes up what the manifest says of a segment from the segment itself.
pub(super) fn list_again(disk: &dyn Disk, store: u128, path: &str, manifest: &mut Manifest) {
    let Some(entry) = manifest.segments.iter_mut().find(|entry| entry.path() == path) else { return };
    if let Ok(segment) = Segment::open(disk, identity(store, entry.number), path) {
        *entry = SegmentEntry::new(entry.number, entry.level, segment.bytes(), segment.footer().clone());
    }
}

fn tier_of(segment: &Segment) -> Option<Tier> {
    let mut blocks =
        segment.footer().sections.iter().flat_map(|section| (0..section.blocks as usize).map(move |at| (section, at)));
    blocks.find_map(|(section, at)| segment.with_block(section, at, |block| Ok(block.header().tier)).ok())
}

/// The runs of a section with their origins: the manifest still knows them when the footer is lost.
fn runs_of(old: &Segment, section: &SectionIndex, listed: Option<&SegmentEntry>) -> Vec<RunIndex> {
    let listed = listed.filter(|_| old.is_rebuilt()).and_then(|entry| {
        let same = |other: &&SectionIndex| {
            (other.contract, other.kind, other.role) == (section.contract, section.kind, section.role)
        };
        let known = entry.footer.sections.iter().find(same)?;
        let first = known.first_run as usize;
        entry.footer.runs.get(first..first + known.runs as usize)
    });
    listed.unwrap_or_else(|| old.runs(section)).to_vec()
}

fn copy(
    writer: &mut SegmentWriter,
    old: &Segment,
    section: &SectionIndex,
    runs: &[RunIndex],
) -> Result<(), RepairError> {
    let mut last = None;
    for at in 0..section.blocks as usize {
        let rows = match old.rows(section, at) {
            Ok(rows) => rows,
            // That is no damage: the next attempt may read it.
            Err(BlockError::Io(error)) => return Err(error.into()),
            Err(BlockError::Changed | BlockError::Codec(_)) => continue,
        };
        push(writer, &rows, runs, &mut last)?;
    }
    Ok(())
}

fn push(writer: &mut SegmentWriter, rows: &Rows, runs: &[RunIndex], last: &mut Option<u64>) -> Result<(), RepairError> {
    for row in rows.iter() {
        let key = row[0];
        // Keys ascend within a section; an index that says otherwise is wrong, not the row that comes first.
        if last.is_none_or(|last| last < key) {
            writer.push(row, origin_at(runs, rows.kind(), key))?;
            *last = Some(key);
        }
    }
    Ok(())
}
