//! What is wrong with a configuration, and where does it stand?

use crate::{config::origin::Origin, model::SymbolError};
use std::{fmt, io, path::PathBuf};

/// One fault, told so that whoever made it can mend it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file could not be read.
    #[error("{path}: cannot be read: {error}", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is not TOML.
    #[error("{path}: {error}", path = path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        error: Box<toml::de::Error>,
    },
    /// No such key.
    #[error("{origin}: there is no key `{key}`; did you mean `{nearest}`?")]
    UnknownKey {
        /// As it was written, in full.
        key: String,
        /// Who wrote it.
        origin: Origin,
        /// The known key that looks most like it, as the origin would write it.
        nearest: String,
    },
    /// A value of another type.
    #[error("{origin}: `{key}` takes {expected}, not {found}")]
    WrongType {
        /// The key in full.
        key: String,
        /// Who set it.
        origin: Origin,
        /// What it takes.
        expected: &'static str,
        /// What it was given: the type, or the text that is not of the type.
        found: String,
    },
    /// The right type, but no value that will do.
    #[error("{origin}: `{key}` = {value}: {reason}")]
    Refused {
        /// The key in full.
        key: String,
        /// Who set it.
        origin: Origin,
        /// The value as TOML; masked if it is secret.
        value: String,
        /// Why not.
        reason: Reason,
    },
    /// An environment variable whose value is not Unicode.
    #[error("env:{name}: its value is not valid UTF-8")]
    NotUnicode {
        /// The variable.
        name: String,
    },
}

/// Why a value will not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A number outside its bounds.
    #[error("must be from {min} to {max}")]
    OutOfRange {
        /// The least that will do.
        min: i64,
        /// The most that will do.
        max: i64,
    },
    /// No address of a socket.
    #[error("must be an IP address and a port, such as 127.0.0.1:8600")]
    NoAddress,
    /// None of a closed list of words.
    #[error("must be one of {}", .0.join(", "))]
    NoneOf(&'static [&'static str]),
    /// No address of a service.
    #[error("must be {0} with a host, without user, password, query or fragment")]
    NoUrl(&'static str),
    /// Encryption was left out towards another machine.
    #[error("plain {0} is accepted for this machine only (localhost, 127.0.0.1, ::1); write {0}s")]
    Unencrypted(&'static str),
    /// No symbol.
    #[error(transparent)]
    Symbol(#[from] SymbolError),
    /// A symbol named twice.
    #[error("names {0} twice")]
    Duplicate(String),
    /// A list that may not be empty.
    #[error("must name at least one")]
    Empty,
    /// A list of which less would do.
    #[error("must name at most {max}")]
    TooMany {
        /// The most that will do.
        max: usize,
    },
    /// No step of prices.
    #[error("`{0}` is no tick size: write a step of prices such as 0.5, or so many of the contract's own such as 10x")]
    NoTickSize(String),
    /// No name of a machine.
    #[error("must be a name or an address, without protocol, user or port")]
    NoHost,
    /// No origin of a web page.
    #[error("`{0}` is no origin, such as https://charts.example.com, nor `*`")]
    NoOrigin(String),
    /// No name of what is recorded.
    #[error("must be at most 256 bytes without control characters")]
    NoVenue,
    /// No path of streams.
    #[error("the path for `{0}` must be lower-case letters, such as market")]
    NoRoute(String),
    /// A part of a log filter that is neither a level nor `module=level`.
    #[error("`{0}` must be error, warn, info, debug, trace or off, or module=level")]
    NoFilter(String),
    /// Something inside a list or table is of another type.
    #[error("`{key}` takes {expected}")]
    Inside {
        /// Where inside.
        key: String,
        /// What it takes.
        expected: &'static str,
    },
    /// An exception has a key that no exception has.
    #[error("`{key}` is no key of an override; did you mean `{nearest}`?")]
    InsideUnknown {
        /// Where inside.
        key: String,
        /// The known one that looks most like it.
        nearest: &'static str,
    },
}

/// Every fault that was found; at least one.
#[derive(Debug)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `Ok` with `value` when there are no problems.
    pub(super) fn or<T>(problems: Vec<Problem>, value: T) -> Result<T, Self> {
        if problems.is_empty() { Ok(value) } else { Err(Self(problems)) }
    }

    /// In the order in which they were met.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The `known` word that takes the fewest edits to reach from `word`; the first of equals.
///
/// A key whose last part fits counts as near, whatever its section, so `listen` finds `server.listen`.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> &'a str {
    let cost = |key: &&str| edits(word, key).min(1 + 2 * edits(last_part(word), last_part(key)));
    known.into_iter().min_by_key(cost).unwrap_or_default()
}

fn last_part(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// How many characters must be put in, taken out or replaced to make `a` into `b`.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_as_by_levenshtein() {
        for (a, b, count) in [("kitten", "sitting", 3), ("flaw", "lawn", 2), ("", "abc", 3), ("same", "same", 0)] {
            assert_eq!(edits(a, b), count, "{a} {b}");
            assert_eq!(edits(b, a), count, "{b} {a}");
        }
    }

    #[test]
    fn a_right_name_in_the_wrong_section_is_near() {
        let known = ["tape", "server.listen", "server.ping_ms", "log.level"];
        assert_eq!(nearest("listen", known), "server.listen");
        assert_eq!(nearest("sevrer.listen", known), "server.listen");
        assert_eq!(nearest("server.ping", known), "server.ping_ms");
        assert_eq!(nearest("tap", known), "tape");
    }
}
