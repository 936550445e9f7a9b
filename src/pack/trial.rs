//! Plays a patch's scenarios past an engine that has the patch.

use std::time::Instant;

use super::hash::ContentHash;
use super::load::{LoadedPack, Refusal};
use super::patch::Patch;
use super::report::{ScenarioReport, TestReport};
use crate::parallel;
use crate::scenario::{Engine, Expectation, FiredSignature, run, variants};
use crate::signature::ast::SignatureId;

/// Variants that one thread plays at a time.
const VARIANTS_AT_ONCE: usize = 8;

/// Plays every variant of every scenario of `patch`, each past an engine of its
/// own, on all processors. `new_engine` makes one that has the patch's signatures in
/// force, whatever the patch's mode.
pub fn test_patch<E: Engine>(patch: &Patch, new_engine: &(impl Fn() -> E + Sync)) -> TestReport {
    let start = Instant::now();
    let contents = patch.contents();
    let attacks = patch.attacks.iter().map(|s| (s, Expectation::Stopped));
    let benign = patch.benign.iter().map(|s| (s, Expectation::Untouched));
    let mut scenarios = Vec::new();
    let mut plays = Vec::new();
    for (scenario, expectation) in attacks.chain(benign) {
        let variants = variants(scenario, &contents);
        scenarios.push(ScenarioReport {
            name: scenario.name.clone(),
            title: scenario.title.clone(),
            expectation,
            held: true,
            variants: variants.all.len(),
            failed: 0,
            failures: Vec::new(),
            packets: 0,
            edges_left_out: variants.edges_left_out,
            micros: 0,
        });
        let number = scenarios.len() - 1;
        let variants = variants.all.into_iter();
        plays.extend(variants.map(|variant| (number, scenario, expectation, variant)));
    }
    let is_own = |fired: FiredSignature| {
        patch.owns(SignatureId {
            gid: fired.gid,
            sid: fired.sid,
        })
    };
    let played = parallel::map(
        &plays,
        VARIANTS_AT_ONCE,
        || (),
        |(), (_, scenario, expectation, variant)| {
            let start = Instant::now();
            let result = run(scenario, variant, *expectation, &is_own, &mut new_engine());
            (result, micros_since(start))
        },
    );
    for ((number, _, _, variant), (result, micros)) in plays.iter().zip(played) {
        let report = &mut scenarios[*number];
        report.packets += result.packets;
        report.micros += micros;
        if let Some(reason) = result.reason {
            report.fail(variant.to_string(), reason);
        }
    }
    TestReport {
        patch: patch.id().to_owned(),
        held: scenarios.iter().all(|scenario| scenario.held),
        scenarios,
        micros: micros_since(start),
    }
}

fn micros_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

