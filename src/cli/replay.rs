//! `stopgap replay`: the engine over recorded traffic, as if it stood in the path.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::replay_log::ReplayLog;
use super::rule_profile;
use super::style::{self, STRONG, WARNING};
use super::{Failure, Outcome, Result, RuleArgs};
use crate::capture::pcap::{CaptureReader, CaptureWriter, Frame};
use crate::counters::{Counter, Counters};
use crate::decode::{ChecksumTrust, LinkType, apply_edit};
use crate::detect::Ruleset;
use crate::detect::prefilter::{VARIANTS, Variant};
use crate::output::StatsRecord;
use crate::pack::find_packs;
use crate::pipeline::{Midstream, RawPacket, Worker, WorkerConfig};
use crate::reload::{Builder, Holds, Sources, Strictness};
use crate::runtime::settings;
use crate::time::Timestamp;
use crate::verdict::{Mode, Verdict};

/// Of the traffic's time, between two looks for flows that are over.
const TICK: Duration = Duration::from_millis(100);
/// Of an alert's payload.
const PAYLOAD_BYTES: usize = 4096;
/// Packets between two updates of the progress bar.
const PACKETS_PER_UPDATE: u64 = 4096;

/// Run the engine over recorded traffic, as if it stood in the path.
///
/// Writes DIR/eve.json; with `[log] flows = false`, without the records of flows. Wrong checksums
/// are ignored. Without --midstream, a flow whose handshake is not in the capture is inspected
/// packet by packet only, and passes. With --mode detect the engine only looks on: every packet is
/// forwarded. Scenarios of packs are not played first (`stopgap test` does). What cannot be loaded
/// is told, and left out. The last line sums up; the seconds in it are without loading. With
/// --profile, a table tells what each rule cost: how often its fast pattern brought it up, how
/// often its tests were run, how often it matched, and how long that took.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// pcap or pcapng files, replayed one after the other.
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    #[command(flatten)]
    rules: RuleArgs,
    /// Pick up flows whose handshake is not in the capture.
    #[arg(long)]
    midstream: bool,
    /// Write the packets that were forwarded to this pcap file.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// How it is found out which rules to try. The alerts are the same with each: this is for finding a
    /// fault of the engine. With `none`, time has no budget, and a rule that cannot
    /// decide within its limits does not match.
    #[arg(long, value_name = "VARIANT", default_value = VARIANTS[0].name, value_parser = prefilter())]
    prefilter: &'static Variant,
    /// Where eve.json is written; made if it is not there.
    #[arg(long, value_name = "DIR")]
    log_dir: PathBuf,
    /// Tell what each rule cost, the most expensive first.
    #[arg(long)]
    profile: bool,
    /// Rows of that table; 0: every rule that was brought up.
    #[arg(long, value_name = "ROWS", default_value_t = 25, requires = "profile")]
    profile_rows: usize,
    /// Sum up, and tell what rules cost, in one JSON object.
    #[arg(long)]
    json: bool,
}

/// What the last line says, for programs.
#[derive(Debug, Serialize)]
struct Summary {
    packets: u64,
    bytes: u64,
    flows: u64,
    alerts: u64,
    drops: u64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<rule_profile::Report>,
}

fn prefilter() -> impl TypedValueParser<Value = &'static Variant> {
    let value = |variant: &Variant| PossibleValue::new(variant.name).help(variant.what);
    PossibleValuesParser::new(VARIANTS.iter().map(value))
        .try_map(|name| Variant::named(&name).ok_or("is no variant"))
}

