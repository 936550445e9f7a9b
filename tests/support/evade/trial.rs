//! The catalogue, run: without Stopgap, with it, and with it weakened on purpose.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::super::Fallible;
use super::super::daemon::{Daemon, Setup};
use super::super::eve;
use super::super::netns::Family;
use super::case::{Case, Kind, Lands, MARKER};
use super::driver::{Driver, Job, Outcome};
use super::place::{Place, Tracking};

/// How Stopgap is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    Stopgap,
    /// It sees packets instead of streams, and lets through what it does not understand: if the harness
    /// reports nothing then, it is blind.
    Weak,
}

impl Guard {
    /// Rules against the marker.
    pub fn setup(self, place: &Place) -> Fallible<Setup> {
        let marker = String::from_utf8_lossy(MARKER).into_owned();
        self.setup_against(place, &[("tcp", marker.clone()), ("udp", marker)])
    }

    /// A rule for each text, over a protocol.
    pub fn setup_against(self, place: &Place, texts: &[(&str, String)]) -> Fallible<Setup> {
        let mut rules = String::new();
        for (at, (protocol, text)) in texts.iter().enumerate() {
            let words = match (self, *protocol) {
                (Self::Weak, "tcp") => "flow:no_stream; ",
                _ => "",
            };
            let _ = writeln!(
                rules,
                "drop {protocol} any any -> any any (msg:\"forbidden\"; {words}content:\"{text}\"; sid:{}; rev:1;)",
                at + 1
            );
        }
        let file = place.lab.folder().join("forbidden.rules");
        fs::write(&file, rules)?;
        let extra_config = match self {
            Self::Stopgap => "",
            Self::Weak => {
                "\n[policy]\ndefrag_memory = \"pass\"\nmidstream = \"pass\"\n\n[defrag]\nmax_datagrams = 16\n"
            }
        };
        Ok(Setup {
            extra_config: extra_config.to_owned(),
            ..Setup::with_rules(&file)
        })
    }

    /// What must be done once Stopgap runs.
    pub fn prepare(self, driver: &mut Driver<'_>) -> Fallible<()> {
        match self {
            Self::Stopgap => Ok(()),
            Self::Weak => fill_defragmenter(driver),
        }
    }
}

/// Attack and benign twin of one case.
#[derive(Clone, Debug)]
pub struct Pair {
    pub attack: Outcome,
    pub twin: Outcome,
}

/// One case over one family.
#[derive(Clone, Debug)]
pub struct Row<'c> {
    pub case: &'c Case,
    pub family: Family,
    /// Without Stopgap.
    pub alone: Pair,
    pub guarded: Option<Pair>,
    /// Drop reasons and alerts in the log that name this run, attack and twin.
    pub reasons: [BTreeSet<String>; 2],
    /// The counter of the stated policy under which the case may land has counted.
    pub by_policy: bool,
}

pub fn holds_marker(bytes: &[u8]) -> bool {
    bytes.windows(MARKER.len()).any(|window| window == MARKER)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twin {
    /// Linux alone delivers nothing either.
    Nothing,
    Arrived,
    /// It did not arrive, and need not.
    Refused,
    Blocked,
}

pub fn twin_of(case: &Case, alone: &Pair, guarded: Option<&Pair>) -> Twin {
    let alone = &alone.twin.got;
    match guarded {
        _ if alone.is_empty() => Twin::Nothing,
        Some(pair) if pair.twin.got == *alone => Twin::Arrived,
        // Where the receiver alone takes an insertion for the payload, the honest bytes are as good.
        Some(pair) if pair.twin.got == case.payload(false) => Twin::Arrived,
        Some(_) if case.twin_may_fail => Twin::Refused,
        Some(_) => Twin::Blocked,
        None => Twin::Arrived,
    }
}

impl Row<'_> {
    pub fn landed_alone(&self) -> bool {
        holds_marker(&self.alone.attack.got)
    }

    /// Linux does something else than the catalogue says.
    pub fn differs(&self) -> bool {
        match self.case.lands {
            Lands::Yes => !self.landed_alone(),
            Lands::No => self.landed_alone(),
            Lands::Either => false,
        }
    }

    pub fn lost(&self) -> bool {
        !self.by_policy
            && self
                .guarded
                .as_ref()
                .is_some_and(|pair| holds_marker(&pair.attack.got))
    }

    pub fn twin(&self) -> Twin {
        twin_of(self.case, &self.alone, self.guarded.as_ref())
    }

    fn json(&self) -> Value {
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(200)..]).into_owned()
        };
        json!({
            "case": self.case.number,
            "title": self.case.title,
            "family": self.family.name(),
            "catalogue": self.case.lands.name(),
            "alone": { "attack": text(&self.alone.attack.got), "landed": self.landed_alone(),
                       "twin": text(&self.alone.twin.got) },
            "guarded": self.guarded.as_ref().map(|pair| json!({
                "attack": text(&pair.attack.got), "lost": self.lost(), "by_policy": self.by_policy,
                "twin": text(&pair.twin.got), "twin_verdict": format!("{:?}", self.twin()).to_lowercase(),
                "attack_reasons": self.reasons[0], "twin_reasons": self.reasons[1],
            })),
        })
    }
}

