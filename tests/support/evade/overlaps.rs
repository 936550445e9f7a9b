//! Every way in which up to three pieces can overlap on a grid of six cells: TCP segments, and fragments of
//! a datagram. Each piece has bytes of its own, so that what was read tells whose copy won.
//!
//! The oracle needs no model of either side. Each case runs behind a Stopgap without rules for it; what the
//! server read there becomes a rule, for that case alone. Run again, the same bytes must not arrive: if they do,
//! Stopgap inspected others than the server read. What the server reads without Stopgap becomes a rule too.

use std::collections::BTreeSet;
use std::time::Instant;

use super::super::Fallible;
use super::super::daemon::Daemon;
use super::super::netns::Family;
use super::case::Kind;
use super::driver::{Driver, Job};
use super::place::{LOST_DSCP, Place, Tracking};
use super::program::{ACK, Act, Bytes, PSH, Piece, Plan, SYN, Segment, Shape};
use super::trial::{Guard, end};

const CELLS: usize = 6;
const CELL: usize = 8;
const GRID: usize = CELLS * CELL;
/// Copies of the grid's bytes: one for each piece, and one for what no piece covers.
const COPIES: usize = 4;
const REST: usize = COPIES - 1;
/// Before the grid in a TCP stream.
const FIRST: u8 = b'^';
/// Of a datagram, the first cell is the UDP header.
const DATAGRAM: usize = GRID - CELL;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Segments at the stream's edge: in order where they can be.
    Stream,
    /// Segments behind a hole of one byte, which is filled last.
    Queued,
    /// As the first two, and the first piece is lost behind Stopgap.
    StreamLost,
    QueuedLost,
    Fragments4,
    Fragments6,
}

impl Field {
    pub const ALL: [Self; 6] = [
        Self::Stream,
        Self::Queued,
        Self::StreamLost,
        Self::QueuedLost,
        Self::Fragments4,
        Self::Fragments6,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Stream => "TCP segments in order",
            Self::Queued => "TCP segments behind a hole",
            Self::StreamLost => "TCP segments in order, the first lost behind us",
            Self::QueuedLost => "TCP segments behind a hole, the first lost behind us",
            Self::Fragments4 => "IPv4 fragments",
            Self::Fragments6 => "IPv6 fragments",
        }
    }

    const fn is_stream(self) -> bool {
        !matches!(self, Self::Fragments4 | Self::Fragments6)
    }

    const fn has_hole(self) -> bool {
        matches!(self, Self::Queued | Self::QueuedLost)
    }

    const fn loses_first(self) -> bool {
        matches!(self, Self::StreamLost | Self::QueuedLost)
    }
}

/// First cell and the one behind the last.
type Span = (usize, usize);

/// All lists of one to `most` pieces.
pub fn combinations(most: usize) -> Vec<Vec<Span>> {
    let spans: Vec<Span> = (0..CELLS)
        .flat_map(|start| (start + 1..=CELLS).map(move |end| (start, end)))
        .collect();
    let mut all: Vec<Vec<Span>> = Vec::new();
    let mut longest: Vec<Vec<Span>> = vec![Vec::new()];
    for _ in 0..most {
        longest = longest
            .iter()
            .flat_map(|list| {
                spans.iter().map(|span| {
                    let mut longer = list.clone();
                    longer.push(*span);
                    longer
                })
            })
            .collect();
        all.extend(longest.iter().cloned());
    }
    all
}

struct Case {
    field: Field,
    pieces: Vec<Span>,
    id: usize,
}

impl Case {
    fn name(&self) -> String {
        format!("{}: {:?}", self.field.name(), self.pieces)
    }

    /// Every cell names the case. Copies differ, and have one checksum.
    fn copy(&self, copy: usize) -> Vec<u8> {
        let copy = copy as u8;
        let cell = [
            [b'a', b'0' + copy, b'z', b'9' - copy].as_slice(),
            format!("{:04x}", self.id).as_bytes(),
        ]
        .concat();
        cell.repeat(CELLS)
    }

    fn job(&self) -> Job {
        let copies: Vec<u8> = (0..COPIES).flat_map(|copy| self.copy(copy)).collect();
        let mut payload = copies;
        payload.push(FIRST);
        let mut sent: Vec<(usize, Span)> = self.pieces.iter().copied().enumerate().collect();
        let covered = |cell| {
            self.pieces
                .iter()
                .any(|(start, end)| (*start..*end).contains(&cell))
        };
        sent.extend(
            (0..CELLS)
                .filter(|c| !covered(*c))
                .map(|c| (REST, (c, c + 1))),
        );
        let program = match self.field {
            Field::Fragments4 | Field::Fragments6 => fragments(&sent),
            _ => self.stream(&sent),
        };
        Job {
            kind: if self.field.is_stream() {
                Kind::Tcp
            } else {
                Kind::Udp
            },
            family: match self.field {
                Field::Fragments6 => Family::V6,
                _ => Family::V4,
            },
            program,
            payload,
        }
    }

