//! No payload makes the rules work much more on a flow than its bytes pay for: a search for one, in units
//! of work, which are the same on every machine and each time.

#[path = "../examples/worst/search.rs"]
#[expect(dead_code, reason = "the example measures time as well")]
mod search;

use std::time::Duration;

use search::{Genome, Material, Rig, climb};
use stopgap::detect::{UNITS_PAID_PER_BYTE, UNITS_PER_US};
use stopgap::pipeline::WorkerConfig;
use stopgap::reload::{Builder, Holds, RulesFile, Sources, Strictness};
use stopgap::signature::{Classes, Variables, parse_bytes};

/// What the rules do about one packet before the flow that it belongs to is refused.
const LAST_PACKET_UNITS: u64 = 2_000_000;

/// Small enough for the search to reach it.
const FLOW_BUDGET_US: u32 = 2_000;

/// What costs the most to find out about a payload: places that come again and again, tests that only the
/// last of many can fail, expressions that look far.
const HARD_RULES: &str = r#"
alert tcp any any -> any any (msg:"chain"; content:"a"; content:"b"; distance:0; within:200; content:"c"; distance:0; within:200; content:"d"; distance:0; within:200; content:"never"; distance:0; within:10; sid:1;)
alert tcp any any -> any any (msg:"jumps"; content:"|01 02|"; byte_jump:1,0,relative; content:"|03|"; distance:0; within:4; content:"never"; distance:0; within:40; sid:2;)
alert tcp any any -> any any (msg:"far"; content:"start"; pcre:"/start[^\n]*end[^\n]*never/"; sid:3;)
alert tcp any any -> any any (msg:"back"; content:"quote"; pcre:"/quote(.{1,40})and.*\1never/"; sid:4;)
alert http any any -> any any (msg:"uri"; http.uri; content:"../"; content:"etc"; distance:0; content:"/"; distance:0; within:100; pcre:"/^never/R"; sid:5;)
alert http any any -> any any (msg:"body"; http.request_body; content:"<a"; content:"href"; distance:0; within:300; pcre:"/^=[^>]*never/R"; sid:6;)
"#;

#[test]
fn no_payload_takes_much_more_than_its_bytes_pay_for() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("hard.rules");
    std::fs::write(&file, HARD_RULES).unwrap();
    let parsed = parse_bytes(
        "hard.rules",
        HARD_RULES.as_bytes(),
        &Variables::default(),
        &Classes::default(),
    );
    assert!(parsed.failures.is_empty(), "{:?}", parsed.failures);
    let material = Material::of(parsed.signatures.iter().map(AsRef::as_ref));
    let sources = Sources {
        rules: vec![RulesFile::whole(&file)],
        ..Sources::default()
    };
    let built = Builder::new(sources, Holds::default())
        .build(Strictness::Start)
        .unwrap();
    for http in [false, true] {
        let config = WorkerConfig {
            flow_budget_us: FLOW_BUDGET_US,
            ..WorkerConfig::default()
        };
        let mut rig = Rig::new(config, built.ruleset.clone());
        let still = || Duration::ZERO;
        let mut most = 0;
        let mut measure = |genome: &Genome| {
            let cost = rig.flow(genome, &still);
            let unpaid = cost.units.saturating_sub(UNITS_PAID_PER_BYTE * cost.bytes);
            most = most.max(unpaid);
            cost.units_per_byte()
        };
        let (worst, units) = climb(&material, http, 3, 60, 7, &mut measure);
        let payload = worst.payload();
        println!(
            "worst: {units:.1} units for each byte, segments of {}: {}",
            worst.segment,
            payload[..payload.len().min(200)].escape_ascii()
        );
        let budget = u64::from(FLOW_BUDGET_US) * UNITS_PER_US;
        assert!(most > budget, "the search finds flows over their budget");
        assert!(most <= budget + LAST_PACKET_UNITS, "{most} units");
    }
}
