//! Values checked where they are read, so that an error knows its place.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};

/// A whole number from `MIN` to `MAX`, both included.
pub(super) fn within<'de, D, T, const MIN: u64, const MAX: u64>(
    deserializer: D,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let number = i64::deserialize(deserializer)?;
    u64::try_from(number)
        .ok()
        .filter(|n| (MIN..=MAX).contains(n))
        .and_then(|n| T::try_from(n).ok())
        .ok_or_else(|| Error::custom(format_args!("{number} is not from {MIN} to {MAX}")))
}

/// A string that `T` can read.
pub(super) fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    String::deserialize(deserializer)?
        .parse()
        .map_err(Error::custom)
}

/// A path that does not depend on where the daemon was started.
pub(super) fn absolute<'de, D>(deserializer: D) -> Result<std::path::PathBuf, D::Error>
where
    D: Deserializer<'de>,
{
    let path = std::path::PathBuf::deserialize(deserializer)?;
    if path.is_absolute() {
        Ok(path)
    } else {
        let shown = path.display();
        Err(Error::custom(format_args!(
            "`{shown}` is not an absolute path: it must begin with `/`"
        )))
    }
}
