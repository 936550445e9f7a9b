//! The daemon: everything started in order, watched, and ended in order.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::interval;

use super::answers::Answers;
use super::builder_thread::{self, InForce};
use super::bypass::{Generations, KernelBypass};
use super::settings;
use super::sink::WorkerSink;
use super::statistics::{RuleCounter, Statistics, carried_over};
use super::watch::FileWatch;
use super::worker_thread::{Parts, Shared, WorkerThread};
use crate::capture::inject::Injector;
use crate::capture::nfqueue::Queue;
use crate::config::Config;
use crate::control::{Socket, bind_metrics, serve_metrics, serve_socket};
use crate::netfilter;
use crate::output::{LogOptions, LogThread, Record};
use crate::pipeline::Worker;
use crate::reload::{Builder, Built, HoldsFile, Sources, Strictness};
use crate::time::{Clock, SystemClock};

/// What operators decided, in `control.state_dir`.
const HOLDS_FILE: &str = "holds.json";
/// A worker without a turn for so long is stuck: the watchdog is not fed.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// Diagnostics of the start that go to standard error.
const SHOWN_AT_START: usize = 20;

#[derive(Debug)]
pub struct RunOptions {
    pub config: Config,
    pub sources: Sources,
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// What kept it from starting, or a worker that ended by itself.
pub fn run(options: RunOptions) -> Result<(), String> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("STOPGAP_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start the control side: {e}"))?;
    let local = LocalSet::new();
    local.block_on(&runtime, serve(options))
}

async fn serve(options: RunOptions) -> Result<(), String> {
    let RunOptions { config, sources } = options;
    let holds_file = HoldsFile::new(config.control.state_dir.join(HOLDS_FILE));
    let mut builder = Builder::new(sources, holds_file.load()?);
    let built = builder
        .build(Strictness::Start)
        .map_err(|e| e.to_string())?;
    tell_start(&built);

    let log = LogThread::spawn(&LogOptions {
        dir: config.log.dir.clone(),
        rotate_bytes: config.log.rotate_bytes,
        rotate_keep: config.log.rotate_keep,
        queue_records: config.log.queue_records,
    })
    .map_err(|e| format!("event log: {e}"))?;
    let socket = Socket::bind(&config.control.socket).map_err(|e| e.to_string())?;
    let metrics = match config.metrics.enabled {
        true => Some(
            bind_metrics(config.metrics.listen)
                .await
                .map_err(|e| e.to_string())?,
        ),
        false => None,
    };
    let mut gateway = Gateway::open(&config, &built, &log)?;

    let (stop, mut stopped) = watch::channel(None);
    let watched = builder.watched();
    let in_force = InForce {
        summary: built.summary.clone(),
        holds: builder.holds().clone(),
        previous_epoch: None,
    };
    let remotes = gateway.workers.iter().map(WorkerThread::remote).collect();
    let saver = builder.saver();
    let (told, mut merged) = mpsc::unbounded_channel();
    let save_every = Some(config.datasets.save_secs).filter(|&secs| secs > 0);
    let save_every = save_every.map(Duration::from_secs);
    let builder = builder_thread::spawn(builder, holds_file, remotes, save_every, told)
        .map_err(|e| format!("cannot start the builder's thread: {e}"))?;
    let statistics = Rc::new(Statistics::new(&gateway.workers, gateway.rules));
    let answers = Rc::new(Answers {
        config: config.clone(),
        builder,
        in_force: RefCell::new(in_force),
        statistics: statistics.clone(),
        remotes: gateway.workers.iter().map(WorkerThread::remote).collect(),
        log: log.handle(),
        stop: stop.clone(),
        bypass: gateway.bypass.take().map(|b| Arc::new(Mutex::new(b))),
    });

    let mut tasks = Vec::new();
    let telling = answers.clone();
    tasks.push(tokio::task::spawn_local(async move {
        while let Some(now) = merged.recv().await {
            telling.take_up(now);
        }
    }));
    let answering = answers.clone();
    tasks.push(tokio::task::spawn_local(async move {
        let answer = move |request| {
            let answers = answering.clone();
            async move { answers.answer(request).await }
        };
        serve_socket(&socket, answer).await;
    }));
    if let Some(listener) = metrics {
        let answers = answers.clone();
        let page = move || answers.metrics_page();
        tasks.push(tokio::task::spawn_local(serve_metrics(listener, page)));
    }
    tasks.push(tokio::task::spawn_local(signals(
        answers.clone(),
        stop.clone(),
    )));
    tasks.push(tokio::task::spawn_local(report(
        config.log.stats_secs,
        answers.clone(),
    )));
    let shared = gateway.workers.iter().map(|w| w.shared.clone()).collect();
    tasks.push(tokio::task::spawn_local(feed_watchdog(shared)));
    if config.reload.watch {
        let settle = Duration::from_millis(config.reload.settle_ms);
        tasks.push(tokio::task::spawn_local(reload_on_change(
            watched,
            settle,
            answers.clone(),
        )));
    }

    gateway.tell_ready(&built);
    notify_manager(&[sd_notify::NotifyState::Ready]);
    let outcome = tokio::select! {
        _ = stopped.changed() => Ok(()),
        outcome = gateway.watch_workers() => outcome,
    };
    notify_manager(&[sd_notify::NotifyState::Stopping]);
    for task in &tasks {
        task.abort();
    }
    let detach = matches!(*stopped.borrow(), Some(Ending::Detach));
    let kernel = statistics.last_of_kernel().await;
    let ended = gateway.close(detach);
    saver.save();
    let last = statistics.last_record(&answers.in_force.borrow(), kernel);
    log.handle().send(Record::Stats(Box::new(last)));
    drop(tasks);
    let status = log.close();
    tracing::info!(
        "ended; {} log records written, {} lost",
        status.written_records,
        status.lost_records
    );
    outcome.and(ended)
}

