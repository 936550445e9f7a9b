//! Cases drawn from a seed: one trick of the IP layer over several of TCP. What misses is shrunk to its
//! smallest form, and printed as a row for the catalogue.

use std::time::Instant;

use super::super::Fallible;
use super::super::daemon::Daemon;
use super::super::netns::Family;
use super::case::Case;
use super::driver::Driver;
use super::place::{Place, Tracking};
use super::trial::{Guard, Pair, Twin, end, holds_marker, run_pairs, twin_of};

/// Bytes of a case's payload.
const LENGTH: u64 = 32;
/// Of so many misses the smallest form is looked for.
const SHRUNK: usize = 5;

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<'t>(&mut self, items: &[&'t str]) -> &'t str {
        items[self.below(items.len() as u64) as usize]
    }
}

/// What is done to the packets that carry data.
struct Network {
    words: String,
    /// Needs a segment whose IP payload is longer than this.
    longer_than: u64,
}

/// Insertions that a Linux receiver ignores wherever they stand in an open connection.
const IGNORED: [&str; 9] = [
    "sum=bad",
    "f=P",
    "f=0",
    "f=S",
    "f=SA",
    "md5",
    "ack=+100000",
    "doff=4",
    "doff=15",
];
const IGNORED_IP: [&str; 6] = [
    "ipsum=bad",
    "ver=5",
    "ipopt=8307040a530502",
    "ipopt=07ff0400",
    "eh=rt1",
    "eh=dst,hbh",
];
const IGNORED_BARE: [&str; 6] = [
    "rst at=3000000",
    "rst at=0 sum=bad",
    "rst at=0 md5",
    "fin f=F at=0",
    "fin at=0 ack=+100000",
    "syn seq=+5000000",
];

/// The case of a seed; the same for ever.
pub fn draw(seed: u64) -> Fallible<Case> {
    let mut draw = Draw(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5347);
    let family = if draw.one_in(2) {
        Family::V4
    } else {
        Family::V6
    };
    let stamped = draw.one_in(3);
    let network = network(&mut draw, family, stamped);
    let kind = draw.of(&["tcp", "tcp", "tcp", "peer", "tfo"]);
    let wild = draw.one_in(2);
    let mut steps = Vec::new();
    if draw.one_in(4) {
        // The numbers wrap within the payload.
        steps.push(format!("isn {}", u32::MAX - draw.below(LENGTH) as u32));
    }
    steps.push(opening(&mut draw, kind, stamped));
    for (start, end) in segments(&mut draw) {
        if draw.one_in(8) {
            steps.push("wait 15".to_owned());
        }
        if draw.one_in(3) {
            steps.push(insertion(&mut draw, family, stamped, start, end));
        }
        if wild && draw.one_in(2) {
            steps.push(wild_step(&mut draw));
        }
        let words = if 20 + end - start > network.longer_than {
            network.words.as_str()
        } else {
            ""
        };
        // An honest overlap: the neighbours' bytes once more.
        let (from, to) = match draw.below(5) {
            0 => (start.saturating_sub(1 + draw.below(4)), end),
            1 => (start, (end + 1 + draw.below(4)).min(LENGTH)),
            _ => (start, end),
        };
        steps.push(format!("seg {from}-{to} {words}"));
        if draw.one_in(6) {
            steps.push(format!("seg {start}-{end}=x"));
        }
    }
    if wild && draw.one_in(2) {
        steps.push(format!("seg 0-{LENGTH}"));
    }
    let family = if family == Family::V4 { "v4" } else { "v6" };
    let head = |twin| format!("S{seed} {family} {kind} lands {twin} | seed {seed}");
    let case = Case::parse(&head("twin"), &steps.join("\n"))?;
    match wild || is_ambiguous(&case) {
        true => Case::parse(&head("may"), &steps.join("\n")),
        false => Ok(case),
    }
}

