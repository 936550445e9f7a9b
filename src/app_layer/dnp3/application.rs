//! One message of the application layer (IEEE 1815 clause 4.2).

use super::Event;
use super::objects::{self, Header};
use super::transport::Addresses;
use crate::app_layer;
use crate::app_layer::message::{Bytes, Fact, Transaction};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;

/// Functions from here on are those of responses, and have indications.
const FIRST_RESPONSE: u8 = 0x80;
const CONFIRM: u8 = 0;
const RESPONSE: u8 = 0x81;
/// DIRECT_OPERATE_NR and the freezes without an acknowledgement (clause 4.4).
const UNANSWERED: [u8; 5] = [CONFIRM, 6, 8, 10, 12];
/// Object headers of a message that are read.
const MOST_OBJECTS: usize = 2048;
/// Points of an object header that are usual.
const MOST_POINTS: u64 = 16_384;

/// Whose turn it is behind a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It asks for a response.
    Asks,
    /// It is one.
    Answers,
    Neither,
}

/// Names of a message's own facts, for requests and for responses.
struct Paths {
    source: &'static str,
    destination: &'static str,
    sequence: &'static str,
    function: &'static str,
    group: &'static str,
    variation: &'static str,
}

const PATHS: [Paths; 2] = [
    Paths {
        source: "request.src",
        destination: "request.dst",
        sequence: "request.application.control.sequence",
        function: "request.application.function_code",
        group: "request.application.objects[].group",
        variation: "request.application.objects[-1].variation",
    },
    Paths {
        source: "response.src",
        destination: "response.dst",
        sequence: "response.application.control.sequence",
        function: "response.application.function_code",
        group: "response.application.objects[].group",
        variation: "response.application.objects[-1].variation",
    },
];

/// Puts a message into its transaction.
pub(super) fn read(
    tx: &mut Transaction,
    from: Direction,
    (destination, source): Addresses,
    bytes: &[u8],
) -> Turn {
    tx.put(Buffer::Dnp3Data, from, bytes);
    let mut left = Bytes(bytes);
    let (Some(control), Some(function)) = (left.u8(), left.u8()) else {
        raise(tx, from, Event::Malformed);
        return Turn::Neither;
    };
    let is_response = function >= FIRST_RESPONSE;
    let paths = &PATHS[usize::from(is_response)];
    tx.put_number(Number::Dnp3Function, from, u64::from(function));
    for (path, number) in [
        (paths.source, source),
        (paths.destination, destination),
        (paths.sequence, u16::from(control & 0x0f)),
        (paths.function, u16::from(function)),
    ] {
        tx.tell(path, Fact::Number(u64::from(number)));
    }
    if is_response {
        match left.u16() {
            Some(indications) => {
                tx.put_number(Number::Dnp3Indications, from, u64::from(indications));
                tx.tell("response.iin", Fact::Number(u64::from(indications)));
            }
            None => raise(tx, from, Event::Malformed),
        }
    }
    if let Err(event) = all_objects(tx, from, paths, function, left) {
        raise(tx, from, event);
    }
    match function {
        RESPONSE => Turn::Answers,
        FIRST_RESPONSE.. => Turn::Neither,
        _ if UNANSWERED.contains(&function) => Turn::Neither,
        _ => Turn::Asks,
    }
}

pub(super) fn raise(tx: &mut Transaction, from: Direction, event: Event) {
    tx.raise(from, app_layer::Event::Dnp3(event));
}

fn all_objects(
    tx: &mut Transaction,
    from: Direction,
    paths: &Paths,
    function: u8,
    mut left: Bytes<'_>,
) -> Result<(), Event> {
    for _ in 0..MOST_OBJECTS {
        if left.is_empty() {
            return Ok(());
        }
        let header = Header::read(&mut left).ok_or(Event::Malformed)?;
        let (group, variation) = (u64::from(header.group), u64::from(header.variation));
        tx.put_number(Number::Dnp3Object, from, group << 8 | variation);
        tx.tell(paths.group, Fact::Number(group));
        tx.tell(paths.variation, Fact::Number(variation));
        if header.count > MOST_POINTS {
            raise(tx, from, Event::TooManyPoints);
        }
        objects::pass_over(&header, function, &mut left)?;
    }
    if left.is_empty() {
        return Ok(());
    }
    Err(Event::TooManyObjects)
}
