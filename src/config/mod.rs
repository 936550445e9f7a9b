//! One TOML file; each room owns its section.
//!
//! [`Config::default`] is what ships: a key that is left out, or a file that
//! is not there, means the default. `config/stopgap.toml` writes every one
//! of them out. What the file says is checked where it is read, and an error
//! names the line: nothing here depends on the rooms that use the values.

mod app_layer;
mod capture;
mod decode;
mod engine;
mod error;
mod field;
mod flow;
mod kept;
mod log;
mod rules;
mod service;

use std::path::Path;

use serde::Deserialize;

pub use app_layer::{
    AppLayer, Dnp3, Dns, Ftp, Http, Http2, Nfs, Quic, Sip, Smb, Smtp, Tls, WebSocket,
};
pub use capture::{Backend, Bypass, Capture, FailureMode, Netfilter, Placement};
pub use decode::{Decode, Tunnel};
pub use engine::{Engine, Policy, Vars};
pub use error::ConfigError;
pub use flow::{Defrag, Flow, Normalise, Profile, Stream};
pub use kept::{Datasets, HostBits, Reputation};
pub use log::Log;
pub use rules::{Packs, RulesFile, Select};
pub use service::{Control, Metrics, Reload};

/// A larger file is refused unread.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub capture: Capture,
    pub netfilter: Netfilter,
    pub bypass: Bypass,
    pub engine: Engine,
    pub policy: Policy,
    pub vars: Vars,
    pub decode: Decode,
    pub defrag: Defrag,
    pub flow: Flow,
    pub stream: Stream,
    pub normalise: Normalise,
    pub app_layer: AppLayer,
    pub packs: Packs,
    pub rules: Vec<RulesFile>,
    pub datasets: Datasets,
    pub hostbits: HostBits,
    pub reputation: Reputation,
    pub log: Log,
    pub control: Control,
    pub metrics: Metrics,
    pub reload: Reload,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// A file that cannot be read, is larger than 4 MiB or no UTF-8; and all of [`Config::parse`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let unreadable = |why: &dyn std::fmt::Display| {
            ConfigError::without_place(&name, format!("cannot read the configuration: {why}"))
        };
        let metadata = std::fs::metadata(path).map_err(|e| unreadable(&e))?;
        if metadata.len() > MAX_FILE_BYTES {
            return Err(unreadable(&format_args!(
                "it is larger than {MAX_FILE_BYTES} bytes"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(&e))?;
        Self::parse(&name, &text)
    }

    /// Reads and checks the text of a file; `name` is the file's name in errors.
    ///
    /// # Errors
    /// What is no TOML, keys that do not exist, values of the wrong type or out of range, and
    /// values that contradict each other. Each with its line and column.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        let config: Self =
            toml::from_str(text).map_err(|e| ConfigError::from_toml(name, text, &e))?;
        match config.contradiction() {
            Some((path, message)) => {
                let span = error::span_of(text, path).unwrap_or(0..0);
                Err(ConfigError::at(name, text, span, message))
            }
            None => Ok(config),
        }
    }

    /// Values that are each allowed and not together: the key to blame, and why.
    fn contradiction(&self) -> Option<([&'static str; 2], String)> {
        if let Some(message) = self.netfilter.contradiction() {
            return Some((["netfilter", "mark"], message));
        }
        if let Some((key, message)) = self.bypass.contradiction(&self.netfilter) {
            return Some((["bypass", key], message));
        }
        if let Some(message) = self.capture.contradiction() {
            return Some((["capture", "queues"], message));
        }
        if let Some(message) = self.stream.contradiction() {
            return Some((["stream", "out_of_order_bytes"], message));
        }
        if let Some((key, message)) = self.decode.contradiction() {
            return Some((["decode", key], message));
        }
        if let Some(message) = self.metrics.contradiction() {
            return Some((["metrics", "listen"], message));
        }
        None
    }
}

#[cfg(test)]
mod tests;
