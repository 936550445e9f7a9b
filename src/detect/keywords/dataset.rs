//! `dataset` and `datarep`: the whole buffer, looked up in a set.

use std::sync::Arc;

use super::Variables;
use crate::detect::compile::text_id;
use crate::detect::state::Change;
use crate::detect::variables::{Captured, CapturedValue};
use crate::signature::ast::{CaptureScope, DatasetTest, SetCommand};
use crate::signature::set::{SetFact, SetKind};

/// A compiled `dataset`.
#[derive(Debug)]
pub(crate) struct DatasetOp {
    set: (String, SetKind),
    command: SetCommand,
    context: Option<Arc<str>>,
}

impl DatasetOp {
    pub(crate) fn new(test: &DatasetTest) -> Self {
        Self {
            set: (test.set.name.clone(), test.set.kind),
            command: test.command,
            context: test.context.as_deref().map(Arc::from),
        }
    }

    pub(super) fn holds(&self, bytes: &[u8], variables: &mut Variables) -> bool {
        let Some(set) = variables.kept.set(&self.set) else {
            return false;
        };
        match self.command {
            SetCommand::Set => {
                let change = set.insert(bytes);
                variables.full |= change == Change::Full;
                change == Change::Changed
            }
            SetCommand::Unset => set.remove(bytes) == Change::Changed,
            SetCommand::IsNotSet => set.find(bytes).is_none(),
            SetCommand::IsSet => {
                let fact = set.find(bytes);
                if let (Some(name), Some(SetFact::Json(json))) = (&self.context, &fact) {
                    variables.captured.push(Captured {
                        scope: CaptureScope::Alert,
                        id: text_id(CaptureScope::Alert, name),
                        name: Arc::clone(name),
                        value: CapturedValue::Json(Arc::clone(json)),
                    });
                }
                fact.is_some()
            }
            SetCommand::Score(comparison, than) => match set.find(bytes) {
                Some(SetFact::Score(score)) => comparison.holds(score.into(), than.into()),
                _ => false,
            },
        }
    }
}
