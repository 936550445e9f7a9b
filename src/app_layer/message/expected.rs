//! A connection that another one has announced.

use super::Parser;
use crate::direction::Direction;

/// A connection between the same two ends, known by the port that one of them told the other.
#[derive(Debug)]
pub struct Expected {
    opener: Direction,
    port: u16,
    parser: Box<dyn Parser>,
}

impl Expected {
    /// `opener`: the way its first packet goes, as the connection that announces it sees it.
    pub fn new(opener: Direction, port: u16, parser: Box<dyn Parser>) -> Self {
        Self {
            opener,
            port,
            parser,
        }
    }

    pub const fn opener(&self) -> Direction {
        self.opener
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What reads it.
    pub fn into_parser(self) -> Box<dyn Parser> {
        self.parser
    }

    pub fn held_bytes(&self) -> usize {
        self.parser.held_bytes()
    }
}