pub fn run(args: Args) -> Result {
    let config = args.rules.configuration_of_what_is_named()?;
    let mut sources = args.rules.sources(&config)?;
    sources.options.prefilter = args.prefilter.kind;
    let ruleset = load(sources)?;
    let mut worker = WorkerConfig {
        midstream: if args.midstream {
            Midstream::PickUp
        } else {
            Midstream::PacketsOnly
        },
        drop_event_per_packet: true,
        alert_payload_bytes: PAYLOAD_BYTES,
        alert_packet: true,
        number_packets: true,
        passive: config.engine.mode <= Mode::Detect,
        ..settings::worker(&config)
    };
    if args.prefilter.kind.is_none() {
        worker = worker.without_budgets();
    }
    // A recording may lack packets that its receivers got.
    worker.stream.tolerate_gaps = true;
    let mut replay = Replay::new(worker, ruleset, config.log.flows, &args)?;
    let started = Instant::now();
    if args.profile {
        replay
            .worker
            .profile_rules(Box::new(move || started.elapsed()));
    }
    for capture in &args.captures {
        replay
            .capture(capture)
            .map_err(|Failure(e)| Failure(format!("{}: {e}", capture.display())))?;
    }
    replay.end(started, &args)
}

/// The ruleset of `sources`. What cannot be read at all ends the replay; what is read and wrong is
/// told and left out, as at the daemon's start.
fn load(mut sources: Sources) -> std::result::Result<Arc<Ruleset>, Failure> {
    for folder in &sources.packs {
        find_packs(folder).map_err(|d| super::failure_of(&d))?;
    }
    for file in &sources.rules {
        File::open(&file.path).map_err(|e| Failure(format!("{}: {e}", file.path.display())))?;
    }
    sources.test_packs = false;
    let built = Builder::new(sources, Holds::default()).build(Strictness::Start)?;
    let refused = built.summary.patches.iter();
    let refused = refused.filter(|patch| patch.refused.is_some()).count();
    if built.summary.cache_refused > 0 {
        style::tell_cache_refused();
    }
    for text in &built.summary.diagnostics {
        anstream::eprintln!("{text}");
    }
    if built.summary.failed + refused > 0 {
        anstream::eprintln!(
            "{WARNING}warning:{WARNING:#} {} signatures and {refused} patches are not loaded",
            built.summary.failed
        );
    }
    Ok(built.ruleset)
}

struct Replay {
    worker: Worker,
    counters: Arc<Counters>,
    log: ReplayLog,
    forwarded: Option<Forwarded>,
    epoch: u64,
    first: Option<Timestamp>,
    /// Never goes back, though a capture's own times may.
    now: Timestamp,
    last_tick: Timestamp,
}

impl Replay {
    fn new(
        config: WorkerConfig,
        ruleset: Arc<Ruleset>,
        flows: bool,
        args: &Args,
    ) -> std::result::Result<Self, Failure> {
        let counters = Arc::new(Counters::default());
        Ok(Self {
            epoch: ruleset.epoch,
            worker: Worker::new(config, ruleset, counters.clone()),
            counters,
            log: ReplayLog::create(&args.log_dir, flows)?,
            forwarded: args.write.as_deref().map(Forwarded::new),
            first: None,
            now: Timestamp::ZERO,
            last_tick: Timestamp::ZERO,
        })
    }

