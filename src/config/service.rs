//! `[control]`, `[metrics]` and `[reload]`: the daemon beside the data path.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use super::field::{absolute, within};

/// `[control]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// The Unix socket that `stopgap ctl` talks to.
    #[serde(deserialize_with = "absolute")]
    pub socket: PathBuf,
    /// The folder of what operators decided (modes, exceptions), kept over restarts.
    #[serde(deserialize_with = "absolute")]
    pub state_dir: PathBuf,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            socket: PathBuf::from("/run/stopgap/control.sock"),
            state_dir: PathBuf::from("/var/lib/stopgap"),
        }
    }
}

/// `[metrics]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    pub enabled: bool,
    /// Where Prometheus reads.
    pub listen: SocketAddr,
    /// Whether `listen` may be reached from other machines. The page is not protected.
    pub allow_remote: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9_466),
            allow_remote: false,
        }
    }
}

impl Metrics {
    pub(super) fn contradiction(&self) -> Option<String> {
        (!self.listen.ip().is_loopback() && !self.allow_remote).then(|| {
            format!(
                "{} is no loopback address; `allow_remote = true` opens the page to other machines",
                self.listen.ip()
            )
        })
    }
}

/// `[reload]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Reload {
    /// Whether a change in a pack's folder or a rules file starts a reload.
    pub watch: bool,
    /// Milliseconds without another change that a reload waits for.
    #[serde(deserialize_with = "within::<_, _, 10, 60_000>")]
    pub settle_ms: u64,
}

impl Default for Reload {
    fn default() -> Self {
        Self {
            watch: true,
            settle_ms: 200,
        }
    }
}
