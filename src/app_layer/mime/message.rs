//! A message, line by line.

use super::decode::Decoder;
use super::header::{first_word, parameter, split};
use super::urls::Urls;
use crate::app_layer::message::{Fact, Line, Transaction};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::reuse::{List, reused};

reused!(Anomaly, Boundary);

/// How much of a message is kept and followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of one header, its continuations included.
    pub header_bytes: usize,
    /// Bytes kept of one file.
    pub file_bytes: usize,
    /// Bytes kept of all files together.
    pub all_files_bytes: usize,
    /// Multiparts and messages inside each other.
    pub depth: usize,
}

/// Something odd about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anomaly {
    InvalidBase64,
    InvalidQuoted,
    LongLine,
    LongEncodedLine,
    LongHeaderName,
    LongHeaderValue,
    LongBoundary,
    LongFileName,
    TooDeep,
}

/// RFC 5322 section 2.1.1.
const LONGEST_LINE: usize = 998;
/// RFC 2045 sections 6.7 and 6.8.
const LONGEST_ENCODED_LINE: usize = 76;
/// What Suricata takes for long.
const LONGEST_HEADER_NAME: usize = 75;
const LONGEST_HEADER_VALUE: usize = 2000;
const LONGEST_FILE_NAME: usize = 255;
/// RFC 2046 section 5.1.1 says 70; Suricata warns from here on.
const LONGEST_BOUNDARY: usize = 254;

/// Headers of the message itself: their buffer, and their name in records.
const HEADERS: &[(&[u8], Buffer, &str)] = &[
    (b"From", Buffer::EmailFrom, "/email.from"),
    (b"To", Buffer::EmailTo, "/email.to[]"),
    (b"Cc", Buffer::EmailCc, "/email.cc[]"),
    (b"Subject", Buffer::EmailSubject, "/email.subject"),
    (b"Date", Buffer::EmailDate, "/email.date"),
    (b"Message-ID", Buffer::EmailMessageId, "/email.message_id"),
    (b"X-Mailer", Buffer::EmailMailer, "/email.x_mailer"),
    (b"Received", Buffer::EmailReceived, "/email.received[]"),
];

/// One message on its way.
#[derive(Debug)]
pub struct Message {
    direction: Direction,
    place: Place,
    /// The innermost is the last.
    boundaries: List<Boundary>,
    /// Messages that the part in hand is inside of.
    enclosed: usize,
    /// The header in hand, unfolded.
    header: List<u8>,
    part: Part,
    urls: Urls,
    /// The end of the last line, which is the boundary's if one follows (RFC 2046 section 5.1.1).
    line_end: List<u8>,
    line_bytes: usize,
    decoded: List<u8>,
    /// Bytes kept of all files.
    kept: usize,
    beyond: u64,
    anomalies: List<Anomaly>,
    /// Anomalies that were told.
    told: usize,
}

#[derive(Debug)]
struct Boundary {
    /// With its two hyphens.
    text: List<u8>,
    /// Messages that the multipart is inside of.
    enclosed: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Headers of the message itself.
    Top,
    /// Headers of a part.
    Headers,
    Body,
    /// Between the parts.
    Skipped,
}

/// What the headers say of a part.
#[derive(Debug, Default)]
struct Part {
    kind: List<u8>,
    boundary: List<u8>,
    /// Of Content-Disposition, else of Content-Type.
    name: List<u8>,
    attached: bool,
    decoder: Decoder,
    is_file: bool,
    kept: usize,
}

impl Part {
    fn is_text(&self) -> bool {
        self.kind.is_empty() || has_prefix(&self.kind, b"text/")
    }

    /// What is named, attached, or encoded without being text.
    fn carries_file(&self) -> bool {
        !self.name.is_empty() || self.attached || (self.decoder.is_base64() && !self.is_text())
    }
}

impl Message {
    pub fn new(direction: Direction) -> Self {
        Self {
            direction,
            place: Place::Top,
            boundaries: List::new(),
            enclosed: 0,
            header: List::new(),
            part: Part::default(),
            urls: Urls::default(),
            line_end: List::new(),
            line_bytes: 0,
            decoded: List::new(),
            kept: 0,
            beyond: 0,
            anomalies: List::new(),
            told: 0,
        }
    }