/// The cases and families a filter leaves: numbers that begin with one of the words.
pub fn select<'c>(cases: &'c [Case], only: &[String], slow: bool) -> Vec<(&'c Case, Family)> {
    cases
        .iter()
        .filter(|case| case.kind != Kind::None && (slow || !case.slow))
        .filter(|case| only.is_empty() || only.iter().any(|word| case.number.starts_with(word)))
        .flat_map(|case| case.families.iter().map(move |family| (case, *family)))
        .collect()
}

/// Attack and twin of each.
pub fn run_pairs(driver: &mut Driver<'_>, cases: &[(&Case, Family)]) -> Fallible<Vec<Pair>> {
    let jobs: Vec<Job> = cases
        .iter()
        .flat_map(|(case, family)| [true, false].map(|evil| Job::of(case, *family, evil)))
        .collect();
    let mut outcomes = driver.run(&jobs, |_| {})?.into_iter();
    let mut pairs = Vec::with_capacity(cases.len());
    while let (Some(attack), Some(twin)) = (outcomes.next(), outcomes.next()) {
        pairs.push(Pair { attack, twin });
    }
    Ok(pairs)
}

/// Runs the selected cases alone and then, if there is one, behind the guard.
pub fn run<'c>(
    cases: &[(&'c Case, Family)],
    tracking: Tracking,
    guard: Option<Guard>,
) -> Fallible<Vec<Row<'c>>> {
    let place = Place::new(tracking)?;
    place.widen_tracker()?;
    let mut driver = Driver::new(&place)?;
    let started = Instant::now();
    let alone = run_pairs(&mut driver, cases)?;
    eprintln!(
        "{} runs without Stopgap, {}: {:.1?}",
        cases.len() * 2,
        tracking.name(),
        started.elapsed()
    );
    let mut rows: Vec<Row<'c>> = cases
        .iter()
        .zip(alone)
        .map(|((case, family), alone)| Row {
            case,
            family: *family,
            alone,
            guarded: None,
            reasons: [BTreeSet::new(), BTreeSet::new()],
            by_policy: false,
        })
        .collect();
    let Some(guard) = guard else {
        return Ok(rows);
    };
    let daemon = Daemon::start(&place.lab, &guard.setup(&place)?)?;
    guard.prepare(&mut driver)?;
    let started = Instant::now();
    let guarded = run_pairs(&mut driver, cases)?;
    eprintln!(
        "{} runs with {guard:?}, {}: {:.1?}",
        cases.len() * 2,
        tracking.name(),
        started.elapsed()
    );
    let stats = daemon.stats()?;
    eprintln!("dropped: {}", drops(&stats));
    for (row, pair) in rows.iter_mut().zip(guarded) {
        row.guarded = Some(pair);
        row.by_policy =
            row.case.policy.as_ref().is_some_and(|counter| {
                eve::find(&stats, counter).and_then(Value::as_u64) > Some(0)
            });
    }
    let log = daemon.log_dir().join("eve.json");
    end(daemon)?;
    let reasons = reasons(&log);
    for row in &mut rows {
        if let Some(pair) = &row.guarded {
            let of = |outcome: &Outcome| {
                let (tunnel, _) = Place::tunnel_ends(outcome.address);
                let found = [outcome.address, tunnel].map(|end| reasons.get(&end).cloned());
                found.into_iter().flatten().flatten().collect()
            };
            row.reasons = [of(&pair.attack), of(&pair.twin)];
        }
    }
    Ok(rows)
}

/// The drop counters that have counted.
fn drops(stats: &Value) -> String {
    let counters = eve::find(stats, "dropped_packets").and_then(Value::as_object);
    let counted = counters
        .into_iter()
        .flatten()
        .filter(|(_, n)| n.as_u64() > Some(0));
    let texts: Vec<String> = counted.map(|(reason, n)| format!("{reason} {n}")).collect();
    texts.join(", ")
}

