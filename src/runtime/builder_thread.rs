//! The thread that builds rulesets and hands them to the workers.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::worker_thread::{Command, Remote};
use crate::detect::Ruleset;
use crate::reload::{
    Builder, Built, Exception, Holds, HoldsFile, Merged, RulesetSummary, Strictness,
};
use crate::verdict::Mode;

/// A worker that does not take up a ruleset for so long is stuck.
const SWAP_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is looked whether layers have been made one.
const LOOK_FOR_MERGED: Duration = Duration::from_millis(100);

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
    told: UnboundedSender<InForce>,
) -> std::io::Result<BuilderRemote> {
    let (sender, receiver) = channel();
    let mut thread = BuilderThread {
        builder,
        holds,
        workers,
        save_every,
        saving: None,
        merging: None,
        told,
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
    saving: Option<JoinHandle<()>>,
    /// What is made one in the background, if anything is.
    merging: Option<JoinHandle<Merged>>,
    /// What is in force without a change that anybody asked for.
    told: UnboundedSender<InForce>,
}

impl BuilderThread {
    fn run(&mut self, changes: &Receiver<(Change, oneshot::Sender<Answer>)>) {
        let mut saved = Instant::now();
        loop {
            let until_save = self
                .save_every
                .map(|every| every.saturating_sub(saved.elapsed()));
            let merging = self.merging.as_ref().map(|_| LOOK_FOR_MERGED);
            let next = match until_save.into_iter().chain(merging).min() {
                Some(wait) => changes.recv_timeout(wait),
                None => changes.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                // Who asked may have gone; the change stands.
                Ok((change, reply)) => {
                    let _ = reply.send(self.apply(change));
                    self.begin_merging();
                }
                Err(RecvTimeoutError::Timeout) => self.take_up_merged(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self
                .save_every
                .is_some_and(|every| saved.elapsed() >= every)
            {
                self.begin_saving();
                saved = Instant::now();
            }
        }
    }

    /// Where the last is not done yet, the next does what it does not.
    fn begin_saving(&mut self) {
        if self.saving.as_ref().is_some_and(|s| !s.is_finished()) {
            return;
        }
        let saver = self.builder.saver();
        let thread = std::thread::Builder::new().name("saving".to_owned());
        match thread.spawn(move || saver.save_below()) {
            Ok(thread) => self.saving = Some(thread),
            Err(e) => tracing::warn!("what rules keep is not written: {e}"),
        }
    }

    /// One at a time: what was laid over meanwhile waits for the next.
    fn begin_merging(&mut self) {
        if self.merging.is_some() {
            return;
        }
        if let Some(work) = self.builder.background() {
            let thread = std::thread::Builder::new().name("merging".to_owned());
            match thread.spawn(move || work.run()) {
                Ok(thread) => self.merging = Some(thread),
                Err(e) => tracing::warn!("layers stay as they are: {e}"),
            }
        }
    }

    fn take_up_merged(&mut self) {
        let Some(thread) = self.merging.take_if(|thread| thread.is_finished()) else {
            return;
        };
        match thread.join() {
            Err(_) => tracing::error!("layers stay as they are: making one of them panicked"),
            Ok(merged) => {
                if let Some(built) = self.builder.take_up(&merged) {
                    match self.in_force(built) {
                        // Where nobody listens any more the daemon is ending.
                        Ok(now) => drop(self.told.send(now)),
                        Err(e) => tracing::error!("{e}"),
                    }
                }
                self.begin_merging();
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
        self.in_force(built)
    }

    /// Puts a ruleset in force.
    fn in_force(&self, built: Built) -> Answer {
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
