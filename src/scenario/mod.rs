//! Packets built from a readable scenario and run through an engine.
//!
//! A [`Scenario`] is a short TOML file that a reviewer can read: a transport, a
//! server port and the messages of both ends in order. [`variants`] are the
//! ways to put the same bytes on the wire; [`run`] plays one of them past an
//! [`Engine`], reassembles what was forwarded as the receiver would, and
//! judges by that: an attack must not have arrived, a look-alike must.

mod bytes;
mod diagnostic;
mod model;
mod receiver;
mod run;
mod variant;
mod wire;

pub use diagnostic::{Diagnostics, error_at, from_toml, whole_file};
pub use model::{
    MAX_MESSAGES, MAX_SCENARIO_BYTES, Message, Scenario, ScenarioFiles, Side, Transport,
};
pub use run::{Engine, Expectation, FiredSignature, Outcome, VariantResult, run};
pub use variant::{ContentPattern, Segmentation, Sending, Variant, Variants, variants};
