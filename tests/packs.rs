//! Every scenario of the shipped packs, past the real engine.

use std::path::Path;

use stopgap::detect::CompileOptions;
use stopgap::pack::{Limits, find_packs, load, test_patch};
use stopgap::reload::patch_engines;
use stopgap::signature::{Classes, Variables};

#[test]
fn every_scenario_of_the_shipped_packs_holds() {
    let signatures = Path::new(env!("CARGO_MANIFEST_DIR")).join("signatures");
    let (variables, classes) = (Variables::default(), Classes::default());
    let mut failures = Vec::new();
    let mut played = 0;
    for folder in find_packs(&signatures).unwrap() {
        let pack = load(&folder, &Limits::default(), &variables, &classes).unwrap();
        for refusal in &pack.refused {
            failures.push(format!("{} is refused: {}", refusal.patch, refusal.reason));
        }
        for patch in &pack.patches {
            let engines = patch_engines(patch, &pack.manifest, &CompileOptions::default());
            let report = test_patch(patch, &engines);
            played += report.scenarios.len();
            for scenario in report.scenarios.iter().filter(|s| !s.held) {
                let first = &scenario.failures[0];
                failures.push(format!(
                    "{}: {} of {} variants: {}: {}",
                    scenario.name, scenario.failed, scenario.variants, first.variant, first.reason
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(played > 100, "{played} scenarios");
}