fn opening(draw: &mut Draw, kind: &str, stamped: bool) -> String {
    let stamp = if stamped { " ts=1000000" } else { "" };
    match (kind, draw.below(6)) {
        ("peer", 0) => format!("connect\nsynack{stamp}"),
        ("peer", 1) => format!("connect\nsynack{stamp}\nsynack seq=+5000{stamp}\nexpect A"),
        ("peer", _) => format!("connect\nsynack{stamp}\nexpect A"),
        ("tfo", n) => {
            let taken = 3 * n + 1;
            format!("syn data=0-{taken}{stamp}\nexpect SA\nack at={taken}")
        }
        (_, 0) => format!("syn{stamp}\nexpect SA"),
        (_, 1) => format!("open f=SEC{stamp}"),
        (_, 2) => format!("open f=SP ws=7{stamp}"),
        (_, 3) => format!("syn{stamp}\nexpect SA\nsyn seq=-7777\nack"),
        _ => format!("open{stamp}"),
    }
}

fn network(draw: &mut Draw, family: Family, stamped: bool) -> Network {
    let order = draw.of(&["", "r", "l"]);
    let plain = |words: String| Network {
        words,
        longer_than: 0,
    };
    // RFC 8200: the first fragment has the whole header chain. Options of TCP make the header longer.
    let least = match (family, stamped) {
        (Family::V4, _) => 8,
        (Family::V6, false) => 24,
        (Family::V6, true) => 32,
    };
    let size = least + 8 * draw.below(3);
    let cut = least + 8;
    let next = cut + 8;
    match (draw.below(8), family) {
        (0..=2, _) => plain(format!("frag={size}{order}")),
        (3, _) => Network {
            words: format!("frag=0-{cut},{cut}-{next},{cut}-{next},{next}-"),
            longer_than: next,
        },
        (4, _) => Network {
            words: format!("frag=0-{cut},{cut}-{next},{cut}-{next}=x,{next}-"),
            longer_than: next,
        },
        (5, Family::V4) => plain(
            draw.of(&["ipopt=01010101", "ipopt=9e040000", "rf", "df", "tos=184"])
                .to_owned(),
        ),
        (5, Family::V6) => plain(
            draw.of(&["eh=dst", "eh=hbh", "eh=dst*3", "eh=rt0", "frag=0-"])
                .to_owned(),
        ),
        (6, Family::V4) => plain(format!("tos=40 frag={size}{order}")),
        (6, Family::V6) => plain(format!("eh=dst frag={size}{order}")),
        _ => plain(String::new()),
    }
}

/// The payload cut up, in some order.
fn segments(draw: &mut Draw) -> Vec<(u64, u64)> {
    let mut cuts = vec![0, LENGTH];
    for _ in 0..draw.below(5) {
        cuts.push(1 + draw.below(LENGTH - 1));
    }
    cuts.sort_unstable();
    cuts.dedup();
    let mut all: Vec<(u64, u64)> = cuts.windows(2).map(|pair| (pair[0], pair[1])).collect();
    match draw.below(3) {
        0 => {}
        1 => all.reverse(),
        _ => {
            for at in (1..all.len()).rev() {
                all.swap(at, draw.below(at as u64 + 1) as usize);
            }
        }
    }
    all
}

/// Something that stands before the segment of these bytes.
fn insertion(draw: &mut Draw, family: Family, stamped: bool, start: u64, end: u64) -> String {
    match draw.below(9) {
        0 | 1 => draw.of(&IGNORED_BARE).to_owned(),
        2 if stamped => format!("seg {start}-{end}=x ts=5"),
        3 => {
            let word = match family {
                Family::V4 => draw.of(&IGNORED_IP[..4]),
                Family::V6 => draw.of(&IGNORED_IP[4..]),
            };
            format!("seg {start}-{end}=x {word}")
        }
        4 => {
            format!(
                "seg {start}-{end}=x {}",
                draw.of(&["ttl=2", "lost", "ttl=2 sum=bad"])
            )
        }
        5 => {
            // Before its turn and other than what follows: the receiver's choice.
            format!("seg {start}-{end}=x")
        }
        6 => format!("seg {}=x{}", 3_000_000 + start, end - start),
        _ => format!("seg {start}-{end}=x {}", draw.of(&IGNORED)),
    }
}

