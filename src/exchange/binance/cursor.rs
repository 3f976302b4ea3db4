//! How is compact JSON, or a line of the archive, read once, left to right, without a tree? A step that meets anything
//! unexpected yields nothing, and the tolerant parser takes over; so everything accepted here must be text that it accepts, too,
//! with the same meaning.
//!
//! The steps are inlined, and the rare ones take the cursor by value, so that it lives in registers. Words of eight bytes only
//! ever move it by a constant, never by a count taken from them: branches are predicted, such a count must be waited for.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Units of 1e-8 in one of the last of so many decimal places.
const UNITS: [i64; 9] = [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// The bytes that a string runs over; its quote, escapes, control characters and what is beyond ASCII are not among them.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x80 {
        plain[byte] = true;
        byte += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain
};

/// A place in a frame.
#[derive(Clone, Copy)]
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
/// The key `pu`, by a code that shares its low six bits with no letter.
pub(super) const PREVIOUS: u8 = b'[';
/// The key `ap`, likewise.
pub(super) const AVERAGE: u8 = b']';
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
    #[inline(always)]
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

    /// Where it stands.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Steps over `count` bytes that are known.
    #[inline(always)]
    pub(super) const fn advance(&mut self, count: usize) {
        self.at += count;
    }

    /// What is still to be read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Steps over `expected`.
    #[inline(always)]
    pub(super) fn literal<const N: usize>(&mut self, expected: &[u8; N]) -> Option<()> {
        let found = self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        (found == expected).then_some(())
    }

    /// Steps over `byte`, if it stands here.
    #[inline(always)]
    pub(super) fn step_over(&mut self, byte: u8) -> bool {
        let is_here = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is_here);
        is_here
    }

    /// Eight bytes from `at`.
    #[inline(always)]
    fn word(&self, at: usize) -> Option<u64> {
        self.bytes.get(at..)?.first_chunk::<8>().map(|chunk| u64::from_le_bytes(*chunk))
    }

    /// A key and its colon: its letter, or [`LINE`], [`PREVIOUS`], [`AVERAGE`] or [`OTHER`]. What is not [`LINE`] or [`OTHER`] comes once
    /// in an object; the words of envelopes and replies come nowhere in a row.
    #[inline(always)]
    pub(super) fn key(&mut self, seen: &mut Seen) -> Option<u8> {
        if let [b'"', letter, b'"', b':'] = *self.bytes.get(self.at..)?.first_chunk::<4>()? {
            if !letter.is_ascii_alphabetic() {
                return None;
            }
            seen.note(letter)?;
            self.at += 4;
            return Some(letter);
        }
        if let Some([b'"', first, second, b'"', b':']) = self.bytes.get(self.at..)?.first_chunk::<5>()
            && first.is_ascii_alphabetic()
            && second.is_ascii_alphabetic()
        {
            self.at += 5;
            return match [*first, *second] {
                [b's', b't'] => Some(LINE),
                [b'p', b'u'] => seen.note(PREVIOUS).map(|()| PREVIOUS),
                [b'a', b'p'] => seen.note(AVERAGE).map(|()| AVERAGE),
                // A reply's.
                [b'i', b'd'] => None,
                _ => Some(OTHER),
            };
        }
        *self = self.past_long_key()?;
        Some(OTHER)
    }

    #[inline(never)]
    fn past_long_key(mut self) -> Option<Self> {
        let name = self.text()?;
        self.literal(b":")?;
        let is_a_rows = !matches!(name, b"stream" | b"data" | b"result" | b"error" | b"code");
        is_a_rows.then_some(self)
    }

    /// A string without escapes, between its quotes.
    #[inline(always)]
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        self.literal(b"\"")?;
        self.text_from(self.at)
    }

    /// As [`Self::text`], for strings that are seldom short.
    #[inline(always)]
    pub(super) fn long_text(&mut self) -> Option<&'a [u8]> {
        self.literal(b"\"")?;
        let start = self.at;
        while self.word(self.at).is_some_and(is_plain) {
            self.at += 8;
        }
        self.text_from(start)
    }

    #[inline(always)]
    fn text_from(&mut self, start: usize) -> Option<&'a [u8]> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            if PLAIN[usize::from(byte)] {
                continue;
            }
            if byte == b'"' {
                return self.bytes.get(start..self.at - 1);
            }
            if byte < 0x80 {
                return None;
            }
            self.beyond_ascii = true;
        }
    }

    /// A string as text; a frame that is not UTF-8 has none.
    #[inline(always)]
    pub(super) fn utf8(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.text()?).ok()
    }

    /// A natural number of at most 19 digits.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Option<u64> {
        let start = self.at;
        let mut value = 0u64;
        while let Some(digits) = self.word(self.at).and_then(digit_values) {
            value = value.wrapping_mul(100_000_000).wrapping_add(eight_digits(digits));
            self.at += 8;
        }
        value = self.digits(value);
        let length = self.at - start;
        let padded = length > 1 && self.bytes.get(start) == Some(&b'0');
        (1..=19).contains(&length).then_some(value).filter(|_| !padded)
    }

    /// A string that is a decimal as [`Self::bare_decimal`] reads it.
    #[inline(always)]
    pub(super) fn decimal(&mut self) -> Option<i64> {
        self.literal(b"\"")?;
        let units = self.bare_decimal()?;
        self.literal(b"\"")?;
        Some(units)
    }

    /// A decimal of at most 18 digits, 8 of them after the point, in units of 1e-8: what `Price::parse` makes of it.
    #[inline(always)]
    pub(super) fn bare_decimal(&mut self) -> Option<i64> {
        let start = self.at;
        let mut value = self.digits(0);
        let (whole, mut places) = (self.at - start, 0);
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            let point = self.at;
            value = self.digits(value);
            places = self.at - point;
            if places == 0 {
                return None;
            }
        }
        if whole == 0 || whole + places > 18 {
            return None;
        }
        i64::try_from(value).ok()?.checked_mul(*UNITS.get(places)?)
    }

    /// As [`Self::decimal`], with a sign or without: what `Rate::parse` makes of it.
    #[inline(always)]
    pub(super) fn signed_decimal(&mut self) -> Option<i64> {
        self.literal(b"\"")?;
        let is_negative = self.step_over(b'-');
        let units = self.bare_decimal()?;
        self.literal(b"\"")?;
        Some(if is_negative { -units } else { units })
    }

    /// Steps over digits that go on from `value`; more than 19 make nonsense of it.
    #[inline(always)]
    fn digits(&mut self, mut value: u64) -> u64 {
        while let Some(digit) = self.bytes.get(self.at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
        {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
        value
    }

    /// A whole number; `-0` is none, since JSON readers take it for a float.
    #[inline(always)]
    pub(super) fn signed(&mut self) -> Option<i64> {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
            return i64::try_from(self.number()?).ok().filter(|value| *value != 0).map(|value| -value);
        }
        i64::try_from(self.number()?).ok()
    }

    /// `true` or `false`.
    #[inline(always)]
    pub(super) fn boolean(&mut self) -> Option<bool> {
        if *self.bytes.get(self.at)? == b't' {
            return self.literal(b"true").map(|()| true);
        }
        self.literal(b"false").map(|()| false)
    }

    /// Steps over a string, a plain number, a boolean or null.
    #[inline(always)]
    pub(super) fn skip(&mut self) -> Option<()> {
        if self.bytes.get(self.at) == Some(&b'"') {
            return self.text().map(|_| ());
        }
        *self = self.past_scalar()?;
        Some(())
    }

    #[inline(never)]
    fn past_scalar(mut self) -> Option<Self> {
        match self.bytes.get(self.at)? {
            b't' | b'f' => drop(self.boolean()?),
            b'n' => self.literal(b"null")?,
            _ => drop(self.signed()?),
        }
        if self.bytes.get(self.at) == Some(&b'.') && self.bytes.get(self.at - 1).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
            let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
            self.at += digits;
            return (digits > 0).then_some(self);
        }
        Some(self)
    }

    /// After a value: whether another field follows.
    #[inline(always)]
    pub(super) fn more(&mut self) -> Option<bool> {
        self.more_before(b'}')
    }

    /// After an element: whether another one follows.
    #[inline(always)]
    pub(super) fn more_elements(&mut self) -> Option<bool> {
        self.more_before(b']')
    }

    #[inline(always)]
    fn more_before(&mut self, end: u8) -> Option<bool> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        match byte {
            b',' => Some(true),
            byte if byte == end => Some(false),
            _ => None,
        }
    }

    /// That nothing follows, and that all of it was text.
    #[inline(always)]
    pub(super) fn end(&self) -> Option<()> {
        let whole = self.at == self.bytes.len() && (!self.beyond_ascii || std::str::from_utf8(self.bytes).is_ok());
        whole.then_some(())
    }
}

