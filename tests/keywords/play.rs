//! Traffic past a worker.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use stopgap::counters::Counters;
use stopgap::decode::{ChecksumTrust, LinkType};
use stopgap::pipeline::{
    Event, EventSink, Midstream, RawPacket, Reassembled, Reset, Worker, WorkerConfig,
};
use stopgap::reload::{Builder, Holds, Keeping, RulesFile, Sources, Strictness};
use stopgap::time::Timestamp;

use super::traffic::Traffic;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keywords/files");

/// How often the last of `rules` alerted on `traffic`. An error: a rule is not read.
pub fn alerts(rules: &[String], traffic: &Traffic) -> Result<usize, String> {
    let folder = tempfile::tempdir().unwrap();
    // Beside the rules stand the files that they name.
    for file in fs::read_dir(FILES).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let path = folder.path().join("case.rules");
    fs::write(&path, rules.join("\n")).unwrap();
    let mut sink = Watch {
        sid: sid_of(rules.last().unwrap()),
        alerts: 0,
    };
    let mut worker = worker(&path)?;
    let mut now = Timestamp::ZERO;
    for packet in &traffic.packets {
        now = Timestamp::from_secs(1_700_000_000) + packet.at;
        let raw = RawPacket {
            data: &packet.bytes,
            link: LinkType::Ethernet,
            trust: ChecksumTrust::Ignored,
            returned: false,
        };
        worker.process(&raw, now, &mut sink);
    }
    worker.finish(now, &mut sink);
    Ok(sink.alerts)
}

fn worker(rules: &Path) -> Result<Worker, String> {
    let folder = rules.parent().unwrap();
    let sources = Sources {
        rules: vec![RulesFile::whole(rules)],
        keeping: Keeping {
            categories_file: Some(folder.join("categories")),
            reputation: vec![folder.join("reputation")],
            ..Keeping::default()
        },
        ..Sources::default()
    };
    let built = Builder::new(sources, Holds::default())
        .build(Strictness::Whole)
        .map_err(|e| e.to_string())?;
    let config = WorkerConfig {
        midstream: Midstream::PickUp,
        ..WorkerConfig::default()
    };
    Ok(Worker::new(
        config,
        built.ruleset,
        Arc::new(Counters::default()),
    ))
}

fn sid_of(rule: &str) -> u32 {
    let (_, rest) = rule.rsplit_once("sid:").unwrap();
    let digits = rest.split(';').next().unwrap();
    digits.trim().parse().unwrap()
}

struct Watch {
    sid: u32,
    alerts: usize,
}

impl EventSink for Watch {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(alert) = event
            && alert.signature.id().sid == self.sid
        {
            self.alerts += 1;
        }
    }

    fn reset(&mut self, _: Reset) {}

    fn reassembled(&mut self, _: Reassembled<'_>) {}
}
