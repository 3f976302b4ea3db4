//! Who gave a key its value?

use std::{fmt, path::Path, sync::Arc};

/// Who gave a key its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: it is as built in.
    Default,
    /// A line of a file.
    File(Arc<Path>, usize),
    /// A variable of the environment.
    Env(String),
    /// A flag, with its dashes.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "file:{}:{line}", path.display()),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::Flag(name) => write!(f, "flag:{name}"),
        }
    }
}
