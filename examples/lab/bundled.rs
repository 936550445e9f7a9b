//! Stopgap with the bundled packs beside plain forwarding, on the same path and one core.

use crate::peers::{INSPECTOR_CPU, Pace, depth, need_cores, on_one_core};
use crate::support::Fallible;
use crate::support::daemon::{Daemon, Setup};
use crate::support::load;
use crate::support::netns::{Family, Lab};

/// What stands in the path, how it is set up, and what it must keep of plain forwarding, in percent.
type Way = (&'static str, fn() -> Option<Setup>, f64);

const WAYS: [Way; 4] = [
    ("plain forwarding", || None, 100.0),
    ("within the default depth", || Some(Setup::default()), 60.0),
    (
        "all of each stream",
        || {
            Some(Setup {
                extra_config: depth(0),
                ..Setup::default()
            })
        },
        30.0,
    ),
    (
        "with bypass",
        || {
            Some(Setup {
                extra_config: "\n[bypass]\nenabled = true\n".to_owned(),
                ..Setup::default()
            })
        },
        90.0,
    ),
];

pub fn run(pace: Pace) -> Fallible<()> {
    need_cores()?;
    println!(
        "NFQUEUE, one inspecting core (CPU {INSPECTOR_CPU}), the bundled packs, iperf3; median of {} rounds of {} s\n",
        pace.rounds, pace.seconds
    );
    let mut results: [Vec<f64>; WAYS.len()] = Default::default();
    for round in 1..=pace.rounds {
        for ((name, setup, _), results) in WAYS.iter().zip(&mut results) {
            let speed = one_round(setup(), pace.seconds)?;
            println!("round {round}, {name}: {speed:.2} Gbit/s");
            results.push(speed);
        }
    }
    let medians = results.map(|mut values| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    });
    println!("\n{:28}{:>10}{:>12}{:>8}", "", "Gbit/s", "of plain", "bar");
    for ((name, _, bar), speed) in WAYS.iter().zip(medians) {
        let part = 100.0 * speed / medians[0];
        println!("{name:28}{speed:>10.2}{part:>10.0} %{bar:>6.0} %");
    }
    Ok(())
}

fn one_round(setup: Option<Setup>, seconds: u32) -> Fallible<f64> {
    // A fresh path for each, so that none inherits another's state.
    let lab = Lab::new()?;
    let inspector = setup
        .map(|setup| Daemon::start(&lab, &on_one_core(setup)))
        .transpose()?;
    let speed = load::iperf3(&lab, Family::V4, seconds, None)?;
    if let Some(inspector) = inspector {
        inspector.stop()?;
    }
    Ok(speed)
}
