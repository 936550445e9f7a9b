//! Bidirectional state of a 5-tuple: key, table, timeouts, eviction.

mod key;
mod list;
mod table;

pub use key::FlowKey;
pub use table::{
    Flow, FlowId, FlowTable, FlowTableConfig, NewFlow, TableFull, TimeoutClass, Timeouts,
};
