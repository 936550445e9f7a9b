//! What a worker may hold at most, by its configuration: one row for each table.

use super::flow_state::FlowState;
use super::policy::WorkerConfig;
use crate::detect::ThresholdTable;
use crate::flow::FlowTable;

/// Bytes that a worker's tables may take together, and each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryBound {
    /// By the name of the setting that says how much.
    pub tables: [(&'static str, u64); 5],
}

impl MemoryBound {
    pub fn of(config: &WorkerConfig) -> Self {
        let flows = FlowTable::<FlowState>::bytes_for(config.flow.max_flows);
        let thresholds = ThresholdTable::bytes_for(config.threshold_entries);
        Self {
            tables: [
                ("flow.max_flows", flows as u64),
                ("stream.pool_bytes", config.stream.pool_bytes),
                ("defrag.memory_bytes", config.defrag.memory_bytes as u64),
                ("app_layer.memory_bytes", config.app_layer_memory_bytes),
                ("thresholds", thresholds as u64),
            ],
        }
    }

    pub fn total_bytes(&self) -> u64 {
        self.tables
            .iter()
            .fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_follows_the_configuration() {
        let config = WorkerConfig::default();
        let bound = MemoryBound::of(&config);
        println!("{bound:?}");
        let mut larger = config.clone();
        larger.flow.max_flows *= 2;
        larger.stream.pool_bytes += 1_000;
        larger.app_layer_memory_bytes += 100;
        let flows = bound.tables[0].1;
        assert_eq!(
            MemoryBound::of(&larger).total_bytes(),
            bound.total_bytes() + flows + 1_100
        );
    }

    /// config/stopgap.toml and ARCHITECTURE.md say so.
    #[test]
    fn a_million_flows_fit_into_a_gigabyte() {
        let flows = 1_000_000;
        let bytes = FlowTable::<FlowState>::bytes_for(flows);
        println!("{} bytes a flow", bytes / flows);
        assert!(bytes <= 1 << 30, "{bytes}");
    }
}
