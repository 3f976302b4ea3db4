//! Is a segment still what was written, and what the manifest says of it?

use crate::{
    model::IdRange,
    store::{
        manifest::SegmentEntry,
        record::Kind,
        recovery::Finding,
        seal::Sealer,
        segment::{Segment, SegmentError, SegmentIdentity},
    },
};

impl Sealer {
    /// Reads a segment to its end, past all that is remembered of it, and says what is wrong.
    pub(super) fn check(&self, entry: &SegmentEntry) -> Vec<Finding> {
        let findings = self.findings_in(entry);
        if !findings.is_empty() {
            self.library.distrust(entry.number);
        }
        findings
    }

    fn findings_in(&self, entry: &SegmentEntry) -> Vec<Finding> {
        let (path, identity) = (entry.path(), SegmentIdentity { store: self.library.store(), number: entry.number });
        let segment = match Segment::open_unmapped(&**self.library.disk(), identity, &path) {
            Ok(segment) => segment,
            Err(SegmentError::Header) => return vec![Finding::HeaderDamaged(path)],
            Err(SegmentError::Identity) => return vec![Finding::Foreign(path)],
            Err(error) => return vec![Finding::Unreadable(path, error.to_string())],
        };
        let mut findings = damage_of(&segment);
        if segment.is_rebuilt() {
            findings.push(Finding::FooterRebuilt(path));
        } else if !entry.agrees_with(&segment) {
            findings.push(Finding::IndexDiffers(path));
        }
        findings
    }
}

fn damage_of(segment: &Segment) -> Vec<Finding> {
    let path = segment.path().to_owned();
    let checked = match segment.check() {
        Ok(checked) => checked,
        Err(error) => return vec![Finding::Unreadable(path, error.to_string())],
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
    findings
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
