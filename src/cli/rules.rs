//! Arguments shared by every subcommand that loads packs and rules.

use std::path::PathBuf;

use super::Failure;
use crate::config::Config;
use crate::reload::RulesFile;
use crate::verdict::{ActionOrder, Mode};

/// What is loaded, and how far it may go.
#[derive(Debug, Clone, clap::Args)]
pub struct RuleArgs {
    /// The configuration file; without it, the shipped defaults hold.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A pack, or a folder of packs. Repeatable; replaces those of the configuration.
    #[arg(long, value_name = "DIR")]
    pub packs: Vec<PathBuf>,
    /// A rules file, each rule with its own action. Repeatable.
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    /// Sets an address or port variable, for example HOME_NET=10.0.0.0/8. Repeatable.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
    /// In which order actions of several matching rules are carried out.
    #[arg(long, value_name = "LIST")]
    pub action_order: Option<ActionOrder>,
    /// Ceiling for every patch and rule: detect logs what would have been done.
    #[arg(long, value_name = "MODE", value_parser = ceiling)]
    pub mode: Option<Mode>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn ceiling(text: &str) -> Result<Mode, String> {
    match text.parse()? {
        mode @ (Mode::Detect | Mode::Prevent) => Ok(mode),
        _ => Err("is detect or prevent".to_owned()),
    }
}
