//! The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B).
//!
//! The code is canonical: codes of one length follow each other in the order of
//! their symbols, so the lengths alone say everything.

/// The symbol that ends nothing: only its first bits may stand, as padding.
const END: usize = 256;
const SHORTEST: usize = 5;
const LONGEST: usize = 30;

/// Bits of each symbol's code.
#[rustfmt::skip]
const LENGTHS: [u8; END + 1] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// Codes up to so many bits are found at once.
const QUICK_BITS: usize = 8;

struct Code {
    /// The first code of each length.
    first: [u32; LONGEST + 1],
    /// How many codes have that length.
    count: [u32; LONGEST + 1],
    /// Where the symbols of that length begin in `symbols`.
    start: [usize; LONGEST + 1],
    symbols: [u16; END + 1],
    /// Symbol and length by the next [`QUICK_BITS`] bits; length 0: longer.
    quick: [(u8, u8); 1 << QUICK_BITS],
}

static CODE: Code = Code::build();

impl Code {
    const fn build() -> Self {
        let mut code = Self {
            first: [0; LONGEST + 1],
            count: [0; LONGEST + 1],
            start: [0; LONGEST + 1],
            symbols: [0; END + 1],
            quick: [(0, 0); 1 << QUICK_BITS],
        };
        let (mut next, mut placed, mut length) = (0_u32, 0, SHORTEST);
        while length <= LONGEST {
            next <<= 1;
            code.first[length] = next;
            code.start[length] = placed;
            let mut symbol = 0;
            while symbol <= END {
                if LENGTHS[symbol] as usize == length {
                    code.symbols[placed] = symbol as u16;
                    code.enter_quick(next, length, symbol);
                    placed += 1;
                    next += 1;
                }
                symbol += 1;
            }
            code.count[length] = next - code.first[length];
            length += 1;
        }
        code
    }

    const fn enter_quick(&mut self, code: u32, length: usize, symbol: usize) {
        if length > QUICK_BITS {
            return;
        }
        let free = QUICK_BITS - length;
        let mut low = 0;
        while low < 1 << free {
            self.quick[((code as usize) << free) | low] = (symbol as u8, length as u8);
            low += 1;
        }
    }

    /// The symbol that the bits begin with, and its length. `bits` are left-aligned, `held` of them
    /// are there.
    fn next(&self, bits: u64, held: usize) -> Option<(usize, usize)> {
        let (symbol, length) = self.quick[(bits >> (64 - QUICK_BITS)) as usize];
        let length = usize::from(length);
        if length > 0 {
            return (length <= held).then_some((usize::from(symbol), length));
        }
        (QUICK_BITS + 1..=LONGEST.min(held)).find_map(|length| {
            let place = ((bits >> (64 - length)) as u32).checked_sub(self.first[length])?;
            let symbol = self.symbols.get(self.start[length] + place as usize)?;
            (place < self.count[length]).then_some((usize::from(*symbol), length))
        })
    }
}

/// The bytes are no such code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Appends what the bytes say: at most eight fifths of their number.
pub(super) fn decode(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
    let (mut bits, mut held) = (0_u64, 0);
    for &byte in bytes {
        // Never more than the longest code less one bit, and a byte.
        bits |= u64::from(byte) << (56 - held);
        held += 8;
        while let Some((symbol, length)) = CODE.next(bits, held) {
            out.push(u8::try_from(symbol).map_err(|_| Broken)?);
            bits <<= length;
            held -= length;
        }
        if held >= LONGEST {
            return Err(Broken);
        }
    }
    // RFC 7541 section 5.2: less than a byte of padding, the first bits of the end symbol.
    let padding = held < 8 && bits == !(!0_u64 >> held);
    padding.then_some(()).ok_or(Broken)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::app_layer::http2) fn encode(text: &[u8]) -> Vec<u8> {
        let code_of = |symbol: u8| {
            let length = usize::from(LENGTHS[usize::from(symbol)]);
            let place = (0..END + 1)
                .filter(|s| usize::from(LENGTHS[*s]) == length)
                .position(|s| s == usize::from(symbol))
                .unwrap();
            (CODE.first[length] + place as u32, length)
        };
        let mut bits = Vec::new();
        for &symbol in text {
            let (code, length) = code_of(symbol);
            bits.extend((0..length).rev().map(|at| code >> at & 1 == 1));
        }
        while bits.len() % 8 != 0 {
            bits.push(true);
        }
        let byte = |chunk: &[bool]| chunk.iter().fold(0_u8, |n, bit| n << 1 | u8::from(*bit));
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn the_code_is_complete_and_begins_as_the_standard_says() {
        let full: u64 = LENGTHS
            .iter()
            .map(|l| 1_u64 << (LONGEST - usize::from(*l)))
            .sum();
        assert_eq!(full, 1 << LONGEST);
        for (symbol, code, length) in [(b'0', 0x0, 5), (0, 0x1ff8, 13), (b'{', 0x7ffe, 15)] {
            let length: usize = length;
            assert_eq!(usize::from(LENGTHS[usize::from(symbol)]), length);
            assert_eq!(
                CODE.next(code << (64 - length), 64),
                Some((usize::from(symbol), length))
            );
        }
    }

    #[test]
    fn examples_of_the_standard_decode() {
        // RFC 7541 appendix C.4 and C.6.
        for (hex, text) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("25a849e95ba97d7f", "custom-key"),
            (
                "d07abe941054d444a8200595040b8166e082a62d1bff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
        ] {
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            let mut out = Vec::new();
            assert_eq!(decode(&bytes, &mut out), Ok(()), "{text}");
            assert_eq!(out, text.as_bytes());
            assert_eq!(encode(text.as_bytes()), bytes);
        }
    }

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        let mut out = Vec::new();
        assert_eq!(decode(&encode(&all), &mut out), Ok(()));
        assert_eq!(out, all);
    }

    #[test]
    fn wrong_padding_and_the_end_symbol_are_refused() {
        for bytes in [
            // `0` and zeros; a whole byte of padding; the end symbol.
            &[0b0000_0000][..],
            &[0b0000_0111, 0xff],
            &[0xff, 0xff, 0xff, 0xff],
            &[0xff; 64],
        ] {
            assert_eq!(decode(bytes, &mut Vec::new()), Err(Broken), "{bytes:?}");
        }
        assert_eq!(decode(&[], &mut Vec::new()), Ok(()));
    }
}
