//! What does a frame look like that is not as it should be?

use tokio_tungstenite::tungstenite::Message;

/// The depth of nested arrays: beyond what parsers follow.
const NESTING: usize = 20_000;
/// A frame longer than any honest one.
const HUGE_BYTES: usize = 20 << 20;

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It ends in the middle of an object.
    CutShort,
    /// A text frame that is not UTF-8.
    NotUtf8,
    /// Its numbers are texts, and its texts numbers.
    WrongTypes,
    /// It has no id.
    FieldMissing,
    /// Its price is `NaN`.
    NotANumber,
    /// Its price is 1e309.
    TooLarge,
    /// Its price is below zero.
    Negative,
    /// Its price has forty digits.
    FortyDigits,
    /// It is of a contract that nobody asked for.
    AnotherSymbol,
    /// Its time is in microseconds.
    Microseconds,
    /// Arrays in arrays.
    Nested,
    /// 20 MB of spaces.
    Huge,
}

impl Malformed {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::CutShort,
        Self::NotUtf8,
        Self::WrongTypes,
        Self::FieldMissing,
        Self::NotANumber,
        Self::TooLarge,
        Self::Negative,
        Self::FortyDigits,
        Self::AnotherSymbol,
        Self::Microseconds,
        Self::Nested,
        Self::Huge,
    ];

    /// The frame, made of an honest one.
    pub(super) fn frame(self, honest: &str) -> Message {
        Message::text(match self {
            Self::CutShort => r#"{"e":"aggTrade","a":"#.to_owned(),
            // tungstenite sends no such text; binary frames are what its reader must refuse or decode as well.
            Self::NotUtf8 => return Message::binary(b"{\"e\":\"aggTrade\",\"s\":\"\xff\xfe\"}".to_vec()),
            Self::WrongTypes => changed(honest, "\"a\":", "\"true\"", true),
            Self::FieldMissing => honest.replace("\"a\":", "\"ax\":"),
            Self::NotANumber => changed(honest, "\"p\":", "NaN", false),
            Self::TooLarge => changed(honest, "\"p\":", "\"1e309\"", false),
            Self::Negative => changed(honest, "\"p\":", "\"-1\"", false),
            Self::FortyDigits => changed(honest, "\"p\":", &format!("\"{}\"", "9".repeat(40)), false),
            Self::AnotherSymbol => changed(honest, "\"s\":", "\"NOBODYUSDT\"", false),
            Self::Microseconds => changed(honest, "\"T\":", "1795168830000000", true),
            Self::Nested => format!("{}{}", "[".repeat(NESTING), "]".repeat(NESTING)),
            Self::Huge => " ".repeat(HUGE_BYTES),
        })
    }
}

/// `honest` with another value for the first field `name`; `bare` says that its own is no text.
fn changed(honest: &str, name: &str, value: &str, bare: bool) -> String {
    let Some((before, rest)) = honest.split_once(name) else { return honest.to_owned() };
    let end = if bare { rest.find([',', '}']) } else { rest.get(1..).and_then(|rest| rest.find('"')).map(|at| at + 2) };
    format!("{before}{name}{value}{}", end.and_then(|end| rest.get(end..)).unwrap_or_default())
}

/// `honest` with an id that no market reaches.
pub(super) fn jumped(honest: &str) -> String {
    changed(honest, "\"a\":", "9007199254740993", true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HONEST: &str = r#"{"stream":"x@aggTrade","data":{"e":"aggTrade","E":1,"a":5,"s":"X","p":"1.5","T":7}}"#;

    #[test]
    fn a_field_gets_another_value_and_the_rest_stays() {
        assert_eq!(jumped(HONEST), HONEST.replace("\"a\":5", "\"a\":9007199254740993"));
        assert_eq!(changed(HONEST, "\"p\":", "NaN", false), HONEST.replace("\"1.5\"", "NaN"));
        assert_eq!(changed(HONEST, "\"T\":", "9", true), HONEST.replace(":7", ":9"));
    }

    #[test]
    fn every_kind_differs_from_the_honest_frame() {
        for malformed in Malformed::ALL {
            assert_ne!(malformed.frame(HONEST), Message::text(HONEST), "{malformed:?}");
        }
    }
}
