//! Arguments shared by every subcommand that loads packs and rules.

use std::path::PathBuf;

use super::Failure;
use crate::config::Config;
use crate::reload::{Cache, RulesFile, Sources};
use crate::runtime::settings;
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
    /// A rules file, each rule with its own action. Repeatable; adds to the configuration.
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    /// Sets an address or port variable, for example HOME_NET=10.0.0.0/8. Repeatable.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
    /// In which order actions of several matching rules are carried out.
    #[arg(long, value_name = "LIST")]
    pub action_order: Option<ActionOrder>,
    /// Where what is found out about rules' expressions is kept, so that the next start is faster.
    /// Without it, the daemon takes that of the configuration, and other commands keep nothing.
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Ceiling for every patch and rule: detect logs what would have been done.
    #[arg(long, value_name = "MODE", value_parser = ceiling)]
    pub mode: Option<Mode>,
}

impl RuleArgs {
    /// The configuration file or the shipped defaults, under what the flags say.
    pub fn configuration(&self) -> Result<Config, Failure> {
        let mut config = match &self.config {
            Some(path) => Config::load(path)?,
            None => Config::default(),
        };
        if !self.packs.is_empty() {
            config.packs.dirs.clone_from(&self.packs);
        }
        if let Some(order) = self.action_order {
            config.engine.action_order = order;
        }
        if let Some(mode) = self.mode {
            // A ceiling: a flag does not raise what the file has lowered.
            config.engine.mode = config.engine.mode.min(mode);
        }
        Ok(config)
    }

    /// The same for one run over given input: where packs or rules are named and no
    /// configuration is, the shipped packs are not read beside them.
    pub fn configuration_of_what_is_named(&self) -> Result<Config, Failure> {
        let mut config = self.configuration()?;
        if self.config.is_none() && self.packs.is_empty() && !self.rules.is_empty() {
            config.packs.dirs.clear();
        }
        Ok(config)
    }

    /// Where the ruleset comes from: `config` with the rules and variables of the flags.
    pub fn sources(&self, config: &Config) -> Result<Sources, Failure> {
        let mut sources = settings::sources(config)?;
        if let Some(folder) = &self.cache_dir {
            sources.cache = Cache::new(folder);
        }
        sources
            .rules
            .extend(self.rules.iter().map(RulesFile::whole));
        for (name, value) in &self.variables {
            sources
                .variables
                .set(name, value)
                .map_err(|e| Failure(format!("--var {name}={value}: {e}")))?;
        }
        Ok(sources)
    }
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