/// Something whose outcome hangs on the receiver. The twin of such a case says nothing; its attack must not land.
fn wild_step(draw: &mut Draw) -> String {
    let start = draw.below(LENGTH - 1);
    let end = start + 1 + draw.below(LENGTH - start);
    let middle = start + draw.below(end - start + 1);
    match draw.below(10) {
        0 => format!("seg {start}={start}-{middle},x{}", (end - middle).max(1)),
        1 => format!("seg {start}=x{},{middle}-{end}", (middle - start).max(1)),
        2 => format!("seg {start}-{end}=x lost"),
        3 => format!("seg {start}-{end} lost"),
        4 => format!(
            "{} at={start}",
            draw.of(&["rst", "rst f=RA", "fin", "fin f=F"])
        ),
        5 => format!(
            "seg {start}-{end}{} {}",
            draw.of(&["", "=x"]),
            draw.of(&[
                "ts=-1",
                "ts=+100000",
                "ts=none",
                "ts=7",
                "ack=-11",
                "ack=-1000000000",
                "win=0"
            ])
        ),
        6 => format!("seg {start}-{end}=x ttl={}", 1 + draw.below(4)),
        7 => format!("seg {start}-{end} f=UPA urg={}", draw.below(LENGTH)),
        8 => format!(
            "seg {start}-{end}=x f={}",
            draw.of(&["SPA", "RA", "FPA", "FSRPAU", "A", "UA"])
        ),
        _ => format!("ack at={start} f={}", draw.of(&["S", "SA", "UA", "A", "0"])),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    Lost,
    TwinBlocked,
}

/// What the seeds came to.
#[derive(Debug, Default)]
pub struct Report {
    pub seeds: usize,
    pub landed_alone: usize,
    pub twins_alone: usize,
    pub missed: Vec<(Miss, Case)>,
    /// Some of them again, as small as they still miss.
    pub shrunk: Vec<(Miss, Case)>,
}

/// Two places: the same cases run with Stopgap in the one and without it in the other.
struct Bench<'a> {
    alone: Driver<'a>,
    guarded: Driver<'a>,
    guard: Guard,
}

impl Bench<'_> {
    fn both(&mut self, cases: &[(&Case, Family)]) -> Fallible<Vec<(Pair, Pair)>> {
        let alone = run_pairs(&mut self.alone, cases)?;
        self.guard.prepare(&mut self.guarded)?;
        let guarded = run_pairs(&mut self.guarded, cases)?;
        Ok(alone.into_iter().zip(guarded).collect())
    }

    fn misses(&mut self, cases: &[Case]) -> Fallible<Vec<Option<Miss>>> {
        let selected: Vec<(&Case, Family)> = cases.iter().map(|c| (c, c.families[0])).collect();
        Ok(self
            .both(&selected)?
            .iter()
            .zip(cases)
            .map(|((alone, guarded), case)| miss(case, alone, guarded))
            .collect())
    }

    /// Drops steps and words of packets while it still misses.
    fn shrink(&mut self, miss: Miss, case: &Case) -> Fallible<Case> {
        let mut smallest = case.clone();
        loop {
            let mut smaller = smaller(&smallest);
            smaller.retain(|case| miss == Miss::Lost || !is_ambiguous(case));
            let found = self.misses(&smaller)?;
            let next = smaller
                .into_iter()
                .zip(found)
                .find(|(_, found)| *found == Some(miss));
            match next {
                Some((case, _)) => smallest = case,
                None => return Ok(smallest),
            }
        }
    }
}

fn miss(case: &Case, alone: &Pair, guarded: &Pair) -> Option<Miss> {
    if holds_marker(&guarded.attack.got) {
        return Some(Miss::Lost);
    }
    (twin_of(case, alone, Some(guarded)) == Twin::Blocked).then_some(Miss::TwinBlocked)
}

