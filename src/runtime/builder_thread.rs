//! The thread that builds rulesets and hands them to the workers.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::priority;
use super::worker_thread::{Command, Remote};
use crate::detect::Ruleset;
use crate::reload::{Builder, Built, Exception, Holds, HoldsFile, RulesetSummary, Strictness};
use crate::verdict::Mode;

/// A worker that does not take up a ruleset for so long is stuck.
const SWAP_TIMEOUT: Duration = Duration::from_secs(10);

/// One change of the ruleset in force.
#[derive(Debug)]
pub enum Change {
    Reload { partial: bool },
    Rollback,
    Mode { patch: String, mode: Option<Mode> },
    ExceptAdd(Exception),
    ExceptRemove(Exception),
}

/// What is in force after a change.
#[derive(Clone, Debug)]
pub struct InForce {
    pub summary: RulesetSummary,
    pub holds: Holds,
    pub previous_epoch: Option<u64>,
}

type Answer = Result<InForce, String>;

/// Asks the builder's thread for changes.
#[derive(Clone, Debug)]
pub struct BuilderRemote(Sender<(Change, oneshot::Sender<Answer>)>);

impl BuilderRemote {
    /// Answers when the change is in force, or says why nothing has changed.
    pub async fn change(&self, change: Change) -> Answer {
        let (reply, answer) = oneshot::channel();
        let ended = || "the builder's thread has ended".to_owned();
        self.0.send((change, reply)).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

/// Starts the thread. It ends when every remote is gone.
pub fn spawn(
    builder: Builder,
    holds: HoldsFile,
    workers: Vec<Remote>,
    save_every: Option<Duration>,
) -> std::io::Result<BuilderRemote> {
    let (sender, receiver) = channel();
    let mut thread = BuilderThread {
        builder,
        holds,
        workers,
        save_every,
    };
    std::thread::Builder::new()
        .name("builder".to_owned())
        .spawn(move || thread.run(&receiver))?;
    Ok(BuilderRemote(sender))
}

struct BuilderThread {
    builder: Builder,
    holds: HoldsFile,
    workers: Vec<Remote>,
    /// Between two times that what rules keep is written.
    save_every: Option<Duration>,
}

impl BuilderThread {
    fn run(&mut self, changes: &Receiver<(Change, oneshot::Sender<Answer>)>) {
        if let Err(e) = priority::lowest() {
            tracing::warn!("rulesets are built at normal priority: {e}");
        }
        let mut saved = Instant::now();
        loop {
            let next = match self.save_every {
                Some(every) => changes.recv_timeout(every.saturating_sub(saved.elapsed())),
                None => changes.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                // Who asked may have gone; the change stands.
                Ok((change, reply)) => {
                    let _ = reply.send(self.apply(change));
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.builder.save();
                    saved = Instant::now();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn apply(&mut self, change: Change) -> Answer {
        let built = match change {
            Change::Reload { partial } => {
                let strictness = if partial {
                    Strictness::Partial
                } else {
                    Strictness::Whole
                };
                self.builder.build(strictness).map_err(|e| e.to_string())?
            }
            Change::Rollback => self.builder.rollback().map_err(|e| e.to_string())?,
            Change::Mode { patch, mode } => {
                if !self.builder.knows_patch(&patch) {
                    return Err(format!("no patch `{patch}` is loaded"));
                }
                self.change_holds(|holds| {
                    holds.set_mode(&patch, mode);
                    Ok(())
                })?
            }
            Change::ExceptAdd(exception) => {
                if let Some(patch) = &exception.patch
                    && !self.builder.knows_patch(patch)
                {
                    return Err(format!("no patch `{patch}` is loaded"));
                }
                self.change_holds(|holds| holds.add_exception(exception))?
            }
            Change::ExceptRemove(exception) => {
                self.change_holds(|holds| holds.remove_exception(&exception))?
            }
        };
        self.hand_over(&built.ruleset)?;
        Ok(InForce {
            summary: built.summary,
            holds: self.builder.holds().clone(),
            previous_epoch: self.builder.previous_epoch(),
        })
    }

    /// What cannot be kept across a restart is not put in force either.
    fn change_holds(
        &mut self,
        change: impl FnOnce(&mut Holds) -> Result<(), String>,
    ) -> Result<Built, String> {
        let mut holds = self.builder.holds().clone();
        change(&mut holds)?;
        self.holds.store(&holds)?;
        Ok(self.builder.set_holds(holds))
    }

    /// Every worker has the ruleset when this returns. The old ones are freed here.
    fn hand_over(&self, ruleset: &Arc<Ruleset>) -> Result<(), String> {
        let (done, taken) = channel();
        let asked = self
            .workers
            .iter()
            .filter(|worker| worker.send(Command::Ruleset(ruleset.clone(), done.clone())))
            .count();
        for _ in 0..asked {
            taken
                .recv_timeout(SWAP_TIMEOUT)
                .map_err(|_| "a worker has not taken up the ruleset".to_owned())?;
        }
        Ok(())
    }
}
