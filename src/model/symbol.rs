//! How is a contract named?

use std::{borrow::Borrow, fmt, sync::Arc};

/// The longest symbol that is accepted, in bytes; the venue's longest in 2026 is 17 characters.
const SYMBOL_BYTES_MAX: usize = 64;

/// A ticker in the venue's listing case: opaque UTF-8, never taken apart (`1000SHIBUSDT`, `币安人生USDT`, `BTCUSDT_261225`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(Arc<str>);

/// Why a text is not a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    /// Nothing at all.
    #[error("a symbol is empty")]
    Empty,
    /// Longer than any the venue lists.
    #[error("a symbol is longer than {SYMBOL_BYTES_MAX} bytes")]
    TooLong,
    /// White space, control characters, or characters with a meaning in stream names and paths (`@ / \ , ? # % . "`).
    #[error("a symbol holds {0:?}, which no symbol may")]
    Forbidden(char),
}

impl Symbol {
    /// Takes `text` with its ASCII letters raised to upper case; other letters stay as they are.
    ///
    /// # Errors
    ///
    /// When the text is empty, too long, or could not stand in a stream name.
    pub fn new(text: &str) -> Result<Self, SymbolError> {
        if text.is_empty() {
            return Err(SymbolError::Empty);
        }
        if text.len() > SYMBOL_BYTES_MAX {
            return Err(SymbolError::TooLong);
        }
        let forbidden = |c: &char| c.is_whitespace() || c.is_control() || "@/\\,?#%.\"".contains(*c);
        match text.chars().find(forbidden) {
            Some(c) => Err(SymbolError::Forbidden(c)),
            None => Ok(Self(text.to_ascii_uppercase().into())),
        }
    }

    /// The text in listing case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as stream names have it: ASCII letters lowered, others untouched.
    pub fn stream_name(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Equal and hashed as its text, so that a map is asked without making one.
impl Borrow<str> for Symbol {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The dense number of a contract (a symbol and its onboard date) in this process; an index, never a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContractId(u32);

impl ContractId {
    /// No contract's: for what is of none, or of one that is only read from the store.
    pub const NONE: Self = Self(u32::MAX);

    /// Wraps the number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number as an index into tables by contract.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ascii_letters_change_case() {
        let symbol = Symbol::new("币安人生usdt").expect("a real symbol");
        assert_eq!(symbol.as_str(), "币安人生USDT");
        assert_eq!(symbol.stream_name(), "币安人生usdt");
    }

    #[test]
    fn what_could_not_stand_in_a_stream_name_is_refused() {
        assert_eq!(Symbol::new(""), Err(SymbolError::Empty));
        assert_eq!(Symbol::new(&"A".repeat(65)), Err(SymbolError::TooLong));
        for text in ["../x", "A@b", "A B", "A\u{0}", "A\"B"] {
            assert!(matches!(Symbol::new(text), Err(SymbolError::Forbidden(_))), "{text}");
        }
    }
}
