//! Which of the writes that no sync has confirmed are on the medium after a power cut?

use super::{content::SECTOR, draws::Draws};

/// Which unsynced writes have landed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Landing {
    Nothing,
    Everything,
    /// Each sector of each write by itself, in so many of eight cases.
    Subset(u64),
    /// The writes before this one, and the first sectors of it.
    Prefix(u64),
    /// Every write, but this one only in part.
    Torn(u64),
}

/// Which sectors of one write have landed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Share {
    First(usize),
    Some(u64),
}

impl Landing {
    /// One of the ways; `pending` are the sequences of the writes it is about.
    pub(super) fn draw(pending: &[u64], draws: &mut Draws) -> Self {
        let one = pending.get(draws.index(pending.len())).copied().unwrap_or(0);
        match draws.below(5) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 => Self::Subset(1 + draws.below(7)),
            3 => Self::Prefix(one),
            _ => Self::Torn(one),
        }
    }

    /// What has landed of a write.
    pub(super) fn share(self, sequence: u64, sectors: usize, draws: &mut Draws) -> Share {
        let all = Share::First(sectors);
        match self {
            Self::Nothing => Share::First(0),
            Self::Everything => all,
            Self::Subset(eighths) => Share::Some(eighths),
            Self::Prefix(last) if sequence == last => Share::First(draws.index(sectors + 1)),
            Self::Prefix(last) if sequence > last => Share::First(0),
            Self::Torn(torn) if sequence == torn => Share::Some(4),
            Self::Prefix(_) | Self::Torn(_) => all,
        }
    }

    /// How long the file is. Lengths are journalled apart from data: zeros may stand where nothing landed, and data that
    /// landed may lie beyond the end.
    pub(super) fn len(self, durable: u64, seen: u64, draws: &mut Draws) -> u64 {
        match (self, draws.below(4)) {
            (Self::Everything, _) | (_, 0 | 1) => seen,
            (_, 2) => durable,
            _ => between(durable, seen, draws),
        }
    }
}

/// The end of some sector between two lengths, or the longer one.
fn between(durable: u64, seen: u64, draws: &mut Draws) -> u64 {
    let sector = SECTOR as u64;
    let first = durable.next_multiple_of(sector);
    let room = seen.saturating_sub(first) / sector;
    (first + sector * draws.below(room + 1)).min(seen)
}

impl Share {
    /// Whether the sector at `index` has landed.
    pub(super) fn holds(self, index: usize, draws: &mut Draws) -> bool {
        match self {
            Self::First(count) => index < count,
            Self::Some(eighths) => draws.chance(eighths),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_lies_between_the_durable_one_and_the_one_seen() {
        let mut draws = Draws::new(1);
        for (durable, seen) in [(0, 0), (0, 100), (100, 100), (100, 5_000), (511, 513), (512, 1_024), (1, 511)] {
            let lens: Vec<_> = (0..100).map(|_| Landing::Subset(4).len(durable, seen, &mut draws)).collect();
            assert!(lens.iter().all(|len| (durable..=seen).contains(len)));
            assert!(lens.contains(&durable) && lens.contains(&seen));
        }
    }

    #[test]
    fn the_ways_say_what_of_each_write_lands() {
        let mut draws = Draws::new(2);
        let mut whole = |landing: Landing, sequence| matches!(landing.share(sequence, 3, &mut draws), Share::First(3));
        assert!(whole(Landing::Everything, 5) && whole(Landing::Prefix(5), 4) && whole(Landing::Torn(5), 6));
        assert!(!whole(Landing::Nothing, 5) && !whole(Landing::Prefix(5), 6) && !whole(Landing::Torn(5), 5));
    }
}
