//! One connection's life from a seed, and its smallest form that still shows a difference.

use super::middle::Middle;
use super::random::Random;
use super::world::{Difference, Hostility, World};

/// Steps before the path is healed and the transfer must end.
pub const STEPS: u64 = 300;

#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub episodes: u64,
    pub steps: u64,
    pub segments: u64,
    pub refused: u64,
    /// Bytes that applications read.
    pub read: u64,
}

/// A difference with what shows it.
#[derive(Debug)]
pub struct Finding {
    pub hostility: Hostility,
    pub seed: u64,
    pub step: u64,
    pub difference: Difference,
    /// The steps that are needed for it, as the engine and the hosts saw them.
    pub trace: Vec<String>,
}

/// What a run gave, and whether it kept a trace.
struct Run {
    result: Result<(), Difference>,
    step: u64,
    trace: Vec<String>,
}

pub fn play<M: Middle>(
    hostility: Hostility,
    seed: u64,
    tally: &mut Tally,
) -> Result<(), Box<Finding>> {
    let all: Vec<u64> = (0..STEPS).collect();
    let run = run::<M>(hostility, seed, &all, Some(tally));
    let Err(difference) = run.result else {
        return Ok(());
    };
    let steps = shrink::<M>(
        hostility,
        seed,
        &all[..all.len().min(run.step as usize + 1)],
        &difference,
    );
    let trace = self::run::<M>(hostility, seed, &steps, None).trace;
    Err(Box::new(Finding {
        hostility,
        seed,
        step: run.step,
        difference,
        trace,
    }))
}

fn run<M: Middle>(
    hostility: Hostility,
    seed: u64,
    steps: &[u64],
    tally: Option<&mut Tally>,
) -> Run {
    let mut middle = M::with(hostility.profile(seed));
    let mut world = World::new(hostility, seed, &mut middle);
    if tally.is_none() {
        world.trace = Some(Vec::new());
    }
    let mut at = 0;
    let mut result = Ok(());
    for &step in steps {
        at = step;
        result = world.step(&mut Random::of(seed, step + 1));
        if result.is_err() {
            break;
        }
    }
    if result.is_ok() {
        at = STEPS;
        result = world.drain();
    }
    if let Some(tally) = tally {
        tally.episodes += 1;
        tally.steps += at;
        tally.segments += world.segments;
        tally.refused += world.refused;
        tally.read += world.read;
    }
    Run {
        result,
        step: at,
        trace: world.trace.unwrap_or_default(),
    }
}

/// Drops steps, in ever smaller runs, while the same kind of difference shows.
fn shrink<M: Middle>(
    hostility: Hostility,
    seed: u64,
    steps: &[u64],
    difference: &Difference,
) -> Vec<u64> {
    let kind = std::mem::discriminant(difference);
    let shows = |steps: &[u64]| {
        let result = run::<M>(hostility, seed, steps, None).result;
        result.is_err_and(|d| std::mem::discriminant(&d) == kind)
    };
    let mut kept = steps.to_vec();
    let mut length = kept.len() / 2;
    while length > 0 {
        let before = kept.len();
        let mut at = 0;
        while at < kept.len() {
            let mut fewer = kept.clone();
            fewer.drain(at..(at + length).min(kept.len()));
            if shows(&fewer) {
                kept = fewer;
            } else {
                at += length;
            }
        }
        if length > 1 || kept.len() == before {
            length /= 2;
        }
    }
    kept
}
