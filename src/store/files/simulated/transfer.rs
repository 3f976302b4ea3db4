//! How do bytes get into a file of the simulated disk and out of it?

use super::{
    content::SECTOR,
    faults::{Call, Fault},
    inode::{Body, Ino},
    state::{Handle, State},
};
use crate::store::files::Map;
use rustix::io::Errno;
use std::{io, ops::Range};

impl State {
    pub(super) fn write(&mut self, handle: Handle, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.inode(handle)?;
        let elsewhere = self.elsewhere(handle.ino, offset, bytes.len());
        let fault = self.begin(Call::Write(bytes.len(), elsewhere.is_some()))?;
        writable(handle)?;
        let count = if fault == Some(Fault::Short) { self.fewer(bytes.len()) } else { bytes.len() };
        let count = self.reserve(handle, offset, count)?;
        let target = elsewhere.filter(|_| fault == Some(Fault::Misdirected)).unwrap_or((handle.ino, offset));
        let sequence = self.next_sequence();
        if let Some(inode) = self.inodes.get_mut(&target.0).filter(|_| count > 0) {
            inode.body.write(sequence, target.1, &bytes[..count]);
        }
        Ok(count)
    }

    pub(super) fn read(&mut self, handle: Handle, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inode(handle)?;
        let fault = self.begin(Call::Read(bytes.len()))?;
        let count = if fault == Some(Fault::Short) { self.fewer(bytes.len()) } else { bytes.len() };
        let body = &self.inode(handle)?.body;
        if body.is_bad(&(offset..offset.saturating_add(count as u64))) {
            return Err(Errno::IO.into());
        }
        Ok(body.seen().read(offset, &mut bytes[..count]))
    }

    pub(super) fn map(&mut self, handle: Handle, range: Range<u64>) -> io::Result<Map> {
        self.inode(handle)?;
        self.begin(Call::Map)?;
        let body = &self.inode(handle)?.body;
        if range.start > range.end || range.end > body.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (is_bad, map) = (body.is_bad(&range), Map::copied(&body.seen().bytes(range)));
        self.bad_maps += u64::from(is_bad);
        Ok(map)
    }

    pub(super) fn sync(&mut self, handle: Handle) -> io::Result<()> {
        self.inode(handle)?;
        let begun = self.begin(Call::Sync);
        let body = &mut self.inode(handle)?.body;
        match &begun {
            Ok(_) => body.sync(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => body.lose(),
        }
        begun.map(drop)
    }

    /// Like the real disk, leaves the file empty when it fails.
    pub(super) fn allocate(&mut self, handle: Handle, len: u64) -> io::Result<()> {
        self.inode(handle)?;
        let begun = self.begin(Call::Allocate);
        writable(handle)?;
        let allocated = begun.and_then(|_| self.grow(handle, len));
        if allocated.is_err() {
            self.inode(handle)?.body = Body::default();
            self.recount();
        }
        allocated
    }

    pub(super) fn len(&mut self, handle: Handle) -> io::Result<u64> {
        self.inode(handle)?;
        self.begin(Call::Len)?;
        Ok(self.inode(handle)?.body.len())
    }

    /// Makes a file at least `len` long, if there is room for all of it.
    fn grow(&mut self, handle: Handle, len: u64) -> io::Result<()> {
        let free = self.free();
        let body = &mut self.inode(handle)?.body;
        let growth = len.saturating_sub(body.len());
        if growth > free {
            self.refused += 1;
            return Err(Errno::NOSPC.into());
        }
        body.extend(len);
        self.used += growth;
        Ok(())
    }

    /// Makes room for a write, and says for how many bytes: a full disk takes what fits and refuses only the rest.
    fn reserve(&mut self, handle: Handle, offset: u64, count: usize) -> io::Result<usize> {
        let end_max = self.inode(handle)?.body.len().saturating_add(self.free());
        let end = offset.checked_add(count as u64).ok_or(Errno::FBIG)?.min(end_max);
        let fits = usize::try_from(end.saturating_sub(offset)).unwrap_or(count);
        if count == 0 {
            return Ok(0);
        }
        if fits == 0 {
            self.refused += 1;
            return Err(Errno::NOSPC.into());
        }
        self.grow(handle, end)?;
        Ok(fits)
    }

    /// Some of `count` bytes, which are two or more: not all and not none.
    fn fewer(&mut self, count: usize) -> usize {
        1 + self.draws.index(count - 1)
    }

    /// Where a write may go astray to, when it is to.
    fn elsewhere(&mut self, ino: Ino, offset: u64, len: usize) -> Option<(Ino, u64)> {
        if !self.faults.expects(Fault::Misdirected) {
            return None;
        }
        let (here, there) = (self.elsewhere_in_file(ino, offset, len), self.elsewhere_in_another(ino, offset, len));
        if self.draws.chance(4) { here.or(there) } else { there.or(here) }
    }

    fn elsewhere_in_file(&mut self, ino: Ino, offset: u64, len: usize) -> Option<(Ino, u64)> {
        let sector = SECTOR as u64;
        let (own, first) = (offset / sector, offset % sector);
        let room = self.inodes.get(&ino)?.body.len().checked_sub(first + len as u64)?;
        let places = room / sector + 1;
        let others = if own < places { places - 1 } else { places };
        let place = (others > 0).then(|| self.draws.below(others))?;
        // The write's own place does not count.
        let place = if place >= own { place + 1 } else { place };
        Some((ino, first + place * sector))
    }

    fn elsewhere_in_another(&mut self, ino: Ino, offset: u64, len: usize) -> Option<(Ino, u64)> {
        let end = offset.checked_add(len as u64)?;
        let open = self.inodes.iter().filter(|(_, inode)| inode.open > 0 && inode.body.len() >= end);
        let others: Vec<_> = open.map(|(&other, _)| other).filter(|&other| other != ino).collect();
        let other = others.get(self.draws.index(others.len()))?;
        Some((*other, offset))
    }
}

fn writable(handle: Handle) -> io::Result<()> {
    if handle.writable { Ok(()) } else { Err(Errno::BADF.into()) }
}