/// How the daemon was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The kernel rules stay, as the failure policy says.
    Stop,
    /// The kernel rules go first.
    Detach,
}

/// The packet side: queues with their workers, and the kernel rules.
struct Gateway {
    workers: Vec<WorkerThread>,
    rules: RuleCounter,
    bypass: Option<KernelBypass>,
}

impl Gateway {
    /// Queues first, so that no rule ever leads to a queue that nobody reads.
    fn open(config: &Config, built: &Built, log: &LogThread) -> Result<Self, String> {
        let mut plan = settings::plan(config)?;
        let bypass = plan.config().bypass;
        let state_dir = &config.control.state_dir;
        let mut generations = bypass
            .map(|bypass| Generations::open(state_dir, bypass))
            .transpose()?;
        if let Some(generations) = &mut generations {
            plan = KernelBypass::plan(&plan, generations);
        }
        let injector = Injector::open(config.netfilter.mark).map_err(|e| e.to_string())?;
        let injector = Arc::new(injector);
        let mut queues = Vec::new();
        for number in settings::queues(config) {
            let wanted = settings::queue(config, number);
            let queue = Queue::open(&wanted).map_err(|e| e.to_string())?;
            if queue.receive_buffer_bytes() < wanted.receive_buffer_bytes {
                tracing::warn!(
                    "queue {number}: the kernel grants {} bytes of receive buffer, not {}",
                    queue.receive_buffer_bytes(),
                    wanted.receive_buffer_bytes
                );
            }
            queues.push(queue);
        }
        let mut rules = RuleCounter::Unknown;
        let mut backend = None;
        if config.netfilter.manage {
            let installation = netfilter::install(&plan).map_err(|e| e.to_string())?;
            for warning in &installation.warnings {
                tracing::warn!("kernel rules: {warning}");
            }
            rules = RuleCounter::Ours {
                carried_over: carried_over(&queues),
            };
            backend = Some(installation.backend);
        }
        let mut workers = Vec::new();
        for queue in queues {
            let shared = Arc::new(Shared::default());
            let counters = shared.counters.clone();
            let worker = Worker::new(
                settings::worker(config),
                built.ruleset.clone(),
                counters.clone(),
            );
            let sink = WorkerSink::new(log.handle(), counters, &config.log);
            let worker = WorkerThread::spawn(Parts {
                queue,
                worker,
                sink,
                injector: injector.clone(),
                shared,
                bypass,
            });
            workers.push(worker.map_err(|e| format!("cannot start a worker: {e}"))?);
        }
        let shared = workers.iter().map(|w: &WorkerThread| w.shared.clone());
        let shared = shared.collect();
        let bypass = backend
            .zip(generations)
            .map(|(backend, generations)| KernelBypass::begin(backend, plan, generations, shared));
        Ok(Self {
            workers,
            rules,
            bypass,
        })
    }

