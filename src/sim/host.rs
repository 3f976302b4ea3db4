//! What goes wrong on the machine that records: its clock, its sleep, its disk?

use crate::{
    clock::Hand,
    sim::{exchange::Exchange, faults::Ending},
    store::files::{Fault, Lasting, SimulatedDisk},
};
use std::sync::atomic::{AtomicBool, Ordering};

/// Room enough that nobody notices a bound: a tebibyte.
const ROOMY_BYTES: u64 = 1 << 40;

/// One thing that goes wrong here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostFault {
    /// The wall clock is set wrong by so many milliseconds, and set right when it ends.
    Clock(i64),
    /// A second of the wall clock comes twice, as some systems do it at a leap second; it does not end.
    LeapSecond,
    /// The machine stands still for so many milliseconds: no clock of its own but the wall's passes them, and connections
    /// are dead when it goes on.
    Suspend(u64),
    /// The disk answers nobody: whoever stores waits.
    DiskStalls,
    /// Nothing more fits on the disk; what has its place is still written.
    DiskFull,
    /// Every write and sync fails for want of room.
    DiskRefuses,
    /// So many writes and syncs fail for no reason.
    DiskFails(u64),
}

/// The hands on a machine. What it records with must have been given the clock and the disk, and must store nothing while
/// [`Host::is_stalled`].
#[derive(Debug)]
pub struct Host {
    clock: Hand,
    disk: SimulatedDisk,
    stalled: AtomicBool,
}

impl Host {
    /// A machine with this clock and this disk.
    pub fn new(clock: Hand, disk: SimulatedDisk) -> Self {
        Self { clock, disk, stalled: AtomicBool::new(false) }
    }

    /// Whether whoever stores waits for the disk.
    pub fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Lets a fault begin; `exchange` is what the machine is connected to.
    pub fn begin(&self, fault: HostFault, exchange: &Exchange) {
        match fault {
            HostFault::Clock(millis) => self.clock.step(millis),
            HostFault::LeapSecond => self.clock.step(-1_000),
            HostFault::Suspend(millis) => {
                exchange.faults().end(Ending::Cut);
                exchange.skip(millis);
                self.clock.step(i64::try_from(millis).unwrap_or(i64::MAX));
            }
            HostFault::DiskStalls => self.stalled.store(true, Ordering::Relaxed),
            HostFault::DiskFull => self.disk.set_capacity(0),
            HostFault::DiskRefuses => self.disk.fail(1, Fault::Full, Lasting::ForEver),
            HostFault::DiskFails(count) => self.disk.fail(1, Fault::WriteIo, Lasting::Times(count)),
        }
    }

    /// Ends a fault that lasts, and with one of the disk's all others of its kind.
    pub fn end(&self, fault: HostFault) {
        match fault {
            HostFault::Clock(millis) => self.clock.step(-millis),
            HostFault::LeapSecond | HostFault::Suspend(_) | HostFault::DiskFails(_) => {}
            HostFault::DiskStalls => self.stalled.store(false, Ordering::Relaxed),
            HostFault::DiskFull => self.disk.set_capacity(ROOMY_BYTES),
            HostFault::DiskRefuses => self.disk.heal(),
        }
    }

    /// Makes the disk well.
    pub fn heal(&self) {
        [HostFault::DiskStalls, HostFault::DiskFull, HostFault::DiskRefuses]
            .into_iter()
            .for_each(|fault| self.end(fault));
    }
}
