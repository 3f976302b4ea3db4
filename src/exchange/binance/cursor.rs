//! How is compact JSON read once, left to right, without a tree? A step that meets anything unexpected yields nothing, and the
//! tolerant parser takes over; so everything accepted here must be JSON that it accepts, too, with the same meaning.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
const POWERS_OF_TEN: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// A place in a frame.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether a string held bytes above 0x7F, whose UTF-8 is still to be checked.
    beyond_ascii: bool,
}

/// The keys of one object that were met: a bit for each letter.
#[derive(Clone, Copy)]
pub(super) struct Seen(u64);

/// The key `st`: which product line a row belongs to.
pub(super) const LINE: u8 = 1;
/// A key that no event of ours has.
const OTHER: u8 = 0;

impl Seen {
    pub(super) const NONE: Self = Self(0);

    /// Letters as a set. They lie within 64 code points, so the low six bits tell them apart.
    pub(super) const fn of(letters: &[u8]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < letters.len() {
            bits |= 1 << (letters[at] & 63);
            at += 1;
        }
        Self(bits)
    }

    /// Whether every key of `needed` was met.
    pub(super) const fn holds(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }

    /// Notes a key; nothing when it was met before.
    #[inline]
    fn note(&mut self, letter: u8) -> Option<()> {
        let bit = 1 << (letter & 63);
        let first = self.0 & bit == 0;
        self.0 |= bit;
        first.then_some(())
    }
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, beyond_ascii: false }
    }

    /// What is still to be read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Steps over `expected`.
    #[inline]
    pub(super) fn literal<const N: usize>(&mut self, expected: &[u8; N]) -> Option<()> {
        let found = self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        (found == expected).then_some(())
    }

    /// Eight bytes from `at`, zeros past the end.
    #[inline]
    fn word(&self, at: usize) -> u64 {
        let rest = self.bytes.get(at..).unwrap_or_default();
        rest.first_chunk::<8>().map_or_else(|| short_word(rest), |chunk| u64::from_le_bytes(*chunk))
    }

    /// A key and its colon: its letter, [`LINE`] or [`OTHER`]. A letter comes once in an object; the words of the envelope come nowhere in a row.
    #[inline]
    pub(super) fn key(&mut self, seen: &mut Seen) -> Option<u8> {
        let word = self.word(self.at);
        // `"x":`
        if word & 0xFFFF_00FF == 0x3A22_0022 {
            let letter = word.to_le_bytes()[1];
            if !letter.is_ascii_alphabetic() {
                return None;
            }
            seen.note(letter)?;
            self.at += 4;
            return Some(letter);
        }
        let name = self.text()?;
        self.literal(b":")?;
        match name {
            b"st" => Some(LINE),
            b"stream" | b"data" => None,
            _ => Some(OTHER),
        }
    }

    /// A string without escapes, between its quotes.
    #[inline]
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        if *self.bytes.get(self.at)? != b'"' {
            return None;
        }
        let start = self.at + 1;
        let mut at = start;
        loop {
            let word = self.word(at);
            let stops = zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5C)) | below_space(word) | (word & HIGHS);
            if stops == 0 {
                at += 8;
                continue;
            }
            at += stops.trailing_zeros() as usize / 8;
            match self.bytes.get(at)? {
                b'"' => break,
                0x80.. => {
                    self.beyond_ascii = true;
                    at += 1;
                }
                _ => return None,
            }
        }
        self.at = at + 1;
        self.bytes.get(start..at)
    }

    /// A string as text; a frame that is not UTF-8 has none.
    #[inline]
    pub(super) fn utf8(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.text()?).ok()
    }

    /// A natural number of at most 19 digits.
    #[inline]
    pub(super) fn number(&mut self) -> Option<u64> {
        let start = self.at;
        let mut value = 0u64;
        loop {
            let digits = self.word(self.at) ^ (ONES * 0x30);
            // A byte above 9 has or gets its high bit; the lowest such byte is the end.
            let ends = (digits.wrapping_add(ONES * 0x76) | digits) & HIGHS;
            let count = ends.trailing_zeros() as usize / 8;
            self.at += count;
            if count == 8 {
                value = value.wrapping_mul(POWERS_OF_TEN[8]).wrapping_add(eight_digits(digits));
                continue;
            }
            // The digits move to the top, and zeros come in before them; in two steps, since `count` may be 0.
            let digits = digits << (8 * (7 - count)) << 8;
            value = value.wrapping_mul(POWERS_OF_TEN[count]).wrapping_add(eight_digits(digits));
            break;
        }
        let length = self.at - start;
        let padded = length > 1 && self.bytes.get(start) == Some(&b'0');
        (1..=19).contains(&length).then_some(value).filter(|_| !padded)
    }

    /// A whole number; `-0` is none, since JSON readers take it for a float.
    #[inline]
    pub(super) fn signed(&mut self) -> Option<i64> {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
            return i64::try_from(self.number()?).ok().filter(|value| *value != 0).map(|value| -value);
        }
        i64::try_from(self.number()?).ok()
    }

    /// `true` or `false`.
    #[inline]
    pub(super) fn boolean(&mut self) -> Option<bool> {
        if *self.bytes.get(self.at)? == b't' {
            return self.literal(b"true").map(|()| true);
        }
        self.literal(b"false").map(|()| false)
    }

    /// Steps over a string, a plain number, a boolean or null.
    pub(super) fn skip(&mut self) -> Option<()> {
        match self.bytes.get(self.at)? {
            b'"' => self.text().map(|_| ()),
            b't' | b'f' => self.boolean().map(|_| ()),
            b'n' => self.literal(b"null"),
            _ => {
                self.signed()?;
                if self.bytes.get(self.at) != Some(&b'.') {
                    return Some(());
                }
                self.at += 1;
                let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
                self.at += digits;
                (digits > 0).then_some(())
            }
        }
    }

    /// After a value: whether another field follows.
    #[inline]
    pub(super) fn more(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        match byte {
            b',' => Some(true),
            b'}' => Some(false),
            _ => None,
        }
    }

    /// That nothing follows, and that all of it was text.
    #[inline]
    pub(super) fn end(&self) -> Option<()> {
        let whole = self.at == self.bytes.len() && (!self.beyond_ascii || std::str::from_utf8(self.bytes).is_ok());
        whole.then_some(())
    }
}

