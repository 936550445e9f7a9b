//! Whatever finds out which rules to try, the alerts are the same: over the cases of the conformance set, and over a
//! capture of ordinary traffic. `STOPGAP_CORPUS` names the folder that has both.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stopgap::capture::pcap::CaptureReader;
use stopgap::counters::{Counter, Counters};
use stopgap::decode::ChecksumTrust;
use stopgap::detect::CompileOptions;
use stopgap::detect::prefilter::{VARIANTS, Variant};
use stopgap::output::Record;
use stopgap::parallel;
use stopgap::pipeline::{
    Event, EventSink, Midstream, RawPacket, Reassembled, Reset, Worker, WorkerConfig,
};
use stopgap::reload::{Builder, Holds, RulesFile, Sources, Strictness};
use stopgap::time::Timestamp;
use stopgap::verdict::Mode;

/// Of the traffic's time, between two looks for flows that are over.
const TICK: Duration = Duration::from_millis(100);

/// Records of alerts and of packets that were not forwarded, in their order.
#[derive(Default)]
struct Records(Vec<serde_json::Value>);

impl EventSink for Records {
    fn event(&mut self, event: Event<'_>) {
        if !matches!(event, Event::Alert(_) | Event::Drop(_)) {
            return;
        }
        let mut line = Vec::new();
        Record::from(event).write_line(&mut line);
        let mut record: serde_json::Value = serde_json::from_slice(&line).unwrap();
        // Made with a key of the worker's own.
        record.as_object_mut().unwrap().remove("flow_id");
        self.0.push(record);
    }

    fn reset(&mut self, _: Reset) {}

    fn reassembled(&mut self, _: Reassembled<'_>) {}
}

impl Records {
    fn alerts(&self) -> usize {
        self.0.iter().filter(|r| r["event_type"] == "alert").count()
    }
}

/// A capture, and how it is looked at.
struct Case {
    capture: PathBuf,
    rules: PathBuf,
    midstream: bool,
    ceiling: Mode,
}

impl Case {
    /// `None`: what the folder holds is not one capture with its rules.
    fn of(folder: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join("test.yaml")).ok()?;
        let files: Vec<PathBuf> = std::fs::read_dir(folder)
            .ok()?
            .filter_map(|f| Some(f.ok()?.path()))
            .collect();
        let only = |extensions: &[&str]| {
            let mut found = files.iter().filter(|path| {
                path.extension()
                    .is_some_and(|e| extensions.iter().any(|x| e == *x))
            });
            found.next().filter(|_| found.next().is_none()).cloned()
        };
        let says = |setting: &str| text.lines().any(|line| line.contains(setting));
        Some(Self {
            capture: only(&["pcap", "pcapng", "cap"])?,
            rules: Some(folder.join("test.rules"))
                .filter(|path| path.exists())
                .or_else(|| only(&["rules"]))?,
            midstream: says("stream.midstream=true") || says("stream.midstream=yes"),
            ceiling: if says("--simulate-ips") {
                Mode::Prevent
            } else {
                Mode::Detect
            },
        })
    }

    /// What the first `most_bytes` of the capture make of the rules.
    fn records(&self, variant: &Variant, most_bytes: u64) -> Records {
        let sources = Sources {
            rules: vec![RulesFile::whole(&self.rules)],
            ceiling: self.ceiling,
            options: CompileOptions {
                prefilter: variant.kind,
                ..CompileOptions::default()
            },
            ..Sources::default()
        };
        let built = Builder::new(sources, Holds::default())
            .build(Strictness::Start)
            .unwrap();
        let mut config = WorkerConfig {
            midstream: if self.midstream {
                Midstream::PickUp
            } else {
                Midstream::PacketsOnly
            },
            passive: self.ceiling == Mode::Detect,
            number_packets: true,
            ..WorkerConfig::default().without_budgets()
        };
        config.stream.tolerate_gaps = true;
        let counters = Arc::new(Counters::default());
        let mut worker = Worker::new(config, built.ruleset, counters.clone());
        let mut records = Records::default();
        let mut reader = CaptureReader::open(&self.capture).unwrap();
        let (mut now, mut last_tick) = (Timestamp::ZERO, Timestamp::ZERO);
        // What breaks off, or is of an unknown form, ends the capture for each variant alike.
        while let Ok(Some(frame)) = reader.next_frame() {
            now = now.max(frame.at);
            if now.since(last_tick) >= TICK {
                worker.tick(now, &mut records);
                last_tick = now;
            }
            let raw = RawPacket {
                data: frame.data,
                link: frame.link,
                trust: ChecksumTrust::Ignored,
                returned: false,
            };
            worker.process(&raw, now, &mut records);
            if counters.get(Counter::ReceivedBytes) >= most_bytes {
                break;
            }
        }
        worker.finish(now, &mut records);
        records
    }

