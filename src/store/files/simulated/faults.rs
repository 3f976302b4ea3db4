//! Which call fails, and how?

use rustix::io::Errno;

/// A way for a call to go wrong. A fault that cannot happen to the call it was meant for waits for the next one it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `EIO`, from any call. From a file's `sync`, what was pending can be read but never becomes durable, whatever later
    /// syncs say; a failed `sync_dir` leaves its names pending.
    Io,
    /// `ENOSPC`, from `create`, `create_dir`, `rename`, `write_at`, `allocate`, `sync` (which loses as with `Io`), `sync_dir`.
    Full,
    /// `EIO`, from the same calls as [`Fault::Full`]: what is there can be read.
    WriteIo,
    /// `EINTR`, from `read_at`, `write_at`, `allocate` and `sync`; nothing is done and nothing lost.
    Interrupted,
    /// `read_at` or `write_at` of two bytes or more does fewer than it was asked for, but at least one.
    Short,
    /// `EMFILE`, from whatever opens something: `create`, `open`, `open_to_write`, `lock`, `list`, `sync_dir`.
    TooManyFiles,
    /// A write reports success but lands elsewhere: a multiple of 512 bytes away within the file, or at the same offset of
    /// another open one. It waits for a write that has such a place.
    Misdirected,
}

/// How often a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// To one call.
    Once,
    /// To so many calls.
    Times(u64),
    /// To every call from then on.
    ForEver,
}

/// A call, as far as it matters to what can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Create,
    Open,
    Rename,
    Unlink,
    CreateDir,
    SyncDir,
    List,
    FreeBytes,
    Lock,
    /// How many bytes, and whether there is a place for them to go astray to.
    Write(usize, bool),
    Read(usize),
    Map,
    Sync,
    Allocate,
    Len,
}

impl Call {
    const fn may_meet(self, fault: Fault) -> bool {
        match fault {
            Fault::Io => true,
            Fault::Full | Fault::WriteIo => self.needs_room(),
            Fault::Interrupted => matches!(self, Self::Write(..) | Self::Read(_) | Self::Allocate | Self::Sync),
            Fault::Short => matches!(self, Self::Write(2.., _) | Self::Read(2..)),
            Fault::TooManyFiles => {
                matches!(self, Self::Create | Self::Open | Self::Lock | Self::List | Self::SyncDir)
            }
            Fault::Misdirected => matches!(self, Self::Write(1.., true)),
        }
    }

    const fn needs_room(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::CreateDir
                | Self::Rename
                | Self::Write(..)
                | Self::Allocate
                | Self::Sync
                | Self::SyncDir
        )
    }
}

impl Fault {
    /// The error it is told by; none when the call seems to succeed.
    pub(super) const fn error(self) -> Option<Errno> {
        match self {
            Self::Io | Self::WriteIo => Some(Errno::IO),
            Self::Full => Some(Errno::NOSPC),
            Self::Interrupted => Some(Errno::INTR),
            Self::TooManyFiles => Some(Errno::MFILE),
            Self::Short | Self::Misdirected => None,
        }
    }
}

/// The faults to come, and how many calls there were.
#[derive(Clone, Default)]
pub(super) struct Faults {
    calls: u64,
    injected: u64,
    armed: Vec<Armed>,
}

#[derive(Clone)]
struct Armed {
    first_call: u64,
    fault: Fault,
    left: u64,
}

impl Faults {
    /// Prepares a fault for the `at_call`-th call from now.
    pub(super) fn arm(&mut self, at_call: u64, fault: Fault, lasting: Lasting) {
        let left = match lasting {
            Lasting::Once => 1,
            Lasting::Times(count) => count,
            Lasting::ForEver => u64::MAX,
        };
        self.armed.push(Armed { first_call: self.calls.saturating_add(at_call), fault, left });
    }

    pub(super) fn disarm(&mut self) {
        self.armed.clear();
    }

    pub(super) const fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) const fn injected(&self) -> u64 {
        self.injected
    }

    /// Whether such a fault may happen to the next call.
    pub(super) fn expects(&self, fault: Fault) -> bool {
        self.armed.iter().any(|armed| armed.left > 0 && armed.fault == fault && armed.first_call <= self.calls + 1)
    }

    /// Counts a call, and says what goes wrong with it: the oldest fault that is due and can happen to it.
    pub(super) fn meet(&mut self, call: Call) -> Option<Fault> {
        self.calls += 1;
        let calls = self.calls;
        let due = |armed: &&mut Armed| armed.left > 0 && armed.first_call <= calls && call.may_meet(armed.fault);
        let armed = self.armed.iter_mut().find(due)?;
        if armed.left < u64::MAX {
            armed.left -= 1;
        }
        self.injected += 1;
        Some(armed.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_the_call_it_was_meant_for_as_often_as_it_lasts() {
        let met = |lasting| {
            let mut faults = Faults::default();
            faults.meet(Call::Len);
            faults.arm(2, Fault::Io, lasting);
            let met: Vec<_> = (0..5).map(|_| faults.meet(Call::Len).is_some()).collect();
            (met, faults.calls(), faults.injected())
        };
        assert_eq!(met(Lasting::Once), (vec![false, true, false, false, false], 6, 1));
        assert_eq!(met(Lasting::Times(2)), (vec![false, true, true, false, false], 6, 2));
        assert_eq!(met(Lasting::ForEver), (vec![false, true, true, true, true], 6, 4));
    }

    #[test]
    fn a_fault_that_cannot_happen_to_a_call_waits() {
        let mut faults = Faults::default();
        faults.arm(1, Fault::Short, Lasting::Once);
        faults.arm(1, Fault::TooManyFiles, Lasting::Once);
        assert_eq!(faults.meet(Call::Rename), None);
        assert_eq!(faults.meet(Call::Write(1, true)), None);
        assert_eq!(faults.meet(Call::Open), Some(Fault::TooManyFiles));
        assert_eq!(faults.meet(Call::Read(2)), Some(Fault::Short));
        assert_eq!(faults.meet(Call::Read(2)), None);
    }
}
