//! `base64_decode`: base64 within a buffer, and the tests behind `base64_data`.

use super::{Machine, Program, cost, evaluate_with};
use crate::base64::{Base64Mode, decode};
use crate::signature::ast::Base64Decode;

/// Encoded bytes read where the rule does not say.
const MOST_ENCODED: usize = 65_535;

/// A compiled `base64_decode`.
#[derive(Debug)]
pub(crate) struct Base64Op {
    pub(crate) decode: Base64Decode,
    /// What `base64_data` asks of the decoded bytes.
    pub(crate) program: Option<Program>,
}

impl Machine<'_> {
    pub(super) fn base64(&mut self, op: &Base64Op, cursor: i64) -> bool {
        let offset = i64::from(op.decode.offset);
        let most = op.decode.bytes.map_or(MOST_ENCODED, |n| n as usize);
        let mut decoded = std::mem::take(&mut self.variables.decoded);
        let encoded = self.bytes_from(op.decode.relative, cursor, offset);
        let encoded = encoded.map_or(&[][..], |(_, bytes)| &bytes[..bytes.len().min(most)]);
        let read = encoded.len() as u64 / cost::BYTES_READ;
        decode(encoded, Base64Mode::Rfc4648, &mut decoded);
        self.spent += read;
        let matched = !decoded.is_empty()
            && op.program.as_ref().is_none_or(|program| {
                let (found, exhausted, spent) = evaluate_with(program, &decoded, 0, self.variables);
                self.exhausted |= exhausted;
                self.spent += spent;
                found.is_some()
            });
        self.variables.decoded = decoded;
        matched
    }
}