    fn tell_ready(&self, built: &Built) {
        let patches = built.summary.patches.iter();
        println!(
            "ready: queues {:?}, {} patches, {} signatures",
            self.workers.iter().map(|w| w.queue).collect::<Vec<_>>(),
            patches.filter(|p| p.refused.is_none()).count(),
            built.summary.signatures
        );
    }

    /// Returns when a worker has ended by itself: its queue is closed, and the
    /// failure policy holds for its packets.
    async fn watch_workers(&self) -> Result<(), String> {
        let mut every = interval(Duration::from_millis(200));
        loop {
            every.tick().await;
            if let Some(worker) = self.workers.iter().find(|w| !w.is_running()) {
                return Err(format!("the worker of queue {} has ended", worker.queue));
            }
        }
    }

    fn close(self, detach: bool) -> Result<(), String> {
        let mut outcome = Ok(());
        if detach && self.rules != RuleCounter::Unknown {
            outcome = netfilter::remove().map(|_| ()).map_err(|e| e.to_string());
        }
        for worker in self.workers {
            let queue = worker.queue;
            if let Err(e) = worker.stop() {
                outcome = Err(format!("queue {queue}: {e}"));
            }
        }
        outcome
    }
}

fn tell_start(built: &Built) {
    let summary = &built.summary;
    for patch in &summary.patches {
        if let Some(why) = &patch.refused {
            tracing::error!("patch `{}` is not loaded: {why}", patch.id);
        }
    }
    for diagnostic in summary.diagnostics.iter().take(SHOWN_AT_START) {
        eprintln!("{diagnostic}");
    }
    if summary.failed > 0 {
        tracing::warn!("{} signatures were left out", summary.failed);
    }
    if summary.signatures == 0 {
        tracing::warn!("no signature is loaded: nothing will be blocked");
    }
}

/// Best effort: there may be no service manager.
fn notify_manager(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(states) {
        tracing::debug!("service manager: {e}");
    }
}

async fn signals(answers: Rc<Answers>, stop: watch::Sender<Option<Ending>>) {
    use tokio::signal::unix::{SignalKind, signal};
    let streams = (
        signal(SignalKind::hangup()),
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut hangup), Ok(mut terminate), Ok(mut interrupt)) = streams else {
        tracing::error!("signals cannot be received");
        return;
    };
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                answers.log.reopen();
                answers.reload_and_tell("SIGHUP").await;
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    stop.send_replace(Some(Ending::Stop));
}

/// A `stats` record now and then.
async fn report(every_secs: u64, answers: Rc<Answers>) {
    if every_secs == 0 {
        return std::future::pending().await;
    }
    let mut every = interval(Duration::from_secs(every_secs));
    every.tick().await;
    loop {
        every.tick().await;
        let in_force = answers.in_force.borrow().clone();
        let record = answers.statistics.record(&in_force).await;
        answers.log.send(Record::Stats(Box::new(record)));
    }
}

/// Fed only while every worker turns.
async fn feed_watchdog(workers: Vec<Arc<Shared>>) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let mut every = interval(limit / 3);
    loop {
        every.tick().await;
        let now = SystemClock.now();
        let stuck = workers.iter().any(|w| {
            let beat = w.beat_us.load(std::sync::atomic::Ordering::Relaxed);
            now.since(crate::time::Timestamp::from_micros(beat)) > STUCK_AFTER
        });
        if stuck {
            tracing::error!("a worker is stuck");
        } else {
            notify_manager(&[sd_notify::NotifyState::Watchdog]);
        }
    }
}

/// Reloads when what is on disk has changed and then been quiet for a while.
async fn reload_on_change(paths: Vec<PathBuf>, settle: Duration, answers: Rc<Answers>) {
    let (changed, mut changes) = mpsc::unbounded_channel();
    let _watch = match FileWatch::new(&paths, changed) {
        Ok(watch) => watch,
        Err(e) => {
            tracing::warn!("changes on disk are not noticed: {e}");
            return std::future::pending().await;
        }
    };
    while changes.recv().await.is_some() {
        while let Ok(Some(())) = tokio::time::timeout(settle, changes.recv()).await {}
        answers.reload_and_tell("a change on disk").await;
    }
}
