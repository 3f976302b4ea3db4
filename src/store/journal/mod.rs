//! How are trades of all contracts made durable in one stream of writes?
#![expect(clippy::module_name_repetitions, reason = "a journal file is called that outside, too")]

mod file;
mod frame;
mod scan;
mod writer;

pub use file::{DIRECTORY, HEADER_PAGE_BYTES, JournalFile, JournalFileError, number_of};
pub use frame::{Body, FileIdentity, FrameTooLong, PAYLOAD_BYTES_MAX, Section, SectionView, View};
pub use scan::{Cause, Scan, Unreadable, scan};
pub use writer::{AppendError, JournalWriter, Placed};
