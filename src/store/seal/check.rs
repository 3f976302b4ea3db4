//! Is a segment still what was written, and what the manifest says of it?

use crate::{
    model::IdRange,
    store::{
        manifest::SegmentEntry,
        merge::gaps,
        record::Kind,
        recovery::Finding,
        seal::Sealer,
        segment::{BlockIndex, SectionIndex, Segment, SegmentError, SegmentIdentity},
        shelf::{SealedPart, Span},
    },
};

impl Sealer {
    /// Reads a segment to its end, past all that is remembered of it, and says what is wrong.
    pub(super) fn check(&self, entry: &SegmentEntry) -> Vec<Finding> {
        let (findings, lost) = self.findings_in(entry);
        if !findings.is_empty() {
            self.library.distrust(entry.number);
        }
        for (contract, kind, part) in entry.parts().filter(|(_, _, part)| part.section.role == 0) {
            self.library.note_checked((contract, kind), (entry.number, &part.path), lost.of(&part));
        }
        findings
    }

    fn findings_in(&self, entry: &SegmentEntry) -> (Vec<Finding>, Lost) {
        let (path, identity) = (entry.path(), SegmentIdentity { store: self.library.store(), number: entry.number });
        let segment = match Segment::open_unmapped(&**self.library.disk(), identity, &path) {
            Ok(segment) => segment,
            Err(SegmentError::Header) => return (vec![Finding::HeaderDamaged(path)], Lost::All),
            Err(SegmentError::Identity) => return (vec![Finding::Foreign(path)], Lost::All),
            Err(error) => return (vec![Finding::Unreadable(path, error.to_string())], Lost::All),
        };
        let (mut findings, damaged) = damage_of(&segment);
        if segment.is_rebuilt() {
            findings.push(Finding::FooterRebuilt(path));
        } else if !entry.agrees_with(&segment) {
            findings.push(Finding::IndexDiffers(path));
        }
        (findings, Lost::Blocks(Box::new(segment), damaged))
    }
}

/// What of a segment cannot be read.
enum Lost {
    All,
    /// These blocks, and what a lost index does not lead to any more.
    Blocks(Box<Segment>, Vec<(SectionIndex, BlockIndex)>),
}

impl Lost {
    /// The keys of a part that cannot be read, ascending.
    fn of(&self, part: &SealedPart) -> Vec<IdRange> {
        let Self::Blocks(segment, damaged) = self else { return vec![Span::of_section(&part.section).keys] };
        let is_own = |section: &SectionIndex| {
            (section.contract, section.kind, section.role) == (part.section.contract, part.section.kind, 0)
        };
        let own = damaged.iter().filter(|(section, _)| is_own(section));
        let mut lost: Vec<IdRange> =
            own.filter_map(|(_, block)| IdRange::new(block.first_key, block.last_key)).collect();
        if segment.is_rebuilt() {
            let section = segment.footer().sections.iter().find(|section| is_own(section));
            lost.extend(gaps(part, section.map(|section| segment.blocks(section)).unwrap_or_default()));
        }
        lost.sort_unstable();
        lost
    }
}

fn damage_of(segment: &Segment) -> (Vec<Finding>, Vec<(SectionIndex, BlockIndex)>) {
    let path = segment.path().to_owned();
    let checked = match segment.check() {
        Ok(checked) => checked,
        Err(error) => return (vec![Finding::Unreadable(path, error.to_string())], Vec::new()),
    };
    let damaged = checked.damaged.iter().filter_map(|(section, block)| {
        let keys = IdRange { first: block.first_key, last: block.last_key };
        let kind = Kind::from_number(section.kind)?;
        Some(Finding::BlockDamaged { path: path.clone(), contract: section.contract, kind, keys })
    });
    let mut findings: Vec<_> = damaged.collect();
    if findings.is_empty() && !checked.hash_is_right && !segment.is_rebuilt() {
        findings.push(Finding::HashDiffers(path));
    }
    (findings, checked.damaged)
}

impl SegmentEntry {
    /// Whether what is listed of a segment stands in its footer; a part of it may have been taken from the list.
    pub(in crate::store) fn agrees_with(&self, segment: &Segment) -> bool {
        let footer = segment.footer();
        self.bytes == segment.bytes()
            && self
                .footer
                .sections
                .iter()
                .all(|section| footer.sections.contains(section) && segment.runs(section) == self.runs_of(section))
    }
}
