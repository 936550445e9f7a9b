//! Bidirectional state of a 5-tuple: key, table, timeouts, eviction.

mod index;
mod key;
mod list;
mod rest;
mod slot;
mod table;

pub use key::FlowKey;
pub use rest::FlowRest;
pub use table::{
    Flow, FlowId, FlowTable, FlowTableConfig, Gone, NewFlow, TableFull, TimeoutClass, Timeouts,
};