    fn capture(&mut self, path: &Path) -> std::result::Result<(), Failure> {
        let mut reader = CaptureReader::open(path)?;
        let bar = progress(reader.progress().1);
        let mut packets: u64 = 0;
        loop {
            let frame = match reader.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                // What was recorded before is as good as ever.
                Err(broken) if packets > 0 && broken.is_end() => {
                    anstream::eprintln!(
                        "{WARNING}warning:{WARNING:#} {}: {broken}; {packets} packets before it are replayed",
                        path.display()
                    );
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            self.frame(&frame)?;
            packets += 1;
            if packets.is_multiple_of(PACKETS_PER_UPDATE) {
                bar.set_position(reader.progress().0);
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn frame(&mut self, frame: &Frame<'_>) -> std::result::Result<(), Failure> {
        self.now = self.now.max(frame.at);
        self.first.get_or_insert(self.now);
        if self.now.since(self.last_tick) >= TICK {
            self.worker.tick(self.now, &mut self.log);
            self.last_tick = self.now;
        }
        let raw = RawPacket {
            data: frame.data,
            link: frame.link,
            trust: ChecksumTrust::Ignored,
            returned: false,
        };
        let verdict = self.worker.process(&raw, self.now, &mut self.log);
        let sent_on = self.log.sent_on();
        self.counters
            .add(Counter::FragmentsSent, sent_on.len() as u64);
        if let Some(file) = &mut self.forwarded {
            match verdict {
                Verdict::Forward => file.write(frame.at, frame.link, frame.data)?,
                Verdict::Rewrite(edit) => {
                    let mut edited = frame.data.to_vec();
                    apply_edit(&edit, &mut edited);
                    file.write(frame.at, frame.link, &edited)?;
                }
                Verdict::Drop(_) | Verdict::Held => {}
            }
            for fragment in sent_on {
                file.write(frame.at, fragment.link, &fragment.bytes)?;
            }
        }
        Ok(())
    }

    fn end(mut self, started: Instant, args: &Args) -> Result {
        self.worker.finish(self.now, &mut self.log);
        let counters = self.counters.snapshot();
        let first = self.first.unwrap_or(self.now);
        self.log.stats(StatsRecord {
            at: self.now,
            uptime: self.now.since(first).as_secs(),
            epoch: self.epoch,
            flows_active: self.worker.active_flows() as u64,
            counters,
            lost_before_us: 0,
            passed_unseen: None,
            latency_us: None,
        });
        self.log.finish()?;
        if let Some(file) = self.forwarded {
            file.finish()?;
        }
        let elapsed = started.elapsed();
        let summary = Summary {
            packets: counters.get(Counter::Received),
            bytes: counters.get(Counter::ReceivedBytes),
            flows: counters.get(Counter::FlowsCreated),
            alerts: counters.get(Counter::Alerts),
            drops: counters.dropped_total(),
            seconds: elapsed.as_secs_f64(),
            profile: args
                .profile
                .then(|| rule_profile::Report::new(&self.worker.rule_profile(), args.profile_rows)),
        };
        summary.print(args.json, elapsed)?;
        Ok(Outcome::Holds)
    }
}

impl Summary {
    fn print(&self, json: bool, elapsed: Duration) -> std::result::Result<(), Failure> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        if let Some(profile) = &self.profile {
            profile.print(elapsed);
        }
        anstream::println!(
            "{STRONG}{} packets, {} bytes, {} flows, {} alerts, {} drops, {:.3} s, {:.1} MB/s{STRONG:#}",
            self.packets,
            self.bytes,
            self.flows,
            self.alerts,
            self.drops,
            self.seconds,
            self.bytes as f64 / 1e6 / self.seconds.max(1e-6),
        );
        Ok(())
    }
}

/// What the receiver would have got, as a capture. Its link type is that of its first packet.
struct Forwarded {
    path: PathBuf,
    open: Option<(LinkType, CaptureWriter<BufWriter<File>>)>,
}

impl Forwarded {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            open: None,
        }
    }

    fn write(
        &mut self,
        at: Timestamp,
        link: LinkType,
        data: &[u8],
    ) -> std::result::Result<(), Failure> {
        let (first, writer) = match &mut self.open {
            Some(open) => open,
            None => {
                let writer = Self::create(&self.path, link)?;
                self.open.insert((link, writer))
            }
        };
        if *first != link {
            return Err(self.failure(&"a pcap file holds one link type, and the captures have two"));
        }
        let written = writer.write(at, data);
        written.map_err(|e| self.failure(&e))
    }

    fn create(
        path: &Path,
        link: LinkType,
    ) -> std::result::Result<CaptureWriter<BufWriter<File>>, Failure> {
        let file = File::create(path).map_err(|e| Failure(format!("{}: {e}", path.display())))?;
        CaptureWriter::new(BufWriter::new(file), link)
            .map_err(|e| Failure(format!("{}: {e}", path.display())))
    }

    /// Writes out what is buffered; a file without packets where nothing was forwarded.
    fn finish(mut self) -> std::result::Result<(), Failure> {
        let writer = match self.open.take() {
            Some((_, writer)) => writer,
            None => Self::create(&self.path, LinkType::Ethernet)?,
        };
        writer.finish().map(|_| ()).map_err(|e| self.failure(&e))
    }

    fn failure(&self, what: &dyn std::fmt::Display) -> Failure {
        Failure(format!("{}: {what}", self.path.display()))
    }
}

/// Shown where standard error is a terminal.
fn progress(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta}") {
        bar.set_style(style);
    }
    bar
}