/// Whether no byte of a word ends a string, is escaped, or is beyond ASCII.
#[inline(always)]
const fn is_plain(word: u64) -> bool {
    (zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5C)) | below_space(word) | (word & HIGHS)) == 0
}

/// The values of eight digits, if the word is that.
#[inline(always)]
fn digit_values(word: u64) -> Option<u64> {
    let digits = word ^ (ONES * 0x30);
    // Any byte above 9 gets or has its high bit.
    ((digits.wrapping_add(ONES * 0x76) | digits) & HIGHS == 0).then_some(digits)
}

/// High bits of zero bytes; there may be more of them only where there is one.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// High bits of bytes below 0x20; there may be more of them only where there is one.
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
    fn keys_of_two_letters_are_told_from_each_letter() {
        let letters: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').collect();
        for code in [PREVIOUS, AVERAGE] {
            assert!(!Seen::of(&letters).holds(Seen::of(&[code])));
        }
        let mut seen = Seen::NONE;
        let mut cursor = Cursor::new(br#""pu":"ap":"st":"ps":"pu":"#);
        let keys: [_; 4] = std::array::from_fn(|_| cursor.key(&mut seen));
        assert_eq!(keys, [Some(PREVIOUS), Some(AVERAGE), Some(LINE), Some(OTHER)]);
        assert_eq!(cursor.key(&mut seen), None, "a second time");
    }

    #[test]
    fn signed_decimals_are_those_of_rates() {
        for text in ["0.00010000", "-0.00000743", "-0.00000000", "12", "0.123456789", "", "-", "--1", "-.5", "+1"] {
            let quoted = format!("\"{text}\"");
            let parsed = crate::model::Rate::parse(text.as_bytes()).ok().map(crate::model::Rate::units);
            assert_eq!(Cursor::new(quoted.as_bytes()).signed_decimal(), parsed, "{text}");
        }
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
        for reply in [r#""stream":"#, r#""code":"#, r#""id":"#] {
            assert!(Cursor::new(reply.as_bytes()).key(&mut seen).is_none(), "{reply}");
        }
    }
}
