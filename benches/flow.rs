//! The flow table with a thousand and with a million flows: what a packet of a known flow costs, and a
//! flow that comes where the table is full.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use stopgap::flow::{FlowKey, FlowRest, FlowTable, FlowTableConfig, NewFlow, TimeoutClass};
use stopgap::time::Timestamp;

/// About what a worker keeps for each flow.
#[derive(Debug)]
struct State([u64; 64]);

impl FlowRest for State {
    type Resting = [u64; 64];

    fn lie_down(&mut self) -> Option<[u64; 64]> {
        Some(self.0)
    }

    fn get_up(resting: [u64; 64]) -> Self {
        Self(resting)
    }
}

fn new_flow(number: u32) -> NewFlow {
    let client = (
        IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)),
        40_000,
    );
    let server = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 80);
    NewFlow {
        key: FlowKey::new(client, server, 6, [0; 3]),
        client,
        server,
        class: TimeoutClass::New,
    }
}

fn full(flows: u32) -> FlowTable<State> {
    let mut table = FlowTable::new(FlowTableConfig {
        max_flows: flows as usize,
        ..FlowTableConfig::default()
    });
    for number in 0..flows {
        let inserted = table.insert(
            new_flow(number),
            Timestamp::default(),
            State([0; 64]),
            &mut |_, _| {},
        );
        assert!(inserted.is_ok());
    }
    table
}

fn bench(c: &mut Criterion) {
    let now = Timestamp::default();
    for (name, flows) in [("1k", 1_000), ("1M", 1_000_000)] {
        let mut table = full(flows);
        println!(
            "{name}: {} bytes per flow",
            FlowTable::<State>::bytes_for(flows as usize) / flows as usize
        );
        // A stride that is prime to both sizes, so that neither caches nor neighbours help.
        let mut next = 0;
        let mut any = || {
            next = (next + 7_919) % flows;
            next
        };
        c.bench_function(&format!("flow/find and touch among {name}"), |b| {
            b.iter(|| {
                let id = table.find(&new_flow(any()).key);
                if let Some(id) = id {
                    table.touch(id, TimeoutClass::New, now);
                }
                black_box(id)
            });
        });
        let mut fresh = flows;
        c.bench_function(&format!("flow/miss and insert into a full {name}"), |b| {
            b.iter(|| {
                fresh = fresh.wrapping_add(1);
                let new = new_flow(fresh);
                assert!(table.find(&new.key).is_none());
                black_box(table.insert(new, now, State([0; 64]), &mut |_, _| {}))
            });
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
