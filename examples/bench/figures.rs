//! The figures: what is varied, and what comes of it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use crate::Fallible;
use crate::alone::{self, LIVES};
use crate::engine::{Engine, ruleset};
use crate::report::{Axes, Report, median};
use crate::traffic::{Capture, bulk, keep_alive};

pub struct Figure {
    pub name: &'static str,
    pub title: &'static str,
    pub needs_corpus: bool,
    pub measure: fn(&Setting) -> Fallible<Report>,
}

pub const FIGURES: &[Figure] = &[
    Figure {
        name: "rules",
        title: "Throughput against number of rules (mixed capture)",
        needs_corpus: true,
        measure: rules,
    },
    Figure {
        name: "flows",
        title: "Throughput against concurrent flows (keep-alive HTTP, core pack)",
        needs_corpus: false,
        measure: flows,
    },
    Figure {
        name: "sizes",
        title: "Throughput against packet size (one connection, core pack)",
        needs_corpus: false,
        measure: sizes,
    },
    Figure {
        name: "load",
        title: "Loading rules: time, cold and from the cache, and memory",
        needs_corpus: true,
        measure: load,
    },
    Figure {
        name: "idle",
        title: "Memory of an idle flow (core pack)",
        needs_corpus: false,
        measure: idle,
    },
    Figure {
        name: "reload",
        title: "One rule pushed on top of a ruleset: until it is compiled in",
        needs_corpus: true,
        measure: reload,
    },
    Figure {
        name: "latency",
        title: "Time of a packet in the worker (mixed capture)",
        needs_corpus: true,
        measure: latency,
    },
];

/// All rules of the corpus stand last: how many they are is counted.
const RULES: [usize; 4] = [0, 1000, 5000, 10_000];
const FLOWS: [u32; 4] = [1000, 10_000, 100_000, 1_000_000];
const SIZES: [usize; 6] = [64, 256, 512, 1024, 1448, 16_384];
/// Exchanges timed for each point.
const EXCHANGES: u64 = 300_000;
/// Bytes timed for each packet size, and packets at least.
const BULK_BYTES: usize = 100_000_000;
const BULK_PACKETS: usize = 200_000;

/// What all figures are measured with.
pub struct Setting {
    pub rounds: usize,
    pub corpus: Option<PathBuf>,
    folder: tempfile::TempDir,
    bar: RefCell<Option<ProgressBar>>,
}

impl Setting {
    pub fn new(rounds: usize) -> Fallible<Self> {
        Ok(Self {
            rounds: rounds.max(1),
            corpus: std::env::var_os("STOPGAP_CORPUS").map(PathBuf::from),
            folder: tempfile::tempdir()?,
            bar: RefCell::new(None),
        })
    }

    fn corpus(&self, file: &str) -> Fallible<PathBuf> {
        let corpus = self.corpus.as_ref().ok_or("STOPGAP_CORPUS is not set")?;
        Ok(corpus.join(file))
    }

    fn capture(&self) -> Fallible<Capture> {
        Capture::read(&self.corpus("captures/mix-benign.pcap")?)
    }

    /// Files of so many rules each, spread evenly over the corpus's, and of all of them.
    fn rules(&self) -> Fallible<Vec<(usize, PathBuf)>> {
        let text = std::fs::read_to_string(self.corpus("rules/et-open.rules")?)?;
        let is_rule = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
        let all: Vec<&str> = text.lines().filter(is_rule).collect();
        let mut files = Vec::new();
        for count in RULES
            .into_iter()
            .filter(|n| *n < all.len())
            .chain([all.len()])
        {
            let path = self.folder.path().join(format!("{count}.rules"));
            let picked = (0..count).filter_map(|n| all.get(n * all.len() / count));
            let picked: Vec<&str> = picked.copied().collect();
            std::fs::write(&path, picked.join("\n") + "\n")?;
            files.push((count, path));
        }
        Ok(files)
    }

    /// Tells how far the figure is, where standard error is a terminal.
    fn expect(&self, steps: usize) {
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {elapsed}");
        let bar = ProgressBar::new(steps as u64);
        if let Ok(style) = style {
            bar.set_style(style);
        }
        *self.bar.borrow_mut() = Some(bar);
    }

    fn step(&self, what: &str) {
        if let Some(bar) = &*self.bar.borrow() {
            bar.set_message(what.to_owned());
            bar.inc(1);
        }
    }

