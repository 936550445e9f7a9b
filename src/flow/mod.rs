//! Bidirectional state of a 5-tuple: key, table, timeouts, eviction.

mod index;
mod key;
mod list;
mod table;

pub use key::FlowKey;
pub use table::{
    Flow, FlowId, FlowTable, FlowTableConfig, Gone, NewFlow, TableFull, TimeoutClass, Timeouts,
};