    fn stream(&self, sent: &[(usize, Span)]) -> Vec<Act> {
        let segment = |flags, at, data, tos| {
            Act::Segment(Segment {
                flags,
                at: Some(at),
                data,
                opens: flags & SYN != 0,
                shape: Shape {
                    tos,
                    ..Shape::default()
                },
            })
        };
        let first = segment(PSH | ACK, 0, vec![Bytes::Fill(FIRST, 1)], 0);
        let mut program = vec![
            segment(SYN, -1, Vec::new(), 0),
            Act::Expect(SYN | ACK),
            segment(ACK, 0, Vec::new(), 0),
        ];
        if !self.field.has_hole() {
            program.push(first.clone());
        }
        program.extend(sent.iter().map(|(copy, (start, end))| {
            let bytes = copy * GRID + start * CELL..copy * GRID + end * CELL;
            let lost = *copy == 0 && self.field.loses_first();
            let tos = if lost { LOST_DSCP << 2 } else { 0 };
            let at = (1 + start * CELL) as i64;
            segment(PSH | ACK, at, vec![Bytes::Payload(bytes)], tos)
        }));
        if self.field.has_hole() {
            program.push(first);
        }
        program
    }

    /// What the application read, in the units in which it was sent.
    fn read(&self, got: &[u8]) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match self.field.is_stream() {
            true => got
                .get(1..)
                .filter(|body| !body.is_empty())
                .map(text)
                .into_iter()
                .collect(),
            false => got.chunks(DATAGRAM).map(text).collect(),
        }
    }
}

/// Each fragment is cut from a datagram of its own copy, under one identification.
fn fragments(sent: &[(usize, Span)]) -> Vec<Act> {
    sent.iter()
        .map(|(copy, (start, end))| {
            let bytes = copy * GRID..copy * GRID + DATAGRAM;
            let shape = Shape {
                id: Some(0x77),
                plan: Some(Plan::List(vec![Piece {
                    start: start * CELL,
                    end: Some(end * CELL),
                    ..Piece::default()
                }])),
                ..Shape::default()
            };
            Act::Datagram(vec![Bytes::Payload(bytes)], shape)
        })
        .collect()
}

/// What an enumeration came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub cases: usize,
    /// In how many the server read all of the grid.
    pub whole_alone: usize,
    pub whole_guarded: usize,
    /// In how many Stopgap without a rule changed what the server reads.
    pub changed: usize,
    /// The server read what was not inspected.
    pub misses: Vec<String>,
    /// The same, counted by field.
    pub missed_by_field: Vec<(&'static str, usize)>,
}

pub fn run(fields: &[Field], most: usize, tracking: Tracking, guard: Guard) -> Fallible<Report> {
    let combinations = combinations(most);
    let cases: Vec<Case> = fields
        .iter()
        .flat_map(|field| combinations.iter().map(move |pieces| (*field, pieces)))
        .enumerate()
        .map(|(id, (field, pieces))| Case {
            field,
            pieces: pieces.clone(),
            id,
        })
        .collect();
    let place = Place::new(tracking)?;
    place.widen_tracker()?;
    let mut driver = Driver::new(&place)?;
    let alone = pass(&mut driver, &cases, "without Stopgap")?;

    let nothing = [("tcp", "NOBODY SAYS THIS".to_owned())];
    let daemon = Daemon::start(&place.lab, &guard.setup_against(&place, &nothing)?)?;
    guard.prepare(&mut driver)?;
    let free = pass(&mut driver, &cases, "with Stopgap, no rule")?;
    end(daemon)?;

    let forbidden: Vec<BTreeSet<&String>> = alone
        .iter()
        .zip(&free)
        .map(|(alone, free)| alone.iter().chain(free).collect())
        .collect();
    let texts: Vec<(&str, String)> = cases
        .iter()
        .zip(&forbidden)
        .flat_map(|(case, texts)| {
            let protocol = if case.field.is_stream() { "tcp" } else { "udp" };
            texts.iter().map(move |text| (protocol, (*text).clone()))
        })
        .collect();
    let daemon = Daemon::start(&place.lab, &guard.setup_against(&place, &texts)?)?;
    guard.prepare(&mut driver)?;
    let guarded = pass(
        &mut driver,
        &cases,
        "with Stopgap, a rule for what each read",
    )?;
    end(daemon)?;

    let misses: Vec<(Field, String)> = cases
        .iter()
        .zip(&guarded)
        .zip(&forbidden)
        .filter_map(|((case, read), forbidden)| {
            let missed = read
                .iter()
                .find(|read| forbidden.iter().any(|text| read.contains(text.as_str())))?;
            Some((
                case.field,
                format!("{}: the server read {missed}", case.name()),
            ))
        })
        .collect();
    let whole = |read: &Vec<String>| read.iter().any(|text| text.len() >= DATAGRAM);
    Ok(Report {
        cases: cases.len(),
        whole_alone: alone.iter().filter(|read| whole(read)).count(),
        whole_guarded: free.iter().filter(|read| whole(read)).count(),
        changed: alone.iter().zip(&free).filter(|(a, b)| a != b).count(),
        missed_by_field: fields
            .iter()
            .map(|field| {
                (
                    field.name(),
                    misses.iter().filter(|(f, _)| f == field).count(),
                )
            })
            .collect(),
        misses: misses.into_iter().map(|(_, text)| text).collect(),
    })
}

fn pass(driver: &mut Driver<'_>, cases: &[Case], what: &str) -> Fallible<Vec<Vec<String>>> {
    let started = Instant::now();
    let jobs: Vec<Job> = cases.iter().map(Case::job).collect();
    let mut told = 0;
    let outcomes = driver.run(&jobs, |done| {
        if done - told >= 6_000 {
            told = done;
            eprintln!(
                "{what}: {done} of {} ({:.0?})",
                jobs.len(),
                started.elapsed()
            );
        }
    })?;
    eprintln!("{what}: {} in {:.1?}", jobs.len(), started.elapsed());
    Ok(cases
        .iter()
        .zip(&outcomes)
        .map(|(case, outcome)| case.read(&outcome.got))
        .collect())
}