    /// Reads a line, or a part of one.
    pub fn line(&mut self, piece: Line<'_>, tx: &mut Transaction, bounds: &Bounds) {
        self.measure(piece);
        if piece.first
            && let Some((level, last)) = self.boundary(piece.text)
        {
            self.end_part(tx);
            self.enclosed = self.boundaries.get(level).map_or(0, |b| b.enclosed);
            self.boundaries.truncate(level + usize::from(!last));
            self.place = if last { Place::Skipped } else { Place::Headers };
            return;
        }
        match self.place {
            Place::Top | Place::Headers => self.header_line(piece, tx, bounds),
            Place::Body => self.body_line(piece, tx, bounds),
            Place::Skipped => {}
        }
    }

    /// The message has ended.
    pub fn end(&mut self, tx: &mut Transaction) {
        self.end_header(tx);
        self.end_part(tx);
    }

    /// Bytes of the message are missing: those of the file in hand, as far as that is known.
    pub fn gap(&mut self, length: u64, tx: &mut Transaction) {
        tx.miss_in_file(self.direction, length);
    }

    /// What was found odd since it was last asked; each once in a message.
    pub fn new_anomalies(&mut self) -> &[Anomaly] {
        let told = std::mem::replace(&mut self.told, self.anomalies.len());
        self.anomalies.get(told..).unwrap_or_default()
    }

    /// Bytes of files so far that were not kept.
    pub const fn beyond(&self) -> u64 {
        self.beyond
    }

    pub fn held_bytes(&self) -> usize {
        let boundaries = self.boundaries.iter();
        let part = &self.part;
        size_of::<Self>()
            + boundaries
                .map(|b| size_of::<Boundary>() + b.text.capacity())
                .sum::<usize>()
            + part.kind.capacity()
            + part.boundary.capacity()
            + part.name.capacity()
            + self.header.capacity()
            + self.urls.held_bytes()
            + self.decoded.capacity()
    }

    fn note(&mut self, anomaly: Anomaly) {
        if !self.anomalies.contains(&anomaly) {
            self.anomalies.push(anomaly);
        }
    }

    fn measure(&mut self, piece: Line<'_>) {
        if piece.first {
            self.line_bytes = 0;
        }
        self.line_bytes += piece.text.len();
        if self.line_bytes > LONGEST_LINE {
            self.note(Anomaly::LongLine);
        }
        let encoded = !matches!(self.part.decoder, Decoder::Plain);
        if self.place == Place::Body && encoded && self.line_bytes > LONGEST_ENCODED_LINE {
            self.note(Anomaly::LongEncodedLine);
        }
    }

    /// Which boundary a line begins with, the longest where several do; and whether it is the last
    /// of its multipart.
    fn boundary(&self, text: &[u8]) -> Option<(usize, bool)> {
        if !matches!(text, [b'-', b'-', ..]) {
            return None;
        }
        let known = self.boundaries.iter().enumerate();
        let fitting = known.filter_map(|(level, b)| Some((level, text.strip_prefix(&*b.text)?)));
        let (level, rest) = fitting.min_by_key(|(_, rest)| rest.len())?;
        Some((level, rest.starts_with(b"--")))
    }

    fn header_line(&mut self, piece: Line<'_>, tx: &mut Transaction, bounds: &Bounds) {
        if piece.first && piece.text.is_empty() {
            self.end_header(tx);
            self.begin_body(tx, bounds);
            return;
        }
        let continues = matches!(piece.text.first(), Some(b' ' | b'\t'));
        if piece.first && !continues {
            self.end_header(tx);
        }
        let room = bounds.header_bytes.saturating_sub(self.header.len());
        let kept = piece.text.get(..room).unwrap_or(piece.text);
        self.header.extend_from_slice(kept);
        if kept.len() < piece.text.len() {
            self.note(Anomaly::LongHeaderValue);
        }
    }

