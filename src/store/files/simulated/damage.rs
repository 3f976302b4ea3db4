//! How is a file damaged at rest?

use super::{
    content::{Content, SECTOR},
    draws::Draws,
};

/// A large block of a disk.
const BLOCK: u64 = 4096;

/// What happens to a file while nobody looks. Ranges are clipped to the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Another value of one bit: bit `bit % 8` of the byte at `at`.
    FlipBit {
        /// Which byte.
        at: u64,
        /// Which bit of it.
        bit: u8,
    },
    /// Another value of a byte: the bits of `mask` are flipped.
    FlipByte {
        /// Which byte.
        at: u64,
        /// Which bits of it.
        mask: u8,
    },
    /// Zeros in the 512 aligned bytes around `at`.
    ZeroSector {
        /// Some byte of the sector.
        at: u64,
    },
    /// Zeros in the 4096 aligned bytes around `at`.
    ZeroPage {
        /// Some byte of the page.
        at: u64,
    },
    /// Only the first bytes are left.
    Truncate {
        /// How many.
        len: u64,
    },
    /// No byte is left.
    Empty,
    /// The file is gone.
    Delete,
    /// A range stands in another place too, over what was there; the file grows if that reaches past its end.
    DuplicateRange {
        /// Where the range begins.
        from: u64,
        /// How long it is.
        len: u64,
        /// Where its copy begins.
        to: u64,
    },
    /// Two ranges have changed places. Where they overlap, the second is written last.
    SwapRanges {
        /// Where one begins.
        first: u64,
        /// Where the other begins.
        second: u64,
        /// How long each is.
        len: u64,
    },
    /// The file has the bytes of another one, and that has its.
    SwapWith(
        /// The other one's path.
        String,
    ),
}

impl Damage {
    /// Some damage to a file of `len` bytes; never one that needs another file.
    pub fn draw(seed: u64, len: u64) -> Self {
        let mut draws = Draws::new(seed);
        let (at, other, size) = (draws.below(len), draws.below(len), 1 + draws.below(BLOCK));
        match draws.below(9) {
            0 => Self::FlipBit { at, bit: byte(draws.below(8)) },
            1 => Self::FlipByte { at, mask: byte(1 + draws.below(255)) },
            2 => Self::ZeroSector { at },
            3 => Self::ZeroPage { at },
            4 => Self::Truncate { len: at },
            5 => Self::Empty,
            6 => Self::Delete,
            7 => Self::DuplicateRange { from: at, len: size, to: other },
            _ => Self::SwapRanges { first: at, second: other, len: size },
        }
    }

    /// Damages content; what concerns the file as a whole is not done here.
    pub(super) fn apply(&self, content: &mut Content) {
        match *self {
            Self::FlipBit { at, bit } => flip(content, at, 1 << (bit % 8)),
            Self::FlipByte { at, mask } => flip(content, at, mask),
            Self::ZeroSector { at } => zero(content, at, SECTOR as u64),
            Self::ZeroPage { at } => zero(content, at, BLOCK),
            Self::Truncate { len } => content.set_len(len.min(content.len())),
            Self::Empty => content.set_len(0),
            Self::DuplicateRange { from, len, to } => content.write(to, &range(content, from, len)),
            Self::SwapRanges { first, second, len } => swap(content, first, second, len),
            Self::Delete | Self::SwapWith(_) => {}
        }
    }
}

fn byte(value: u64) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

fn range(content: &Content, at: u64, len: u64) -> Vec<u8> {
    content.bytes(at..at.saturating_add(len))
}

fn flip(content: &mut Content, at: u64, mask: u8) {
    let flipped: Vec<_> = range(content, at, 1).iter().map(|byte| byte ^ mask).collect();
    content.write(at, &flipped);
}

fn zero(content: &mut Content, at: u64, unit: u64) {
    let start = at - at % unit;
    let zeros = vec![0; range(content, start, unit).len()];
    content.write(start, &zeros);
}

/// Both are clipped to the shorter, so the length stays.
fn swap(content: &mut Content, first: u64, second: u64, len: u64) {
    let (mut one, mut other) = (range(content, first, len), range(content, second, len));
    let len = one.len().min(other.len());
    one.truncate(len);
    other.truncate(len);
    content.write(first, &other);
    content.write(second, &one);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged(damage: &Damage) -> Vec<u8> {
        let bytes: Vec<_> = (0..10_000_u32).map(|index| byte(u64::from(index % 251) + 1)).collect();
        let mut content = Content::of(&bytes);
        damage.apply(&mut content);
        content.bytes(0..u64::MAX)
    }

    /// Where bytes differ from those of an undamaged file of the same length, from first to last.
    fn changed(damage: &Damage) -> (usize, usize) {
        let (before, after) = (damaged(&Damage::Delete), damaged(damage));
        assert_eq!(before.len(), after.len());
        let differs = |&index: &usize| before[index] != after[index];
        let first = (0..before.len()).find(differs).expect("something changed");
        (first, (0..before.len()).rev().find(differs).expect("something changed"))
    }

    #[test]
    fn each_damage_does_what_it_says() {
        assert_eq!(changed(&Damage::FlipBit { at: 77, bit: 3 }), (77, 77));
        assert_eq!(changed(&Damage::FlipByte { at: 9_999, mask: 0xff }), (9_999, 9_999));
        assert_eq!(changed(&Damage::ZeroSector { at: 600 }), (512, 1_023));
        assert_eq!(changed(&Damage::ZeroPage { at: 5_000 }), (4_096, 8_191));
        assert_eq!(changed(&Damage::ZeroPage { at: 9_000 }), (8_192, 9_999));
        assert_eq!(changed(&Damage::DuplicateRange { from: 0, len: 10, to: 100 }), (100, 109));
        assert_eq!(changed(&Damage::SwapRanges { first: 0, second: 100, len: 10 }), (0, 109));
        assert_eq!(damaged(&Damage::Truncate { len: 4_099 }).len(), 4_099);
        assert_eq!(damaged(&Damage::Empty).len(), 0);
        assert_eq!(damaged(&Damage::DuplicateRange { from: 0, len: 10, to: 9_995 }).len(), 10_005);
    }

    #[test]
    fn what_lies_beyond_the_end_damages_nothing() {
        let whole = damaged(&Damage::Delete);
        for at in [10_240, u64::MAX] {
            assert_eq!(damaged(&Damage::FlipBit { at, bit: 0 }), whole);
            assert_eq!(damaged(&Damage::ZeroSector { at }), whole);
            assert_eq!(damaged(&Damage::SwapRanges { first: 0, second: at, len: 10 }), whole);
            assert_eq!(damaged(&Damage::Truncate { len: at }), whole);
        }
    }

    #[test]
    fn a_seed_draws_the_same_damage_again_and_all_kinds_are_drawn() {
        let kinds: std::collections::HashSet<_> =
            (0..200).map(|seed| std::mem::discriminant(&Damage::draw(seed, 1_000))).collect();
        assert_eq!(kinds.len(), 9);
        assert_eq!(Damage::draw(3, 1_000), Damage::draw(3, 1_000));
        (0..200).for_each(|seed| drop(damaged(&Damage::draw(seed, 10_000))));
    }
}
