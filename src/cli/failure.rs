//! How does a failed command end?

use crate::config::Problems;
use std::{
    io::{self, Write as _},
    process::ExitCode,
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The configuration is wrong; nothing was started.
    #[error(transparent)]
    Config(#[from] Problems),
    /// Something went wrong while running.
    #[error(transparent)]
    Run(#[from] anyhow::Error),
    /// It ran, and its answer, which was given, is a bad one.
    #[error("the answer is exit code {0}")]
    Answer(u8),
    /// The answer could not be written.
    #[error("standard output cannot be written")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Tells standard error, one line a fault, and gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        match self {
            Self::Config(problems) => {
                for problem in problems.iter() {
                    tell(problem.to_string().trim_end());
                }
                ExitCode::from(2)
            }
            Self::Run(error) => {
                tell(&format!("{error:#}"));
                ExitCode::FAILURE
            }
            Self::Answer(code) => ExitCode::from(*code),
            // The reader has seen enough, as in `tapedeck config show | head`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Self::Output(error) => {
                tell(&format!("{self}: {error}"));
                ExitCode::FAILURE
            }
        }
    }
}

/// Writes a line to standard error; the exit code stands even when nobody reads there.
fn tell(text: &str) {
    writeln!(io::stderr(), "tapedeck: {text}").unwrap_or_default();
}
