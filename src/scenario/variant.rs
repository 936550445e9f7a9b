//! The ways one scenario is put on the wire.
//!
//! Each segmentation is sent in order, in reverse order and with every segment
//! twice; there are no cross-products, so the count grows with the number of
//! edges and no faster.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use super::model::{Message, Scenario, Transport};

/// A GSO packet carries this much at most, as the kernel's queue hands it over.
const MAX_SEGMENT_BYTES: usize = 65_000;
/// So many bytes at both ends of a message go one by one; what lies between goes whole.
const BYTEWISE_END_BYTES: usize = 2_048;
/// Edges of contents that get variants of their own, in one scenario.
const MAX_EDGES: usize = 64;

/// A content that signatures look for; its edges are where an evasion would cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentPattern {
    pub bytes: Vec<u8>,
    pub nocase: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    pub segmentation: Segmentation,
    pub sending: Sending,
}

/// Where the messages are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segmentation {
    /// Each message in one segment.
    Whole,
    /// One byte per segment.
    Bytewise,
    /// Two cuts, one byte before and one byte behind the edge of a content.
    Around { message: usize, edge: usize },
}

/// In which order, and how often, the segments of a message are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    InOrder,
    /// The last segment of each message first.
    Reversed,
    /// Each segment twice in a row.
    Repeated,
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.segmentation {
            Segmentation::Whole => f.write_str("whole")?,
            Segmentation::Bytewise => f.write_str("one byte per segment")?,
            Segmentation::Around { message, edge } => {
                write!(f, "cut around byte {edge} of message {}", message + 1)?;
            }
        }
        f.write_str(match self.sending {
            Sending::InOrder => "",
            Sending::Reversed => ", reversed",
            Sending::Repeated => ", each segment twice",
        })
    }
}

/// All variants of one scenario.
#[derive(Clone, Debug)]
pub struct Variants {
    pub all: Vec<Variant>,
    /// Edges beyond the bound, which got no variant of their own.
    pub edges_left_out: usize,
}

/// The variants of `scenario` for signatures that look for `contents`.
pub fn variants(scenario: &Scenario, contents: &[ContentPattern]) -> Variants {
    let mut all = Vec::new();
    if scenario.transport == Transport::Udp {
        // A datagram has no segments: it is sent, or sent twice.
        for sending in [Sending::InOrder, Sending::Repeated] {
            all.push(Variant {
                segmentation: Segmentation::Whole,
                sending,
            });
        }
        return Variants {
            all,
            edges_left_out: 0,
        };
    }
    let mut edges = BTreeSet::new();
    for (index, message) in scenario.messages.iter().enumerate() {
        for content in contents {
            for edge in edges_of(content, &message.bytes) {
                edges.insert((index, edge));
            }
        }
    }
    let around = edges
        .iter()
        .take(MAX_EDGES)
        .map(|&(message, edge)| Segmentation::Around { message, edge });
    for segmentation in [Segmentation::Whole, Segmentation::Bytewise]
        .into_iter()
        .chain(around)
    {
        for sending in [Sending::InOrder, Sending::Reversed, Sending::Repeated] {
            let variant = Variant {
                segmentation,
                sending,
            };
            if sending != Sending::Reversed || variant.cuts_any(&scenario.messages) {
                all.push(variant);
            }
        }
    }
    Variants {
        all,
        edges_left_out: edges.len().saturating_sub(MAX_EDGES),
    }
}

/// Starts and ends of every occurrence of `content`, as offsets in `bytes`.
fn edges_of(content: &ContentPattern, bytes: &[u8]) -> impl Iterator<Item = usize> {
    let length = content.bytes.len();
    let starts = bytes
        .windows(length.max(1))
        .enumerate()
        .filter(move |(_, window)| {
            if content.nocase {
                window.eq_ignore_ascii_case(&content.bytes)
            } else {
                *window == content.bytes
            }
        })
        .map(|(start, _)| start);
    starts.flat_map(move |start| [start, start + length])
}

impl Variant {
    fn cuts_any(&self, messages: &[Message]) -> bool {
        messages
            .iter()
            .enumerate()
            .any(|(index, message)| self.segments(index, message.bytes.len()).len() > 1)
    }

