//! Rules of different files and packs under one number.

use std::collections::hash_map::Entry;

use ahash::AHashMap;

use crate::detect::{Layer, Told};
use crate::signature::ast::SignatureId;
use crate::signature::{Diagnostic, Severity};

/// Tells of each rule whose number a rule of a layer before has: both are in force, and what goes by the
/// number (alerts, thresholds, selections) does not tell them apart. Within a file the reader sees to it.
pub fn duplicates<'a>(
    layers: impl IntoIterator<Item = &'a Layer, IntoIter: Clone>,
) -> Vec<Diagnostic> {
    let layers = layers.into_iter();
    if layers.clone().nth(1).is_none() {
        return Vec::new();
    }
    let signatures = layers.clone().map(|layer| layer.signatures().len()).sum();
    let mut first: AHashMap<SignatureId, &Told> = AHashMap::with_capacity(signatures);
    let mut found = Vec::new();
    for layer in layers {
        for signature in layer.signatures().iter().map(|s| &s.signature) {
            match first.entry(signature.id) {
                Entry::Vacant(place) => {
                    place.insert(signature);
                }
                Entry::Occupied(place) => found.push(told(signature, place.get())),
            }
        }
    }
    found
}

fn told(this: &Told, before: &Told) -> Diagnostic {
    let SignatureId { gid, sid } = this.id;
    let written = this.text.find("sid:").unwrap_or(0);
    let length = this.text.get(written..).and_then(|t| t.find(';'));
    let mut diagnostic = Diagnostic::new(
        Severity::Warning,
        &this.source.file,
        &this.text,
        written..written + length.unwrap_or(0),
        format!(
            "rule {gid}:{sid} also stands in {}:{}: both are in force",
            before.source.file, before.source.line
        ),
    );
    diagnostic.line = this.source.line;
    diagnostic.with_help(Some(
        "give one of them a number of its own, or load one of the files".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{CompileOptions, RuleInput};
    use crate::signature::{Classes, Variables, parse_file};

    fn layer(file: &str, sids: &[u32]) -> Layer {
        let rules: String = sids
            .iter()
            .map(|sid| format!("alert ip any any -> any any (msg:\"t\"; sid:{sid};)\n"))
            .collect();
        let parsed = parse_file(file, &rules, &Variables::default(), &Classes::default());
        let input = |signature| RuleInput {
            signature,
            patch: None,
        };
        let inputs = parsed.signatures.into_iter().map(input).collect();
        Layer::compile(inputs, &CompileOptions::default())
    }

    #[test]
    fn numbers_that_two_files_share_are_told_with_both_places() {
        let (a, b) = (layer("a.rules", &[1, 2]), layer("b.rules", &[3, 2]));
        let told = duplicates([&a, &b]);
        assert_eq!(told.len(), 1);
        assert_eq!((&*told[0].file, told[0].line), ("b.rules", 2));
        assert!(told[0].message.contains("1:2 also stands in a.rules:2"));
        assert!(told[0].render(false).contains("sid:2"));
        assert!(duplicates([&a]).is_empty());
    }
}