impl LoadedPack {
    /// Plays the scenarios of every patch whose files are not known to hold, and
    /// refuses those that do not. `engine_for` prepares one patch and gives a maker
    /// of engines, or says why the patch cannot be compiled.
    pub fn test<E, M>(
        &mut self,
        known_to_hold: &dyn Fn(&ContentHash) -> bool,
        engine_for: &mut dyn FnMut(&Patch) -> Result<M, String>,
    ) -> Vec<TestReport>
    where
        E: Engine,
        M: Fn() -> E + Sync,
    {
        let mut reports = Vec::new();
        let mut kept = Vec::with_capacity(self.patches.len());
        for patch in std::mem::take(&mut self.patches) {
            if known_to_hold(&patch.hash) {
                kept.push(patch);
                continue;
            }
            let reason = match engine_for(&patch) {
                Err(reason) => Some(reason),
                Ok(new_engine) => {
                    let report = test_patch(&patch, &new_engine);
                    let failure = report.first_failure();
                    reports.push(report);
                    failure.map(|failure| format!("its own scenarios do not hold: {failure}"))
                }
            };
            match reason {
                None => kept.push(patch),
                Some(reason) => self.refused.push(Refusal {
                    patch: patch.description.id,
                    reason,
                    diagnostics: Vec::new(),
                }),
            }
        }
        self.patches = kept;
        reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::files::Limits;
    use crate::pack::load::load;
    use crate::scenario::Outcome;
    use crate::signature::{Classes, Variables};
    use crate::time::Timestamp;
    use crate::verdict::{DropReason, Verdict};
    use std::path::Path;

    fn core() -> LoadedPack {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("signatures/core");
        let (variables, classes) = (Variables::default(), Classes::default());
        load(&folder, &Limits::default(), &variables, &classes).unwrap()
    }

    /// Lets everything pass, or nothing.
    struct Switch(Verdict);

    impl Engine for Switch {
        fn process(&mut self, _: &mut [u8], _: Timestamp) -> Verdict {
            self.0
        }
        fn finish(&mut self) -> Outcome {
            Outcome::default()
        }
    }

    #[test]
    fn every_shipped_patch_is_read_without_a_remark() {
        let core = core();
        let told: Vec<String> = core
            .refused
            .iter()
            .flat_map(|refusal| &refusal.diagnostics)
            .chain(core.patches.iter().flat_map(|patch| &patch.warnings))
            .map(ToString::to_string)
            .collect();
        assert!(told.is_empty(), "{}", told.join("\n"));
        assert!(core.patches.len() >= 6);
        for patch in &core.patches {
            assert!(
                patch.attacks.len() >= 3 && patch.benign.len() >= 3,
                "{}",
                patch.id()
            );
        }
    }

    /// Whatever expression needs `pcre2` may look back, and so take long on purpose.
    #[test]
    fn every_shipped_expression_takes_linear_time() {
        let core = core();
        let signatures = core.patches.iter().flat_map(|patch| &patch.signatures);
        for signature in signatures {
            for test in signature.buffers.iter().flat_map(|buffer| &buffer.tests) {
                if let crate::signature::ast::Test::Pcre(pcre) = test {
                    assert!(!pcre.needs_pcre2, "{}", signature.id.sid);
                }
            }
        }
    }

    #[test]
    fn a_patch_whose_attack_passes_is_refused_and_named() {
        let mut core = core();
        let patches = core.patches.len();
        let known = core.patches[0].hash;
        let reports = core.test(&|hash| *hash == known, &mut |_| {
            Ok(|| Switch(Verdict::Forward))
        });
        assert_eq!(
            reports.len(),
            patches - 1,
            "what is known to hold is not played"
        );
        assert_eq!(core.patches.len(), 1);
        assert_eq!(core.refused.len(), patches - 1);
        let refusal = &core.refused[0];
        assert!(refusal.reason.contains("/attack/"), "{}", refusal.reason);
        for report in &reports {
            for scenario in &report.scenarios {
                assert_eq!(
                    scenario.held,
                    scenario.expectation == Expectation::Untouched,
                    "{}",
                    scenario.name
                );
                assert!(scenario.variants >= 5);
                assert_eq!(scenario.row().len(), ScenarioReport::COLUMNS.len());
            }
            let json = serde_json::to_value(report).unwrap();
            assert_eq!(json["held"], false);
            assert_eq!(json["scenarios"][0]["expectation"], "stopped");
        }
    }

    #[test]
    fn a_patch_that_stops_everything_is_refused() {
        let core = core();
        let report = test_patch(&core.patches[0], &|| {
            Switch(Verdict::Drop(DropReason::Rules))
        });
        assert!(!report.held);
        assert!(report.scenarios.iter().all(|scenario| !scenario.held));
        assert_eq!(report.scenarios[0].failures.len(), 8, "the rest is counted");
        assert!(report.scenarios[0].failed > 8);
    }

    #[test]
    fn a_patch_that_does_not_compile_is_refused() {
        let mut core = core();
        let patches = core.patches.len();
        let reports = core.test(&|_| false, &mut |_| {
            Err::<fn() -> Switch, _>("no such buffer".to_owned())
        });
        assert!(reports.is_empty() && core.patches.is_empty());
        assert_eq!(core.refused.len(), patches);
        assert_eq!(core.refused[0].reason, "no such buffer");
    }
}