    /// The segments of message `index` of `length` bytes, in stream order.
    /// Together they are the message; none is empty or longer than a GSO packet.
    pub fn segments(&self, index: usize, length: usize) -> Vec<Range<usize>> {
        let mut cuts = BTreeSet::from([0, length]);
        cuts.extend((0..length).step_by(MAX_SEGMENT_BYTES));
        match self.segmentation {
            Segmentation::Whole => {}
            Segmentation::Bytewise => {
                cuts.extend(0..length.min(BYTEWISE_END_BYTES));
                cuts.extend(length.saturating_sub(BYTEWISE_END_BYTES)..length);
            }
            Segmentation::Around { message, edge } => {
                if message == index {
                    cuts.insert(edge.saturating_sub(1));
                    cuts.insert(edge.saturating_add(1).min(length));
                }
            }
        }
        let starts = cuts.iter().copied();
        starts
            .zip(cuts.iter().copied().skip(1))
            .map(|(start, end)| start..end)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::model::Side;

    fn scenario(messages: &[&[u8]]) -> Scenario {
        Scenario {
            name: "s".into(),
            title: "s".into(),
            transport: Transport::Tcp,
            server_port: 80,
            ip_version: 4,
            messages: messages
                .iter()
                .map(|bytes| Message {
                    from: Side::Client,
                    bytes: bytes.to_vec(),
                    attack: false,
                })
                .collect(),
        }
    }

    fn content(bytes: &[u8]) -> ContentPattern {
        ContentPattern {
            bytes: bytes.to_vec(),
            nocase: true,
        }
    }

    #[test]
    fn each_edge_adds_the_same_number_of_variants() {
        let none = variants(&scenario(&[b"xxJNDIxx"]), &[]).all.len();
        let one = variants(&scenario(&[b"xxJNDIxx"]), &[content(b"jndi")])
            .all
            .len();
        let two = variants(&scenario(&[b"xxJNDIxx", b"yyjndiyyy"]), &[content(b"jndi")]);
        assert_eq!(none, 2 * 3 - 1, "a whole message cannot be reversed");
        assert_eq!(one, none + 2 * 3);
        assert_eq!(two.all.len(), none + 4 * 3);
        assert_eq!(two.edges_left_out, 0);
    }

    #[test]
    fn the_cuts_lie_on_both_sides_of_the_edge() {
        let variant = Variant {
            segmentation: Segmentation::Around {
                message: 1,
                edge: 4,
            },
            sending: Sending::InOrder,
        };
        assert_eq!(variant.segments(1, 10), [0..3, 3..5, 5..10]);
        assert_eq!(variant.segments(0, 10).len(), 1, "other messages go whole");
    }

    #[test]
    fn edges_are_bounded_and_the_rest_counted() {
        let many = vec![b'.'; 500];
        let all = variants(&scenario(&[&many]), &[content(b".")]);
        assert_eq!(all.all.len(), 5 + MAX_EDGES * 3);
        assert_eq!(all.edges_left_out, 501 - MAX_EDGES);
    }

    #[test]
    fn datagrams_are_not_cut() {
        let mut udp = scenario(&[b"jndi"]);
        udp.transport = Transport::Udp;
        assert_eq!(variants(&udp, &[content(b"jndi")]).all.len(), 2);
    }

    #[test]
    fn an_empty_content_has_no_edges_that_hurt() {
        assert_eq!(edges_of(&content(b""), b"abc").count(), 0);
    }

    proptest::proptest! {
        #[test]
        fn segments_cover_the_message_once(
            length in 1_usize..200_000, edge in 0_usize..200_000, kind in 0_u8..3,
        ) {
            let segmentation = match kind {
                0 => Segmentation::Whole,
                1 => Segmentation::Bytewise,
                _ => Segmentation::Around { message: 0, edge: edge.min(length) },
            };
            let variant = Variant { segmentation, sending: Sending::InOrder };
            let mut next = 0;
            for segment in variant.segments(0, length) {
                assert_eq!(segment.start, next);
                assert!(segment.end > segment.start);
                assert!(segment.len() <= MAX_SEGMENT_BYTES);
                next = segment.end;
            }
            assert_eq!(next, length);
        }
    }
}
