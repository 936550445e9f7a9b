//! Numbers and texts that rules keep with a flow, and what expressions capture.

use std::sync::Arc;

use super::flowbits::BitId;
use crate::signature::ast::{CaptureScope, IntOperator};

/// Numbers, and texts, that one flow keeps at most.
const MAX_KEPT: usize = 64;
/// Bytes of one text that are kept.
pub(crate) const MAX_TEXT: usize = 4096;

/// What one flow keeps under names. Most keep nothing.
#[derive(Debug, Default)]
pub(crate) struct FlowVariables(Option<Box<Named>>);

#[derive(Debug, Default)]
struct Named {
    numbers: Vec<(BitId, u32)>,
    texts: Vec<(BitId, Arc<[u8]>)>,
}

impl FlowVariables {
    pub(crate) fn number(&self, name: BitId) -> Option<u32> {
        let mut numbers = self.0.iter().flat_map(|named| &named.numbers);
        numbers.find(|(n, _)| *n == name).map(|(_, v)| *v)
    }

    /// A number that was never set counts as zero; whether there was room for it.
    pub(crate) fn change(&mut self, name: BitId, operator: IntOperator, by: u32) -> bool {
        let changed = |before: u32| match operator {
            IntOperator::Set => by,
            IntOperator::Add => before.saturating_add(by),
            IntOperator::Subtract => before.saturating_sub(by),
        };
        let numbers = &mut self.0.get_or_insert_default().numbers;
        if let Some((_, value)) = numbers.iter_mut().find(|(n, _)| *n == name) {
            *value = changed(*value);
            return true;
        }
        if numbers.len() >= MAX_KEPT {
            return false;
        }
        numbers.push((name, changed(0)));
        true
    }

    pub(crate) fn text(&self, name: BitId) -> Option<&[u8]> {
        let mut texts = self.0.iter().flat_map(|named| &named.texts);
        texts.find(|(n, _)| *n == name).map(|(_, t)| &**t)
    }

    /// Whether there was room for it.
    pub(crate) fn put_text(&mut self, name: BitId, text: Arc<[u8]>) -> bool {
        let texts = &mut self.0.get_or_insert_default().texts;
        if let Some((_, before)) = texts.iter_mut().find(|(n, _)| *n == name) {
            *before = text;
            return true;
        }
        if texts.len() >= MAX_KEPT {
            return false;
        }
        texts.push((name, text));
        true
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.0.as_deref().map_or(0, |named| {
            size_of::<Named>()
                + named.numbers.capacity() * size_of::<(BitId, u32)>()
                + named.texts.capacity() * size_of::<(BitId, Arc<[u8]>)>()
                + named.texts.iter().map(|(_, t)| t.len()).sum::<usize>()
        })
    }
}

/// What an expression, or a set, has found out about a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    pub scope: CaptureScope,
    pub name: Arc<str>,
    pub value: CapturedValue,
    pub(crate) id: BitId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CapturedValue {
    Text(Arc<[u8]>),
    /// A JSON object.
    Json(Arc<str>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_start_at_zero_and_neither_wrap_nor_grow_without_bound() {
        let mut flow = FlowVariables::default();
        let name = BitId::of("variables.test");
        assert_eq!(flow.number(name), None);
        flow.change(name, IntOperator::Subtract, 5);
        assert_eq!(flow.number(name), Some(0));
        flow.change(name, IntOperator::Add, u32::MAX);
        flow.change(name, IntOperator::Add, 1);
        assert_eq!(flow.number(name), Some(u32::MAX));
        let room = (0..100)
            .filter(|n| flow.change(BitId::of(&format!("variables.{n}")), IntOperator::Set, 1))
            .count();
        assert_eq!(room, MAX_KEPT - 1);
        flow.clear();
        assert_eq!(flow.number(name), None);
    }
}
