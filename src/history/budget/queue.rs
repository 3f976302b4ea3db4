//! Whose turn is it among those who wait for one pool?

use crate::model::UnixMillis;
use std::collections::VecDeque;

/// Requests of one priority that may wait for one pool: one for each of 800 contracts, and room.
pub const WAITING_MAX: usize = 1_024;

/// Who has waited so long goes first, whatever the priority, within a small part of each minute's budget.
pub(super) const LONG_WAIT_MS: i64 = 3 * UnixMillis::MINUTE;

/// Who is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// What everything else rests on, and costs little: listing, limits, snapshots.
    Listing,
    /// Holes in a live tape.
    Repair,
    /// Where back-fill meets the live stream.
    Seam,
    /// Long stretches of the past.
    Bulk,
}

impl Priority {
    /// All of them, the first served first.
    pub const ALL: [Self; 4] = [Self::Listing, Self::Repair, Self::Seam, Self::Bulk];

    /// A label from a closed set.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Repair => "repair",
            Self::Seam => "seam",
            Self::Bulk => "bulk",
        }
    }

    pub(super) const fn index(self) -> usize {
        match self {
            Self::Listing => 0,
            Self::Repair => 1,
            Self::Seam => 2,
            Self::Bulk => 3,
        }
    }
}

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Waiting<W> {
    pub(super) ticket: u64,
    pub(super) weight: u32,
    pub(super) since: UnixMillis,
    pub(super) wake: W,
}

/// Who waits for one pool: first come, first served within a priority.
#[derive(Debug)]
pub(super) struct Queue<W>([VecDeque<Waiting<W>>; 4]);

impl<W> Queue<W> {
    pub(super) fn new() -> Self {
        Self(Priority::ALL.map(|_| VecDeque::new()))
    }

    /// Whether there was room.
    pub(super) fn push(&mut self, priority: Priority, waiting: Waiting<W>) -> bool {
        let lane = &mut self.0[priority.index()];
        let has_room = lane.len() < WAITING_MAX;
        if has_room {
            lane.push_back(waiting);
        }
        has_room
    }

    /// The first of the highest priority that anybody waits in.
    pub(super) fn first(&self) -> Option<(Priority, &Waiting<W>)> {
        Priority::ALL.into_iter().find_map(|priority| Some((priority, self.0[priority.index()].front()?)))
    }

    /// Who has waited longest, if it is too long; none of those whose turn it is anyway.
    pub(super) fn overdue(&self, now: UnixMillis) -> Option<(Priority, &Waiting<W>)> {
        let (turn, _) = self.first()?;
        let fronts = Priority::ALL.into_iter().filter(|priority| *priority != turn);
        let fronts = fronts.filter_map(|priority| Some((priority, self.0[priority.index()].front()?)));
        fronts.filter(|(_, front)| now.since(front.since) >= LONG_WAIT_MS).min_by_key(|(_, front)| front.since)
    }

    pub(super) fn pop(&mut self, priority: Priority) -> Option<Waiting<W>> {
        self.0[priority.index()].pop_front()
    }

    pub(super) fn remove(&mut self, priority: Priority, ticket: u64) -> Option<Waiting<W>> {
        let lane = &mut self.0[priority.index()];
        let place = lane.iter().position(|waiting| waiting.ticket == ticket)?;
        lane.remove(place)
    }

    /// Turns away those for whom `fits` is false.
    pub(super) fn retain(&mut self, fits: impl Fn(Priority, u32) -> bool) {
        for priority in Priority::ALL {
            self.0[priority.index()].retain(|waiting| fits(priority, waiting.weight));
        }
    }

    pub(super) fn counts(&self) -> [usize; 4] {
        self.0.each_ref().map(VecDeque::len)
    }
}
