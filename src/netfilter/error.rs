//! What can go wrong with kernel rules, in the words of the tool that refused.

use std::fmt;
use std::io;

#[derive(Debug)]
pub enum Error {
    /// The command is not installed.
    Missing(String),
    /// The command could not be run.
    Run(String, io::Error),
    /// The command failed.
    Refused {
        command: String,
        /// What it wrote to standard error.
        message: String,
    },
    /// IPv6 rules were refused, and the IPv4 rules could not be set back.
    NotRolledBack {
        cause: Box<Error>,
        rollback: Box<Error>,
    },
    /// No backend can carry the rules; each with its reason.
    NoBackend(Vec<(String, Error)>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(command) => write!(f, "`{command}` is not installed"),
            Self::Run(command, error) => write!(f, "cannot run `{command}`: {error}"),
            Self::Refused { command, message } => write!(f, "`{command}` failed: {message}"),
            Self::NotRolledBack { cause, rollback } => {
                write!(
                    f,
                    "{cause}; and the IPv4 rules could not be set back: {rollback}"
                )
            }
            Self::NoBackend(refusals) => {
                f.write_str("no way to install the kernel rules:")?;
                for (backend, error) in refusals {
                    write!(f, "\n  {backend}: {error}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Error {}
