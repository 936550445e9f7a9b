//! Where a worker's events go: the log's queue, and the resets of this batch.

use crate::config;
use crate::counters::{Counter, Counters};
use crate::output::LogHandle;
use crate::pipeline::{Event, EventSink, Reset};
use std::sync::Arc;

/// Resets that one batch may ask for; the rest are counted as limited.
const MAX_RESETS_PER_BATCH: usize = 256;

#[derive(Debug)]
pub struct WorkerSink {
    log: LogHandle,
    counters: Arc<Counters>,
    /// Whether flows get a record at their end.
    flows: bool,
    resets: Vec<Reset>,
}

impl WorkerSink {
    pub fn new(log: LogHandle, counters: Arc<Counters>, config: &config::Log) -> Self {
        Self {
            log,
            counters,
            flows: config.flows,
            resets: Vec::with_capacity(MAX_RESETS_PER_BATCH),
        }
    }

    /// The resets asked for since the last call.
    pub fn resets(&mut self) -> std::vec::Drain<'_, Reset> {
        self.resets.drain(..)
    }

    pub fn wants_resets(&self) -> bool {
        !self.resets.is_empty()
    }
}

impl EventSink for WorkerSink {
    fn event(&mut self, event: Event<'_>) {
        if matches!(event, Event::Flow(_)) && !self.flows {
            return;
        }
        if !self.log.send(event.into()) {
            self.counters.add(Counter::EventsLost, 1);
        }
    }

    fn reset(&mut self, reset: Reset) {
        if self.resets.len() < MAX_RESETS_PER_BATCH {
            self.resets.push(reset);
        } else {
            self.counters.add(Counter::ResetsLimited, 1);
        }
    }
}