/// First fragments that nothing follows, more than a weak Stopgap keeps: what comes next is let through.
fn fill_defragmenter(driver: &mut Driver<'_>) -> Fallible<()> {
    let filler = Case::parse("0 v4 udp not may | filler", "udp frag=0-16")?;
    let jobs: Vec<Job> = (0..200)
        .map(|_| Job::of(&filler, Family::V4, false))
        .collect();
    driver.run(&jobs, |_| {}).map(|_| ())
}

/// Ends a daemon, whose books must balance.
pub fn end(daemon: Daemon) -> Fallible<()> {
    daemon.stop().map(|_| ())
}

/// Why packets of each address were dropped.
fn reasons(log: &Path) -> HashMap<IpAddr, BTreeSet<String>> {
    let mut all: HashMap<IpAddr, BTreeSet<String>> = HashMap::new();
    for event in eve::read(log) {
        let reason = match event.kind() {
            "drop" => event.text("/drop/reason"),
            "alert" => "alert",
            _ => continue,
        };
        for end in ["/src_ip", "/dest_ip"] {
            if let Ok(address) = event.text(end).parse() {
                all.entry(address).or_default().insert(reason.to_owned());
            }
        }
    }
    all
}

/// What a run of the catalogue came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub cases: usize,
    pub landed_alone: usize,
    pub differ: Vec<String>,
    pub lost: Vec<String>,
    pub blocked: Vec<String>,
    /// Twins that did not arrive and need not.
    pub refused: usize,
}

impl Tally {
    pub fn of(rows: &[Row<'_>]) -> Self {
        let names = |wanted: &dyn Fn(&Row<'_>) -> bool| {
            rows.iter()
                .filter(|row| wanted(row))
                .map(|row| format!("{} {}", row.case.number, row.family.name()))
                .collect()
        };
        Self {
            cases: rows.len(),
            landed_alone: rows.iter().filter(|row| row.landed_alone()).count(),
            differ: names(&|row| row.differs()),
            lost: names(&|row| row.lost()),
            blocked: names(&|row| row.twin() == Twin::Blocked),
            refused: rows
                .iter()
                .filter(|row| row.twin() == Twin::Refused)
                .count(),
        }
    }

    pub fn summary(&self, guarded: bool) -> String {
        let mut text = format!("{} cases", self.cases);
        if guarded {
            let _ = write!(
                text,
                ": {} lost, {} twins blocked ({} ambiguous ones refused)",
                self.lost.len(),
                self.blocked.len(),
                self.refused
            );
        }
        let _ = write!(
            text,
            "; without Stopgap {} landed, {} differ from the catalogue",
            self.landed_alone,
            self.differ.len()
        );
        text
    }
}

/// The rows as text. Without a guard, those that differ from the catalogue are marked.
pub fn table(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for row in rows {
        let alone = match (row.landed_alone(), row.differs()) {
            (true, false) => "lands",
            (false, false) => "-",
            (true, true) => "LANDS?",
            (false, true) => "NOT?",
        };
        let _ = write!(
            text,
            "{:6} {} {alone:7}",
            row.case.number,
            row.family.name()
        );
        if row.guarded.is_some() {
            let attack = match (row.lost(), row.by_policy) {
                (true, _) => "LOST",
                (false, true) => "policy",
                (false, false) => "held",
            };
            let twin = match row.twin() {
                Twin::Nothing => "-",
                Twin::Arrived => "arrived",
                Twin::Refused => "refused",
                Twin::Blocked => "BLOCKED",
            };
            let why = row.reasons.clone().map(|set| join(&set));
            let _ = write!(text, " {attack:6} {twin:8} {:30} {:24}", why[0], why[1]);
        }
        let _ = writeln!(text, " {}", row.case.title);
        if row.differs() {
            let _ = writeln!(
                text,
                "       the application read {:?}",
                String::from_utf8_lossy(&row.alone.attack.got)
            );
        }
    }
    text
}

fn join(set: &BTreeSet<String>) -> String {
    match set.is_empty() {
        true => "-".to_owned(),
        false => set.iter().cloned().collect::<Vec<_>>().join("+"),
    }
}

pub fn json_of(runs: &BTreeMap<String, Vec<Value>>) -> Value {
    json!(runs)
}

pub fn json_rows(rows: &[Row<'_>]) -> Vec<Value> {
    rows.iter().map(Row::json).collect()
}
