//! Where a worker's events go: the log's queue, and the resets and datagrams of this batch.

use std::ops::Range;
use std::sync::Arc;

use crate::config;
use crate::counters::{Counter, Counters};
use crate::decode::Wrapping;
use crate::defrag::Cut;
use crate::output::LogHandle;
use crate::pipeline::{Event, EventSink, Reassembled, Reset};

/// Resets that one batch may ask for; the rest are counted as limited.
const MAX_RESETS_PER_BATCH: usize = 256;

#[derive(Debug)]
pub struct WorkerSink {
    log: LogHandle,
    counters: Arc<Counters>,
    /// Whether flows get a record at their end.
    flows: bool,
    resets: Vec<Reset>,
    datagrams: Datagrams,
}

/// Datagrams to be sent in fragments; no more than a batch has packets.
#[derive(Debug, Default)]
pub struct Datagrams {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    header: Range<usize>,
    datagram: Range<usize>,
    wrapping: Wrapping,
    cut: Cut,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct ToCut<'a> {
    /// Headers of the tunnels that each fragment goes through.
    pub header: &'a [u8],
    pub wrapping: &'a Wrapping,
    pub datagram: &'a [u8],
    pub cut: &'a Cut,
}

impl Datagrams {
    pub fn iter(&self) -> impl Iterator<Item = ToCut<'_>> {
        self.places.iter().filter_map(|place| {
            Some(ToCut {
                header: self.bytes.get(place.header.clone())?,
                wrapping: &place.wrapping,
                datagram: self.bytes.get(place.datagram.clone())?,
                cut: &place.cut,
            })
        })
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }
}

impl WorkerSink {
    pub fn new(log: LogHandle, counters: Arc<Counters>, config: &config::Log) -> Self {
        Self {
            log,
            counters,
            flows: config.flows,
            resets: Vec::with_capacity(MAX_RESETS_PER_BATCH),
            datagrams: Datagrams::default(),
        }
    }

    /// The resets asked for since the last call.
    pub fn resets(&mut self) -> std::vec::Drain<'_, Reset> {
        self.resets.drain(..)
    }

    pub fn wants_resets(&self) -> bool {
        !self.resets.is_empty()
    }

    pub fn datagrams(&mut self) -> &mut Datagrams {
        &mut self.datagrams
    }
}

impl EventSink for WorkerSink {
    fn event(&mut self, event: Event<'_>) {
        if matches!(event, Event::Flow(_)) && !self.flows {
            return;
        }
        if let Event::Suspended(rule) = &event {
            let id = rule.signature.id();
            tracing::warn!(
                "rule {}:{} took {} µs of a worker in one second and is suspended for {} s",
                id.gid,
                id.sid,
                rule.spent_us,
                rule.secs
            );
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

    fn reassembled(&mut self, datagram: Reassembled<'_>) {
        let Datagrams { bytes, places } = &mut self.datagrams;
        let start = bytes.len();
        bytes.extend_from_slice(datagram.link_header);
        let middle = bytes.len();
        bytes.extend_from_slice(datagram.datagram);
        places.push(Place {
            header: start..middle,
            datagram: middle..bytes.len(),
            wrapping: datagram.wrapping,
            cut: datagram.cut,
        });
    }
}