/// Whether bytes other than the payload's come first somewhere, in a segment that the receiver may take.
/// Then a twin says nothing; and leaving out a step can make a case so.
fn is_ambiguous(case: &Case) -> bool {
    let opens = |text: &str| text.starts_with("syn") || text.starts_with("open");
    let stamped = case
        .steps
        .iter()
        .any(|step| opens(&step.text) && step.text.contains(" ts="));
    let mut sent = [false; LENGTH as usize];
    for step in &case.steps {
        let mut words = step.text.split_whitespace();
        let (Some("seg"), Some(place)) = (words.next(), words.next()) else {
            continue;
        };
        let rest: Vec<&str> = words.collect();
        let (range, letter) = match place.split_once('=') {
            Some((range, _)) => (range, true),
            None => (place, false),
        };
        let Some((start, end)) = range
            .split_once('-')
            .and_then(|(a, b)| Some((a.parse::<usize>().ok()?, b.parse::<usize>().ok()?)))
        else {
            continue;
        };
        let Some(bytes) = sent.get_mut(start..end) else {
            continue;
        };
        match letter {
            false if rest.iter().any(|word| word.contains("=x")) => return true,
            false => bytes.fill(true),
            true => {
                // A header of 60 bytes is longer than the packet, unless the packet is long.
                let fits = end - start + 32 >= 60;
                let ignored = rest.iter().any(|word| {
                    IGNORED.contains(word) && !(fits && *word == "doff=15")
                        || IGNORED_IP.contains(word)
                        || stamped && *word == "ts=5"
                });
                if !ignored && bytes.contains(&false) {
                    return true;
                }
            }
        }
    }
    false
}

/// The case less one step, or less one word of one.
fn smaller(case: &Case) -> Vec<Case> {
    let row = case.row();
    let mut lines = row.lines();
    let head = lines.next().unwrap_or("");
    let steps: Vec<&str> = lines.map(str::trim).collect();
    let mut all = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let words: Vec<&str> = step.split_whitespace().collect();
        let without_word = (1..words.len()).map(|skip| {
            let rest: Vec<&str> = words
                .iter()
                .enumerate()
                .filter(|(word, _)| *word != skip)
                .map(|(_, word)| *word)
                .collect();
            Some(rest.join(" "))
        });
        for step in std::iter::once(None).chain(without_word) {
            let mut changed: Vec<String> = steps.iter().map(|s| (*s).to_owned()).collect();
            match step {
                None => drop(changed.remove(at)),
                Some(step) => changed[at] = step,
            }
            all.extend(Case::parse(head, &changed.join("\n")));
        }
    }
    all
}

pub fn run(first: u64, count: u64, tracking: Tracking, guard: Guard) -> Fallible<Report> {
    let cases: Fallible<Vec<Case>> = (first..first + count).map(draw).collect();
    let cases = cases?;
    let places = [Place::new(tracking)?, Place::new(tracking)?];
    for place in &places {
        place.widen_tracker()?;
    }
    let daemon = Daemon::start(&places[1].lab, &guard.setup(&places[1])?)?;
    let mut bench = Bench {
        alone: Driver::new(&places[0])?,
        guarded: Driver::new(&places[1])?,
        guard,
    };
    let started = Instant::now();
    let mut report = Report {
        seeds: cases.len(),
        ..Report::default()
    };
    for batch in cases.chunks(500) {
        let selected: Vec<(&Case, Family)> = batch.iter().map(|c| (c, c.families[0])).collect();
        for ((alone, guarded), case) in bench.both(&selected)?.iter().zip(batch) {
            report.landed_alone += usize::from(holds_marker(&alone.attack.got));
            report.twins_alone += usize::from(alone.twin.got == case.payload(false));
            if let Some(miss) = miss(case, alone, guarded) {
                report.missed.push((miss, case.clone()));
            }
        }
        eprintln!(
            "seeds to {}, {}: {:.0?}, {} missed",
            batch.last().map_or("", |case| &case.title),
            tracking.name(),
            started.elapsed(),
            report.missed.len()
        );
    }
    for (miss, case) in report.missed.iter().take(SHRUNK) {
        report.shrunk.push((*miss, bench.shrink(*miss, case)?));
    }
    end(daemon)?;
    Ok(report)
}