    /// The header in hand is whole.
    fn end_header(&mut self, tx: &mut Transaction) {
        let header = std::mem::take(&mut self.header);
        let Some((name, value)) = split(&header) else {
            return;
        };
        if name.len() > LONGEST_HEADER_NAME {
            self.note(Anomaly::LongHeaderName);
        }
        if value.len() > LONGEST_HEADER_VALUE {
            self.note(Anomaly::LongHeaderValue);
        }
        let known = HEADERS
            .iter()
            .find(|(known, ..)| name.eq_ignore_ascii_case(known));
        if let Some((_, buffer, path)) = known.filter(|_| self.place == Place::Top) {
            tx.put(*buffer, self.direction, value);
            if matches!(buffer, Buffer::EmailTo | Buffer::EmailCc) {
                for address in value.split(|&b| b == b',') {
                    tx.tell(path, Fact::Text(address.trim_ascii()));
                }
            } else {
                tx.tell(path, Fact::Text(value));
            }
        }
        if name.eq_ignore_ascii_case(b"Content-Type") {
            self.part.kind = first_word(value).into();
            self.part.kind.make_ascii_lowercase();
            self.part.boundary = parameter(value, b"boundary");
            if self.part.name.is_empty() {
                self.part.name = parameter(value, b"name");
            }
        } else if name.eq_ignore_ascii_case(b"Content-Disposition") {
            self.part.attached |= first_word(value).eq_ignore_ascii_case(b"attachment");
            let name = parameter(value, b"filename");
            if !name.is_empty() {
                self.part.name = name;
            }
        } else if name.eq_ignore_ascii_case(b"Content-Transfer-Encoding") {
            self.part.decoder = Decoder::of(first_word(value));
        }
        // Its room is used again.
        self.header = header;
        self.header.clear();
    }

    /// The headers of a part have ended.
    fn begin_body(&mut self, tx: &mut Transaction, bounds: &Bounds) {
        self.place = Place::Body;
        let encloses = has_prefix(&self.part.kind, b"message/") && !self.part.decoder.is_base64();
        if self.part.boundary.len() > LONGEST_BOUNDARY {
            self.note(Anomaly::LongBoundary);
        }
        if self.part.name.len() > LONGEST_FILE_NAME {
            self.note(Anomaly::LongFileName);
        }
        let nests = !self.part.boundary.is_empty() || encloses;
        if nests && self.boundaries.len() + self.enclosed < bounds.depth {
            if encloses {
                self.enclosed += 1;
                self.place = Place::Headers;
            } else {
                let mut text = List::from(&b"--"[..]);
                text.append(&mut self.part.boundary);
                self.boundaries.push(Boundary {
                    text,
                    enclosed: self.enclosed,
                });
                self.place = Place::Skipped;
            }
            self.part = Part::default();
            return;
        }
        if nests {
            self.note(Anomaly::TooDeep);
        }
        // What lies too deep is looked at as it is.
        self.part.is_file = nests || self.part.carries_file();
        if self.part.is_file {
            tx.open_file(self.direction, &self.part.name);
            if !self.part.name.is_empty() {
                tx.put(Buffer::FileName, self.direction, &self.part.name);
                tx.tell("/email.attachment[]", Fact::Text(&self.part.name));
            }
        }
    }

    fn body_line(&mut self, piece: Line<'_>, tx: &mut Transaction, bounds: &Bounds) {
        self.decoded.clear();
        self.decoded.append(&mut self.line_end);
        let well = self.part.decoder.text(piece.text, &mut self.decoded);
        if !well {
            self.note(if self.part.decoder.is_base64() {
                Anomaly::InvalidBase64
            } else {
                Anomaly::InvalidQuoted
            });
        }
        if piece.is_last() && self.part.decoder.line_end(&mut self.decoded) {
            self.line_end.extend_from_slice(piece.end);
        }
        if self.part.is_file {
            let room = (bounds.file_bytes - self.part.kept.min(bounds.file_bytes))
                .min(bounds.all_files_bytes.saturating_sub(self.kept));
            let kept = tx.add_to_file(self.direction, &self.decoded, room);
            self.part.kept += kept;
            self.kept += kept;
            self.beyond += (self.decoded.len() - kept) as u64;
        }
        if self.part.is_text() {
            let (urls, direction) = (&mut self.urls, self.direction);
            urls.text(&self.decoded, &mut |url| tell_url(tx, direction, url));
        }
    }

    fn end_part(&mut self, tx: &mut Transaction) {
        // Headers that no body follows.
        self.header.clear();
        if self.part.is_file {
            tx.close_file(self.direction);
        }
        let direction = self.direction;
        self.urls.end(&mut |url| tell_url(tx, direction, url));
        self.line_end.clear();
        self.part = Part::default();
    }
}

fn tell_url(tx: &mut Transaction, direction: Direction, url: &[u8]) {
    if !url.is_empty() {
        tx.put(Buffer::EmailUrl, direction, url);
        tx.tell("/email.url[]", Fact::Text(url));
    }
}

fn has_prefix(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}
