//! A row of the catalogue.

use super::super::Fallible;
use super::super::netns::Family;
use super::place::Side;
use super::program::{Act, Bytes, Segment, Step, parse_steps};

/// What the rules forbid, and what stands in its place in a benign twin.
pub const MARKER: &[u8; 8] = b"EVILMARK";
pub const HARMLESS: &[u8; 8] = b"GOODWORD";
/// Before and behind the marker. With a TCP or UDP header before it, no cut at a multiple of 8 or 24
/// leaves the marker whole.
const BEFORE: &[u8] = b"0123456789abcd";
const BEHIND: &[u8] = b"efghijklmn";
/// Segments of a long payload are sent until so much is not acknowledged.
const FLIGHT_BYTES: usize = 24 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Crafted client, real listener.
    Tcp,
    /// The same, and the listener takes data in the SYN (RFC 7413).
    FastOpen,
    Udp,
    /// Real client, crafted server.
    Peer,
    /// Cannot be built here; the title says why.
    None,
}

impl Kind {
    pub const fn side(self) -> Side {
        match self {
            Self::Peer => Side::Server,
            _ => Side::Client,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lands {
    Yes,
    No,
    /// It hangs on which path the receiver's kernel takes, and that on time.
    Either,
}

impl Lands {
    const ALL: [Self; 3] = [Self::Yes, Self::No, Self::Either];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "lands",
            Self::No => "not",
            Self::Either => "either",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Case {
    pub number: String,
    pub title: String,
    pub kind: Kind,
    pub families: Vec<Family>,
    /// Whether a Linux receiver hands the whole marker to its application.
    pub lands: Lands,
    /// The benign twin may be refused: the packets are ambiguous, or the catalogue asks for a drop.
    pub twin_may_fail: bool,
    /// Waits longer than ten seconds.
    pub slow: bool,
    /// Harmless bytes before the payload.
    pub pad: usize,
    /// Stopgap forwards the marker by a stated policy, and this counter says so.
    pub policy: Option<String>,
    pub steps: Vec<Step>,
}

const FILES: [(&str, &str); 6] = [
    ("a-ipv4", include_str!("catalogue/a-ipv4.txt")),
    ("b-ipv6", include_str!("catalogue/b-ipv6.txt")),
    ("c-handshake", include_str!("catalogue/c-handshake.txt")),
    ("d-teardown", include_str!("catalogue/d-teardown.txt")),
    ("e-data", include_str!("catalogue/e-data.txt")),
    ("k-normalise", include_str!("catalogue/k-normalise.txt")),
];

/// All rows.
pub fn catalogue() -> Fallible<Vec<Case>> {
    let mut cases = Vec::new();
    for (file, text) in FILES {
        cases.extend(parse_rows(text).map_err(|e| format!("{file}, {e}"))?);
    }
    Ok(cases)
}

/// Rows with a blank line between each two.
pub fn parse_rows(text: &str) -> Fallible<Vec<Case>> {
    let mut cases = Vec::new();
    for block in text.split("\n\n") {
        let lines: Vec<&str> = block
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
            .collect();
        if let Some((head, steps)) = lines.split_first() {
            let case =
                Case::parse(head, &steps.join("\n")).map_err(|e| format!("`{head}`: {e}"))?;
            cases.push(case);
        }
    }
    Ok(cases)
}

impl Case {
    /// `NUMBER v4|v6|v4,v6 KIND lands|not|either twin|may [slow] [pad=N] [policy=COUNTER] | title`
    pub fn parse(head: &str, steps: &str) -> Fallible<Self> {
        let (words, title) = head.split_once('|').ok_or("no title")?;
        let words: Vec<&str> = words.split_whitespace().collect();
        let [number, families, kind, lands, twin, tags @ ..] = words.as_slice() else {
            return Err("number, families, kind, lands or not, twin or may".into());
        };
        let mut case = Self {
            number: (*number).to_owned(),
            title: title.trim().to_owned(),
            kind: match *kind {
                "tcp" => Kind::Tcp,
                "tfo" => Kind::FastOpen,
                "udp" => Kind::Udp,
                "peer" => Kind::Peer,
                "none" => Kind::None,
                other => return Err(format!("`{other}` is no kind").into()),
            },
            families: match *families {
                "v4" => vec![Family::V4],
                "v6" => vec![Family::V6],
                "v4,v6" => Family::BOTH.to_vec(),
                other => return Err(format!("`{other}` is no family").into()),
            },
            lands: Lands::ALL
                .into_iter()
                .find(|known| known.name() == *lands)
                .ok_or_else(|| format!("`{lands}`: lands, not or either"))?,
            twin_may_fail: match *twin {
                "twin" => false,
                "may" => true,
                other => return Err(format!("`{other}`: twin or may").into()),
            },
            slow: false,
            pad: 0,
            policy: None,
            steps: parse_steps(steps)?,
        };
        for tag in tags {
            match tag.split_once('=') {
                None if *tag == "slow" => case.slow = true,
                Some(("pad", n)) => case.pad = n.parse()?,
                Some(("policy", counter)) => case.policy = Some(counter.to_owned()),
                _ => return Err(format!("`{tag}` is no tag").into()),
            }
        }
        Ok(case)
    }

    /// Its row as the catalogue would have it.
    pub fn row(&self) -> String {
        let families: Vec<_> = self
            .families
            .iter()
            .map(|f| if *f == Family::V4 { "v4" } else { "v6" })
            .collect();
        let kind = match self.kind {
            Kind::Tcp => "tcp",
            Kind::FastOpen => "tfo",
            Kind::Udp => "udp",
            Kind::Peer => "peer",
            Kind::None => "none",
        };
        let mut row = format!(
            "{} {} {kind} {} {} | {}\n",
            self.number,
            families.join(","),
            self.lands.name(),
            if self.twin_may_fail { "may" } else { "twin" },
            self.title
        );
        for step in self.steps.iter().filter(|step| !step.text.is_empty()) {
            row.push_str(&format!("    {}\n", step.text));
        }
        row
    }

    pub fn payload(&self, evil: bool) -> Vec<u8> {
        let mark: &[u8] = if evil { MARKER } else { HARMLESS };
        [&vec![b'.'; self.pad], BEFORE, mark, BEHIND].concat()
    }

    /// The steps with `segs` cut up.
    pub fn program(&self) -> Vec<Act> {
        let length = self.payload(true).len();
        let mut program = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            match &step.act {
                Act::Segment(segment) if step.text.starts_with("segs") => {
                    cut_up(segment, length, &mut program);
                }
                act => program.push(act.clone()),
            }
        }
        program
    }
}

fn cut_up(segment: &Segment, length: usize, program: &mut Vec<Act>) {
    let Some(Bytes::Fill(reversed, size)) = segment.data.first() else {
        return;
    };
    let mut starts: Vec<usize> = (0..length).step_by((*size).max(1)).collect();
    if *reversed != 0 {
        starts.reverse();
    }
    let mut flight = 0;
    for start in starts {
        let end = (start + size).min(length);
        program.push(Act::Segment(Segment {
            at: Some(start as i64),
            data: vec![Bytes::Payload(start..end)],
            ..segment.clone()
        }));
        flight += end - start;
        if flight >= FLIGHT_BYTES && *reversed == 0 {
            program.push(Act::Acked(end as i64));
            flight = 0;
        }
    }
}
