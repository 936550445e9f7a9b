//! `[engine]`, `[policy]` and `[vars]`: what is done with what is found.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::field::{parsed, within};
use crate::verdict::{ActionOrder, ExceptionPolicy, Mode};

/// `[engine]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Engine {
    /// The ceiling for every patch and rule.
    pub mode: Mode,
    /// In which order the actions of several matching rules are carried out.
    #[serde(deserialize_with = "parsed")]
    #[cfg_attr(test, serde(serialize_with = "super::tests::action_order"))]
    pub action_order: ActionOrder,
    /// Bytes of a stream before its newest that a match may reach back to.
    #[serde(deserialize_with = "within::<_, _, 256, 1_048_576>")]
    pub stream_window_bytes: u32,
    /// Microseconds of each second of a worker that one rule may take. 0: as many as it wants.
    #[serde(deserialize_with = "within::<_, _, 0, 1_000_000>")]
    pub rule_budget_us: u32,
    /// Seconds for which a rule that took more is not asked.
    #[serde(deserialize_with = "within::<_, _, 1, 3_600>")]
    pub rule_suspended_secs: u32,
    /// Microseconds that rules may take for one flow beyond what its bytes pay for. 0: as many as
    /// they want.
    #[serde(deserialize_with = "within::<_, _, 0, 65_000>")]
    pub flow_budget_us: u32,
    /// A file of `threshold`, `suppress` and `rate_filter` lines. Empty: none.
    pub threshold_file: PathBuf,
    /// Where the daemon keeps what it found out about rules' expressions. Empty: nowhere.
    pub cache_dir: PathBuf,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            mode: Mode::Prevent,
            action_order: ActionOrder::default(),
            stream_window_bytes: 8 << 10,
            rule_budget_us: 200_000,
            rule_suspended_secs: 10,
            flow_budget_us: 50_000,
            threshold_file: PathBuf::new(),
            cache_dir: "/var/cache/stopgap".into(),
        }
    }
}

/// `[policy]`: what happens where the engine cannot decide.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// A new flow, and no flow in the table that could make room.
    pub flow_table_full: ExceptionPolicy,
    /// Out-of-order or unacknowledged bytes beyond what `[stream]` allows.
    pub reassembly_memory: ExceptionPolicy,
    /// A transaction that a parser had to give up.
    pub parser_error: ExceptionPolicy,
    /// Bytes of a flow whose parser may not take more memory, by `[app_layer] memory_bytes`.
    pub app_layer_memory: ExceptionPolicy,
    /// Something that a rule wants to keep (`[datasets]`, `[hostbits]`), and no room for it.
    pub kept_full: ExceptionPolicy,
    /// Rules that could not decide within their limits or were suspended, and flows that took too
    /// long (`[engine]`).
    pub time_budget: ExceptionPolicy,
    /// Tunnels nested deeper than `[decode]` allows.
    pub tunnel_depth: ExceptionPolicy,
    /// An IP fragment, and no room in what `[defrag]` allows. `drop`: the oldest incomplete
    /// datagram gives way. `pass`: the fragment is forwarded as it is.
    pub defrag_memory: ExceptionPolicy,
    /// The engine itself failed on a packet; the rest of its flow is treated alike.
    pub internal_error: ExceptionPolicy,
    /// A TCP client that goes on after its SYN without an answer having passed here.
    pub asymmetric: ExceptionPolicy,
    /// A TCP flow whose handshake was not seen, after the time of grace.
    pub midstream: ExceptionPolicy,
    /// Seconds after the start in which such flows are picked up and inspected from there on.
    #[serde(deserialize_with = "within::<_, _, 0, 86_400>")]
    pub midstream_grace_secs: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            flow_table_full: ExceptionPolicy::Drop,
            reassembly_memory: ExceptionPolicy::Drop,
            parser_error: ExceptionPolicy::Drop,
            app_layer_memory: ExceptionPolicy::Drop,
            kept_full: ExceptionPolicy::Pass,
            time_budget: ExceptionPolicy::Drop,
            tunnel_depth: ExceptionPolicy::Drop,
            defrag_memory: ExceptionPolicy::Drop,
            internal_error: ExceptionPolicy::Drop,
            asymmetric: ExceptionPolicy::Drop,
            midstream: ExceptionPolicy::Drop,
            midstream_grace_secs: 60,
        }
    }
}

/// `[vars.address]` and `[vars.port]`: what is set here replaces the shipped variable of that name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Vars {
    #[serde(deserialize_with = "variables")]
    pub address: BTreeMap<String, String>,
    #[serde(deserialize_with = "variables")]
    pub port: BTreeMap<String, String>,
}

fn variables<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    d.deserialize_map(Variables)
}

struct Variables;

impl<'de> Visitor<'de> for Variables {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names of variables with strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = BTreeMap::new();
        while let Some(Name(name)) = map.next_key()? {
            let Value(value) = map.next_value()?;
            all.insert(name, value);
        }
        Ok(all)
    }
}

struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(Error::custom(
                "the name of a variable has letters, digits, `_` and `-` only, and no `$`",
            ));
        }
        Ok(Self(name))
    }
}

struct Value(String);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = String::deserialize(d)?;
        if value.trim().is_empty() {
            return Err(Error::custom("a variable needs a value"));
        }
        Ok(Self(value))
    }
}
