//! Header compression (RFC 7541): header blocks in any pieces, fields out.

use super::huffman;
use super::table::Table;

/// What a header block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Field {
        name: &'a [u8],
        value: &'a [u8],
    },
    /// The sender uses so much of the dynamic table from here on (section 6.3).
    SizeUpdate(u64),
}

/// Why a block cannot be read on. Section 2.3 of RFC 9113: a receiver ends the connection, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A number that is larger than any receiver takes.
    Overflow,
    /// A field that is in neither table, or a text that is no Huffman code.
    Invalid,
    /// A field that is longer than the limit.
    TooLong,
}

/// Bytes of a number behind its first; nobody needs more for 32 bits.
const INTEGER_BYTES: usize = 6;

/// One direction's decoder. It lives as long as its connection.
#[derive(Debug)]
pub(super) struct Decoder {
    table: Table,
    /// The start of a field whose rest is still to come.
    pending: Vec<u8>,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// A text in a block: where it stands, and whether it is Huffman-coded.
#[derive(Clone, Copy, Debug)]
struct Literal<'a> {
    bytes: &'a [u8],
    coded: bool,
}

impl Decoder {
    /// `table_bytes` is the most that its dynamic table holds.
    pub(super) const fn new(table_bytes: usize) -> Self {
        Self {
            table: Table::new(table_bytes),
            pending: Vec::new(),
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let texts = [&self.pending, &self.name, &self.value];
        self.table.held_bytes() + texts.map(Vec::capacity).iter().sum::<usize>()
    }

    /// Takes another piece of a block. `most`: bytes that one name or value may have there.
    pub(super) fn decode(
        &mut self,
        piece: &[u8],
        most: usize,
        sink: &mut dyn FnMut(Item<'_>),
    ) -> Result<(), Fault> {
        if self.pending.is_empty() {
            let used = self.run(piece, most, sink)?;
            self.pending
                .extend_from_slice(piece.get(used..).unwrap_or_default());
        } else {
            let mut pending = std::mem::take(&mut self.pending);
            pending.extend_from_slice(piece);
            let used = self.run(&pending, most, sink)?;
            pending.drain(..used);
            self.pending = pending;
        }
        Ok(())
    }

    /// The block has ended; whether it ended with a whole field.
    pub(super) fn end_block(&mut self) -> bool {
        let whole = self.pending.is_empty();
        for text in [&mut self.pending, &mut self.name, &mut self.value] {
            text.clear();
            text.shrink_to(1024);
        }
        whole
    }

    /// Reads whole fields; how many bytes they took.
    fn run(
        &mut self,
        bytes: &[u8],
        most: usize,
        sink: &mut dyn FnMut(Item<'_>),
    ) -> Result<usize, Fault> {
        let mut at = 0;
        while let Some(next) = self.one(bytes, at, most, sink)? {
            at = next;
        }
        Ok(at)
    }

    /// Reads what begins at a place (section 6); the place behind it, or `None` where it is not whole.
    fn one(
        &mut self,
        bytes: &[u8],
        at: usize,
        most: usize,
        sink: &mut dyn FnMut(Item<'_>),
    ) -> Result<Option<usize>, Fault> {
        let Some(&first) = bytes.get(at) else {
            return Ok(None);
        };
        let (prefix_bits, added) = match first {
            0x80.. => (7, false),
            0x40.. => (6, true),
            0x20.. => (5, false),
            _ => (4, false),
        };
        let Some((number, at)) = integer(bytes, at, prefix_bits)? else {
            return Ok(None);
        };
        if first >= 0x80 {
            let (name, value) = self.table.get(number).ok_or(Fault::Invalid)?;
            sink(Item::Field { name, value });
            return Ok(Some(at));
        }
        if first & 0xe0 == 0x20 {
            self.table.resize(number);
            sink(Item::SizeUpdate(number));
            return Ok(Some(at));
        }
        let (name, at) = match number {
            0 => match literal(bytes, at, most)? {
                Some((name, at)) => (Some(name), at),
                None => return Ok(None),
            },
            _ => (None, at),
        };
        let Some((value, at)) = literal(bytes, at, most)? else {
            return Ok(None);
        };
        match name {
            Some(name) => name.read(&mut self.name)?,
            None => {
                let (name, _) = self.table.get(number).ok_or(Fault::Invalid)?;
                self.name.clear();
                self.name.extend_from_slice(name);
            }
        }
        value.read(&mut self.value)?;
        let (name, value) = (&self.name[..], &self.value[..]);
        sink(Item::Field { name, value });
        if added {
            self.table.add(name, value);
        }
        Ok(Some(at))
    }
}

impl Literal<'_> {
    fn read(self, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.clear();
        if self.coded {
            return huffman::decode(self.bytes, out).map_err(|huffman::Broken| Fault::Invalid);
        }
        out.extend_from_slice(self.bytes);
        Ok(())
    }
}

/// A number with so many bits of its first byte (section 5.1), and the place behind it.
fn integer(bytes: &[u8], at: usize, prefix_bits: u32) -> Result<Option<(u64, usize)>, Fault> {
    let Some(&first) = bytes.get(at) else {
        return Ok(None);
    };
    let mask = (1_u8 << prefix_bits) - 1;
    let mut number = u64::from(first & mask);
    if first & mask != mask {
        return Ok(Some((number, at + 1)));
    }
    let rest = bytes.get(at + 1..).unwrap_or_default();
    for (place, &byte) in rest.iter().enumerate() {
        if place >= INTEGER_BYTES {
            return Err(Fault::Overflow);
        }
        number += u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let fits = u32::try_from(number).is_ok();
            return fits
                .then_some(Some((number, at + place + 2)))
                .ok_or(Fault::Overflow);
        }
    }
    if rest.len() >= INTEGER_BYTES {
        return Err(Fault::Overflow);
    }
    Ok(None)
}

/// A text (section 5.2), and the place behind it.
fn literal(bytes: &[u8], at: usize, most: usize) -> Result<Option<(Literal<'_>, usize)>, Fault> {
    let coded = bytes.get(at).is_some_and(|b| b & 0x80 != 0);
    let Some((length, start)) = integer(bytes, at, 7)? else {
        return Ok(None);
    };
    // Judged by what it says, so that nothing depends on how much of it is there.
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > most {
        return Err(Fault::TooLong);
    }
    let end = start.saturating_add(length);
    let text = bytes.get(start..end);
    Ok(text.map(|bytes| (Literal { bytes, coded }, end)))
}

#[cfg(test)]
mod tests {
    use super::super::huffman::tests::encode;
    use super::*;

    fn read(decoder: &mut Decoder, block: &[u8], step: usize) -> Result<Vec<String>, Fault> {
        let mut items = Vec::new();
        for piece in block.chunks(step) {
            decoder.decode(piece, 1000, &mut |item| {
                items.push(match item {
                    Item::SizeUpdate(size) => format!("size {size}"),
                    Item::Field { name, value } => format!(
                        "{}: {}",
                        String::from_utf8_lossy(name),
                        String::from_utf8_lossy(value)
                    ),
                });
            })?;
        }
        assert!(decoder.end_block());
        Ok(items)
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    /// RFC 7541 appendix C.4: three requests of one connection.
    #[test]
    fn requests_of_the_standard_decode_in_any_pieces() {
        for step in [1, 2, 3, 100] {
            let mut decoder = Decoder::new(4096);
            for (block, last) in [
                (
                    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
                    ":authority: www.example.com",
                ),
                ("8286 84be 5886 a8eb 1064 9cbf", "cache-control: no-cache"),
                (
                    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
                    "custom-key: custom-value",
                ),
            ] {
                let items = read(&mut decoder, &hex(block), step).unwrap();
                assert_eq!(items.last().unwrap(), last);
                assert!(items.contains(&":authority: www.example.com".to_owned()));
            }
        }
    }

    /// RFC 7541 appendix C.6: three responses with a table of 256 bytes, which evicts.
    #[test]
    fn responses_of_the_standard_decode_with_evictions() {
        let mut decoder = Decoder::new(256);
        let first = "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 \
                     2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
        let third = "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab \
                     77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f \
                     9587 3160 65c0 03ed 4ee5 b106 3d50 07";
        assert_eq!(
            read(&mut decoder, &hex(first), 5).unwrap()[0],
            ":status: 302"
        );
        let second = read(&mut decoder, &hex("4883 640e ffc1 c0bf"), 1).unwrap();
        assert_eq!(second[0], ":status: 307");
        assert_eq!(second[3], "location: https://www.example.com");
        let third = read(&mut decoder, &hex(third), 7).unwrap();
        assert_eq!(third[4], "content-encoding: gzip");
        assert_eq!(
            third[5],
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
        );
    }

    #[test]
    fn a_size_update_is_told_and_empties_the_table() {
        let mut decoder = Decoder::new(4096);
        let mut block = vec![0x40, 1, b'a', 1, b'b', 0xbe, 0x3f, 0xe1, 0x1f];
        let items = read(&mut decoder, &block, 1).unwrap();
        assert_eq!(items, ["a: b", "a: b", "size 4096"]);
        block = vec![0x20, 0xbe];
        assert_eq!(read(&mut decoder, &block, 2), Err(Fault::Invalid));
    }

    #[test]
    fn faults_are_told() {
        let coded = encode(b"xyz");
        let mut bad = vec![0x00, 0x80 | coded.len() as u8];
        bad.extend_from_slice(&coded);
        bad.extend_from_slice(&[0x81, 0x00]);
        for (block, fault) in [
            (&[0x80][..], Fault::Invalid),
            (&[0xbe], Fault::Invalid),
            (&bad, Fault::Invalid),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Fault::Overflow),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], Fault::Overflow),
        ] {
            for step in [1, 100] {
                assert_eq!(
                    read(&mut Decoder::new(4096), block, step),
                    Err(fault),
                    "{block:?}"
                );
            }
        }
        let mut long = vec![0x00, 0x7f, 0xff, 0x7f];
        long.extend_from_slice(&[b'x'; 2000]);
        // Found by fuzzing: in one piece, what is in it was told instead.
        for step in [9, 3000] {
            assert_eq!(
                read(&mut Decoder::new(4096), &long, step),
                Err(Fault::TooLong)
            );
        }
        let mut cut = Decoder::new(4096);
        cut.decode(&[0x00, 3, b'a'], 100, &mut |_| {}).unwrap();
        assert!(!cut.end_block());
    }
}
