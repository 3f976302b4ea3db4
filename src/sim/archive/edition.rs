//! What lies under one path at one time, faults counted in?

use crate::sim::{
    archive::{
        faults::{ArchiveFault, Defect},
        key::File,
    },
    noise::key,
};

/// The bytes that a path has from some time on until they are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edition {
    /// When it appeared.
    pub(super) published: i64,
    /// How often the file was replaced before.
    pub(super) number: u32,
    /// When its checksum appears.
    pub(super) checksum_from: i64,
    pub(super) defects: Vec<Defect>,
    pub(super) flipped_at: Option<u64>,
    pub(super) shortened_to: Option<u64>,
}

impl Edition {
    /// What lies there at `now`, if anything does.
    pub(super) fn at(now: i64, file: &File, faults: &[ArchiveFault]) -> Option<Self> {
        let late = faults.iter().map(|fault| if let ArchiveFault::Late { millis } = fault { *millis } else { 0 });
        let published = file.due().saturating_add(late.sum());
        if published > now || faults.contains(&ArchiveFault::Missing) {
            return None;
        }
        let mut edition = Self {
            published,
            number: 0,
            checksum_from: published,
            defects: Vec::new(),
            flipped_at: None,
            shortened_to: None,
        };
        for fault in faults {
            match fault {
                ArchiveFault::Contents(defect) => edition.defects.push(defect.clone()),
                ArchiveFault::ChecksumLate { millis } => edition.checksum_from = published.saturating_add(*millis),
                ArchiveFault::BitFlip { at } => edition.flipped_at = Some(*at),
                ArchiveFault::Shortened { bytes } => edition.shortened_to = Some(*bytes),
                _ => {}
            }
        }
        Some(faults.iter().fold(edition, |edition, fault| edition.replaced(now, published, fault)))
    }

    fn replaced(self, now: i64, published: i64, fault: &ArchiveFault) -> Self {
        match fault {
            ArchiveFault::Replaced { after_ms, with } if published.saturating_add(*after_ms) <= now => Self {
                published: published.saturating_add(*after_ms),
                number: self.number + 1,
                defects: with.clone(),
                flipped_at: None,
                shortened_to: None,
                ..self
            },
            _ => self,
        }
    }

    /// As S3 has it: opaque, in quotes, another one for other bytes.
    pub(super) fn etag(&self, seed: u64, path: &str) -> String {
        let half = |salt| key(seed ^ salt, &format!("{path} {self:?}"));
        format!("\"{:016x}{:016x}\"", half(0), half(1))
    }
}