#[cold]
fn short_word(rest: &[u8]) -> u64 {
    rest.iter().rev().fold(0, |word, &byte| (word << 8) | u64::from(byte))
}

/// The high bit of the lowest zero byte, exactly; above it, bits may be wrong.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// The high bit of the lowest byte below 0x20, exactly; above it, bits may be wrong.
const fn below_space(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & HIGHS
}

/// The number that eight digit values spell, the first in the lowest byte: neighbours are joined three times.
const fn eight_digits(digits: u64) -> u64 {
    let pairs = (digits.wrapping_mul(10).wrapping_add(digits >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0x0000_0000_FFFF_FFFF
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_up_to_19_digits() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(Cursor::new(text.as_bytes()).number(), expected, "{text}");
        };
        check("0,", Some(0));
        check("7}", Some(7));
        check("1234567", Some(1_234_567));
        check("12345678,", Some(12_345_678));
        check("1791382992488,", Some(1_791_382_992_488));
        check("9999999999999999999,", Some(9_999_999_999_999_999_999));
        check("10000000000000000000,", None);
        check("123456781234567812345678", None);
        check("01,", None);
        check(",", None);
        check("", None);
        check("-1", None);
    }

    #[test]
    fn every_length_of_number_agrees_with_the_standard_library() {
        for length in 1..=19 {
            let text = &"9876543210123456789"[..length];
            let padded = format!("{text}\u{7f}€\"");
            assert_eq!(Cursor::new(padded.as_bytes()).number(), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn a_string_ends_at_its_quote_wherever_it_stands() {
        for length in 0..40 {
            let text = "x".repeat(length);
            let quoted = format!("\"{text}\",\"next\"");
            let mut cursor = Cursor::new(quoted.as_bytes());
            assert_eq!(cursor.text(), Some(text.as_bytes()));
            assert_eq!(cursor.more(), Some(true));
            for bad in ["\\n", "\u{1f}", "\n"] {
                let quoted = format!("\"{text}{bad}\"");
                assert_eq!(Cursor::new(quoted.as_bytes()).text(), None, "{quoted:?}");
            }
            let open = format!("\"{text}");
            assert_eq!(Cursor::new(open.as_bytes()).text(), None);
        }
        assert_eq!(Cursor::new("\"币安人生USDT\"".as_bytes()).utf8(), Some("币安人生USDT"));
        assert_eq!(Cursor::new(b"\"\xFF\"").utf8(), None);
    }

    #[test]
    fn a_letter_comes_once() {
        let mut cursor = Cursor::new(br#""a":"A":"#);
        let mut seen = Seen::NONE;
        assert!(cursor.key(&mut seen) == Some(b'a'));
        assert!(cursor.key(&mut seen) == Some(b'A'));
        assert!(seen.holds(Seen::of(b"aA")) && !seen.holds(Seen::of(b"ab")));
        assert!(Cursor::new(br#""a":"#).key(&mut seen).is_none());
        assert!(Cursor::new(br#"""":"#).key(&mut seen).is_none());
        assert!(Cursor::new(br#""stream":"#).key(&mut seen).is_none());
    }
}