    pub fn done(&self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    /// The medians of each point's measurements. Rounds go over all points, so that what disturbs the
    /// machine for a while disturbs all of them.
    fn medians<P>(
        &self,
        points: &mut [P],
        name: impl Fn(&P) -> String,
        mut measure: impl FnMut(&mut P) -> Fallible<f64>,
    ) -> Fallible<Vec<f64>> {
        self.expect(points.len() * self.rounds);
        let mut values = vec![Vec::new(); points.len()];
        for _ in 0..self.rounds {
            for (point, values) in points.iter_mut().zip(&mut values) {
                self.step(&name(point));
                values.push(measure(point)?);
            }
        }
        Ok(values.into_iter().map(median).collect())
    }
}

/// Adds a column: each value beside the one of the row with `first`.
fn ratio(values: &[f64], at: usize, first: usize) -> f64 {
    values[at] / values.get(first).copied().unwrap_or(f64::NAN)
}

/// How much less the last point has than another, in percent.
fn fall(values: &[f64], from: usize) -> f64 {
    let (first, last) = (values[from], values[values.len() - 1]);
    100.0 * (1.0 - last / first)
}

fn rules(setting: &Setting) -> Fallible<Report> {
    let capture = setting.capture()?;
    let mut points = Vec::new();
    for (count, path) in setting.rules()? {
        let rules = ruleset((count > 0).then_some(&*path))?;
        points.push((count, Engine::new(rules, 262_144)));
    }
    let megabytes = capture.bytes as f64 / 1e6;
    // What is built when it is first met is not of the steady state.
    for (_, engine) in &mut points {
        engine.play(&capture, |_| ());
    }
    let speeds = setting.medians(
        &mut points,
        |(count, _)| format!("{count} rules"),
        |(_, engine)| Ok(megabytes / engine.play(&capture, |_| ())),
    )?;
    let mut report = Report::new(&["rules", "MB/s", "to the first"]);
    for (at, (count, _)) in points.iter().enumerate() {
        report
            .rows
            .push(vec![*count as f64, speeds[at], ratio(&speeds, at, 0)]);
    }
    report.plot = Some(Axes {
        y: "MB/s of one worker",
        logarithmic: false,
        columns: vec![1],
    });
    let last = points.last().map_or(0, |(count, _)| *count);
    report.notes.push(format!(
        "from {} to {last} rules: {:.1} % less (bar: less than 25 %)",
        RULES[1],
        fall(&speeds, 1)
    ));
    Ok(report)
}

fn flows(setting: &Setting) -> Fallible<Report> {
    let connection = keep_alive();
    let rules = ruleset(None)?;
    let mut points = Vec::new();
    for flows in FLOWS {
        let mut engine = Engine::new(rules.clone(), flows as usize);
        engine.open(&connection, 80, flows);
        // Each flow has been used once before it is timed.
        let next = u64::from(flows);
        engine.exchange(&connection, 80, flows, 0..next);
        points.push((flows, engine, next));
    }
    let packets = (EXCHANGES * connection.exchange.len() as u64) as f64;
    let speeds = setting.medians(
        &mut points,
        |(flows, ..)| format!("{flows} flows"),
        |(flows, engine, next)| {
            let seconds = engine.exchange(&connection, 80, *flows, *next..*next + EXCHANGES);
            *next += EXCHANGES;
            Ok(packets / seconds / 1e3)
        },
    )?;
    let mut report = Report::new(&["flows", "thousand packets/s", "to the first"]);
    for (at, (flows, engine, _)) in points.iter().enumerate() {
        if engine.dropped() > 0 || engine.flows() != *flows as usize {
            return Err("packets were dropped, or flows lost".into());
        }
        report
            .rows
            .push(vec![f64::from(*flows), speeds[at], ratio(&speeds, at, 0)]);
    }
    report.plot = Some(Axes {
        y: "thousand packets/s of one worker",
        logarithmic: true,
        columns: vec![1],
    });
    report.notes.push(format!(
        "from {} to {} flows: {:.1} % less (bar: less than 30 %)",
        FLOWS[0],
        FLOWS[FLOWS.len() - 1],
        fall(&speeds, 0)
    ));
    Ok(report)
}

fn sizes(setting: &Setting) -> Fallible<Report> {
    let rules = ruleset(None)?;
    let mut points: Vec<_> = SIZES.into_iter().map(|size| (size, bulk(size))).collect();
    let exchanges = |size: usize| (BULK_BYTES / size).min(BULK_PACKETS) as u64;
    let seconds = setting.medians(
        &mut points,
        |(size, _)| format!("{size} bytes"),
        |(size, connection)| {
            // Each on a connection of its own, so that all are inspected alike.
            let mut engine = Engine::new(rules.clone(), 1024);
            engine.open(connection, 5001, 1);
            let seconds = engine.exchange(connection, 5001, 1, 0..exchanges(*size));
            if engine.dropped() > 0 {
                return Err("packets were dropped".into());
            }
            Ok(seconds)
        },
    )?;
    let mut report = Report::new(&["payload bytes", "Gbit/s", "thousand packets/s"]);
    for ((size, connection), seconds) in points.iter().zip(seconds) {
        let count = exchanges(*size) as f64;
        let packets = count * connection.exchange.len() as f64;
        report.rows.push(vec![
            *size as f64,
            count * *size as f64 * 8.0 / seconds / 1e9,
            packets / seconds / 1e3,
        ]);
    }
    report.plot = Some(Axes {
        y: "Gbit/s of payload, one worker",
        logarithmic: true,
        columns: vec![1],
    });
    Ok(report)
}

fn load(setting: &Setting) -> Fallible<Report> {
    let files = setting.rules()?;
    let mut report = Report::new(&[
        "rules",
        "cold s",
        "from cache s",
        "cold : cache",
        "peak MB",
        "kept MB",
        "signatures",
    ]);
    setting.expect(files.len() * (2 * setting.rounds + 1));
    for (count, path) in &files {
        let path = path.to_string_lossy();
        let cache = tempfile::tempdir_in(setting.folder.path())?;
        let cache = cache.path().to_string_lossy();
        let what = format!("{count} rules");
        let all = |arguments: &[&str]| -> Fallible<Vec<Vec<f64>>> {
            (0..setting.rounds)
                .map(|_| {
                    setting.step(&what);
                    alone::ask(arguments)
                })
                .collect()
        };
        let cold = all(&["load", &path])?;
        // The first one fills the cache.
        setting.step(&what);
        alone::ask(&["load", &path, &cache])?;
        let warm = all(&["load", &path, &cache])?;
        let of = |runs: &[Vec<f64>], at: usize| median(runs.iter().map(|run| run[at]).collect());
        let (cold_s, warm_s) = (of(&cold, 0), of(&warm, 0));
        report.rows.push(vec![
            *count as f64,
            cold_s,
            warm_s,
            cold_s / warm_s,
            of(&cold, 1) / 1e6,
            of(&cold, 2) / 1e6,
            of(&cold, 3),
        ]);
    }
    report.plot = Some(Axes {
        y: "seconds",
        logarithmic: false,
        columns: vec![1, 2],
    });
    Ok(report)
}

fn idle(setting: &Setting) -> Fallible<Report> {
    let flows = FLOWS[FLOWS.len() - 1];
    let mut report = Report::new(&["flows", "bytes/flow"]);
    setting.expect(LIVES.len());
    for (life, title) in LIVES {
        setting.step(title);
        let bytes = alone::ask(&["flows", &flows.to_string(), life])?[0];
        report.labels.push(title.to_owned());
        report.rows.push(vec![f64::from(flows), bytes]);
    }
    report
        .notes
        .push("resident memory, table and index included (bar: under 512 bytes)".to_owned());
    Ok(report)
}

fn reload(setting: &Setting) -> Fallible<Report> {
    let mut files = setting.rules()?;
    let patch = setting.folder.path().join("pushed.rules");
    let mut peaks = Vec::new();
    let seconds = setting.medians(
        &mut files,
        |(count, _)| format!("{count} rules"),
        |(_, path)| {
            let said = alone::ask(&["reload", &path.to_string_lossy(), &patch.to_string_lossy()])?;
            peaks.push(said[1]);
            Ok(said[0])
        },
    )?;
    let mut report = Report::new(&["rules", "ms", "peak memory, to before"]);
    for (at, (count, _)) in files.iter().enumerate() {
        let of_file = peaks.iter().skip(at).step_by(files.len()).copied();
        report.rows.push(vec![
            *count as f64,
            seconds[at] * 1e3,
            median(of_file.collect()),
        ]);
    }
    report.plot = Some(Axes {
        y: "ms",
        logarithmic: false,
        columns: vec![1],
    });
    Ok(report)
}

/// In percent: the part of packets that took no longer.
const PARTS: [f64; 7] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

fn latency(setting: &Setting) -> Fallible<Report> {
    let capture = setting.capture()?;
    let open = setting.corpus("rules/et-open.rules")?;
    let server = setting.corpus("rules/server-exploits.rules")?;
    let sets: [(&str, Option<&Path>); 3] = [
        ("core pack", None),
        ("server-exploits", Some(&server)),
        ("et-open", Some(&open)),
    ];
    let mut columns = vec!["% of packets".to_owned()];
    let mut distributions = Vec::new();
    setting.expect(sets.len() * (setting.rounds + 1));
    for (name, rules) in sets {
        let mut engine = Engine::new(ruleset(rules)?, 262_144);
        setting.step(name);
        engine.play(&capture, |_| ());
        let mut times = Vec::with_capacity(capture.packets.len() * setting.rounds);
        for _ in 0..setting.rounds {
            setting.step(name);
            engine.play(&capture, |time| times.push(time.as_nanos() as f64 / 1e3));
        }
        times.sort_by(f64::total_cmp);
        columns.push(format!("{name} µs"));
        distributions.push(PARTS.map(|part| {
            let at = (part / 100.0 * times.len() as f64) as usize;
            times.get(at.min(times.len() - 1)).copied().unwrap_or(0.0)
        }));
    }
    let mut report = Report::new(&[]);
    report.columns = columns;
    for (at, part) in PARTS.iter().enumerate() {
        let row = distributions.iter().map(|times| times[at]);
        report.rows.push([*part].into_iter().chain(row).collect());
    }
    report.plot = Some(Axes {
        y: "µs",
        logarithmic: false,
        columns: vec![1, 2, 3],
    });
    Ok(report)
}