    /// The number of alerts, or where a variant differs from the first.
    fn compare(&self, variants: &[&Variant], most_bytes: u64) -> Result<usize, String> {
        let [first, others @ ..] = variants else {
            return Ok(0);
        };
        let expected = self.records(first, most_bytes);
        for other in others {
            let got = self.records(other, most_bytes);
            if got.0 == expected.0 {
                continue;
            }
            let at = got
                .0
                .iter()
                .zip(&expected.0)
                .take_while(|(a, b)| a == b)
                .count();
            let shown = |records: &Records| {
                records
                    .0
                    .get(at)
                    .map_or("nothing".to_owned(), |r| r.to_string())
            };
            return Err(format!(
                "{}: record {at} with {} is {}, and with {} it is {}",
                self.capture.display(),
                other.name,
                shown(&got),
                first.name,
                shown(&expected)
            ));
        }
        Ok(expected.alerts())
    }
}

/// The folder and all folders in it.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let inside = std::fs::read_dir(folder).expect("the cases are there");
    let inside = inside.map(|entry| entry.unwrap().path());
    let inside = inside.filter(|path| path.is_dir());
    let mut all = vec![folder.to_owned()];
    all.extend(inside.flat_map(|path| folders(&path)));
    all
}

fn corpus() -> Option<PathBuf> {
    let corpus = std::env::var_os("STOPGAP_CORPUS");
    if corpus.is_none() {
        println!("skipped: STOPGAP_CORPUS is not set");
    }
    corpus.map(PathBuf::from)
}

fn all() -> Vec<&'static Variant> {
    VARIANTS.iter().collect()
}

#[test]
fn each_case_of_the_conformance_set_alerts_the_same_with_every_variant() {
    let Some(corpus) = corpus() else {
        return;
    };
    let folders = folders(&corpus.join("conformance/cases"));
    let cases: Vec<Case> = folders
        .iter()
        .filter_map(|folder| Case::of(folder))
        .collect();
    let compared: Vec<_> =
        parallel::map(&cases, 1, || (), |(), case| case.compare(&all(), u64::MAX)).collect();
    let differ: Vec<&String> = compared
        .iter()
        .filter_map(|result| result.as_ref().err())
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
    let alerting = compared
        .iter()
        .flatten()
        .filter(|&&alerts| alerts > 0)
        .count();
    println!("{} cases, {alerting} of them with alerts", cases.len());
    assert!(2 * alerting > cases.len());
}

/// So much of a capture is looked at that is too long for a program that is not optimised.
const MOST_BYTES: u64 = if cfg!(debug_assertions) {
    1 << 20
} else {
    u64::MAX
};

#[test]
fn ordinary_traffic_alerts_the_same_with_every_variant() {
    let Some(corpus) = corpus() else {
        return;
    };
    // One pattern after the other, and one rule after the other, take too long where rules are many.
    let fast: Vec<_> = VARIANTS
        .iter()
        .filter(|v| !["naive", "none"].contains(&v.name))
        .collect();
    for (rules, variants) in [("server-exploits", all()), ("et-open", fast)] {
        let case = Case {
            capture: corpus.join("captures/mix-benign.pcap"),
            rules: corpus.join("rules").join(rules).with_extension("rules"),
            midstream: false,
            ceiling: Mode::Prevent,
        };
        match case.compare(&variants, MOST_BYTES) {
            Ok(alerts) => println!("{rules}: {alerts} alerts"),
            Err(differs) => panic!("{rules}: {differs}"),
        }
    }
}
