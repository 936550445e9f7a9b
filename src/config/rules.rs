//! `[packs]` and `[[rules]]`: what is looked for.

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::verdict::Action;

/// `[packs]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Packs {
    /// Folders that hold packs, each in a folder of its own. Where two packs have one name, the
    /// folder named later wins.
    pub dirs: Vec<PathBuf>,
    /// Whether a patch must pass its own scenarios before it is loaded.
    pub test: bool,
}

impl Default for Packs {
    fn default() -> Self {
        Self {
            dirs: vec![PathBuf::from("/usr/share/stopgap/signatures")],
            test: true,
        }
    }
}

/// One `[[rules]]`: a file of rules in Suricata's language.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(deny_unknown_fields)]
pub struct RulesFile {
    pub file: PathBuf,
    /// The action that its rules get in place of their own.
    #[serde(default, deserialize_with = "action")]
    #[cfg_attr(test, serde(skip_serializing))]
    pub action: Option<Action>,
    /// Which of its rules are taken; all of them by default.
    #[serde(default)]
    pub select: Select,
}

/// A rule is taken if each test that is given holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Select {
    /// Its `sid` is one of these.
    pub sids: Vec<u32>,
    /// Its `classtype` is one of these.
    pub classtypes: Vec<String>,
    /// Its text matches this regular expression.
    #[serde(deserialize_with = "expression")]
    pub matching: Option<String>,
}

fn action<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Action>, D::Error> {
    let name = String::deserialize(d)?;
    let known = "alert, pass, drop, reject, rejectsrc, rejectdst, rejectboth";
    match name.parse() {
        Ok(action) => Ok(Some(action)),
        Err(()) => Err(Error::custom(format_args!(
            "`{name}` is not one of {known}"
        ))),
    }
}

fn expression<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(d)?;
    match regex::Regex::new(&text) {
        Ok(_) => Ok(Some(text)),
        Err(error) => {
            let error = error.to_string();
            let why = error.lines().last().unwrap_or_default();
            Err(Error::custom(format_args!(
                "this is no regular expression: {why}"
            )))
        }
    }
}
