//! What the control socket and the metrics page are answered with.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::builder_thread::{BuilderRemote, Change, InForce};
use super::bypass::KernelBypass;
use super::daemon::Ending;
use super::settings;
use super::statistics::Statistics;
use super::worker_thread::{Command, Remote};
use crate::config::Config;
use crate::control::{FlowRow, LogStatus, Metrics, Request, Response, Status};
use crate::counters::Counter;
use crate::decode::protocol;
use crate::netfilter;
use crate::output::{FILE_NAME, LogHandle, LogState};
use crate::pipeline::FlowEvent;

/// Flows that one answer lists at most.
const MAX_FLOWS: usize = 10_000;
const FLOWS_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Answers {
    pub config: Config,
    pub builder: BuilderRemote,
    pub in_force: RefCell<InForce>,
    pub statistics: Rc<Statistics>,
    pub remotes: Vec<Remote>,
    pub log: LogHandle,
    pub stop: watch::Sender<Option<Ending>>,
    pub bypass: Option<Arc<Mutex<KernelBypass>>>,
}

impl Answers {
    pub async fn answer(&self, request: Request) -> Response {
        let answer = match request {
            Request::Status => Ok(Response::Status(Box::new(self.status().await))),
            Request::Stats => Ok(Response::Stats(self.statistics.stats().await)),
            Request::Flows { limit } => Ok(self.flows(limit).await),
            Request::Reload { partial } => self.reloaded(Change::Reload { partial }).await,
            Request::Rollback => self.reloaded(Change::Rollback).await,
            Request::Mode { patch, mode } => self.held(Change::Mode { patch, mode }).await,
            Request::ExceptAdd { exception } => self.held(Change::ExceptAdd(exception)).await,
            Request::ExceptRemove { exception } => self.held(Change::ExceptRemove(exception)).await,
            Request::Detach => self.detach().await,
        };
        answer.unwrap_or_else(|message| Response::Failed { message })
    }

    /// For changes that nobody waits for.
    pub async fn reload_and_tell(&self, why: &str) {
        match self.change(Change::Reload { partial: false }).await {
            Ok(now) => tracing::info!(
                "reloaded after {why}: epoch {}, {} signatures",
                now.summary.epoch,
                now.summary.signatures
            ),
            Err(e) => tracing::error!("the ruleset stays as it is, after {why}: {e}"),
        }
    }

    pub fn metrics_page(&self) -> String {
        let snapshot = self.statistics.snapshot();
        let in_force = self.in_force.borrow();
        Metrics {
            snapshot: &snapshot,
            latency: &self.statistics.latency(),
            active_flows: self.statistics.active_flows(),
            ruleset: &in_force.summary,
            log: &self.log_status(),
        }
        .page()
    }

    /// What came to be in force last stays, however the news of it overtake each other.
    pub fn take_up(&self, now: InForce) {
        let mut known = self.in_force.borrow_mut();
        if now.summary.epoch > known.summary.epoch {
            *known = now;
        }
    }

    async fn change(&self, change: Change) -> Result<InForce, String> {
        let now = self.builder.change(change).await?;
        self.take_up(now.clone());
        if let Some(bypass) = self.bypass.clone() {
            // Not on the thread that built it: that one has all the time in the world.
            let called = tokio::task::spawn_blocking(move || {
                bypass
                    .lock()
                    .map_err(|_| "a thread panicked".to_owned())?
                    .call_back()
            });
            called.await.map_err(|e| e.to_string())??;
        }
        Ok(now)
    }

    async fn reloaded(&self, change: Change) -> Result<Response, String> {
        let now = self.change(change).await?;
        Ok(Response::Reloaded(now.summary))
    }

    async fn held(&self, change: Change) -> Result<Response, String> {
        let now = self.change(change).await?;
        Ok(Response::Changed {
            epoch: now.summary.epoch,
            holds: now.holds,
        })
    }

    /// The rules go before the answer, so that whoever asked can rely on it.
    async fn detach(&self) -> Result<Response, String> {
        if self.config.netfilter.manage {
            tokio::task::spawn_blocking(netfilter::remove)
                .await
                .map_err(|e| e.to_string())?
                .map_err(|e| e.to_string())?;
        }
        let stop = self.stop.clone();
        tokio::task::spawn_local(async move {
            // The answer goes out first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            stop.send_replace(Some(Ending::Detach));
        });
        Ok(Response::Detaching)
    }

    async fn status(&self) -> Status {
        let rules = tokio::task::spawn_blocking(kernel_rules);
        let kernel_rules = rules.await.unwrap_or_else(|e| e.to_string());
        let snapshot = self.statistics.snapshot();
        let in_force = self.in_force.borrow();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_secs: self.statistics.uptime_secs(),
            mode: self.config.engine.mode,
            queues: settings::queues(&self.config).collect(),
            ruleset: in_force.summary.clone(),
            previous_epoch: in_force.previous_epoch,
            holds: in_force.holds.clone(),
            kernel_rules,
            log: self.log_status(),
            active_flows: self.statistics.active_flows(),
            blocked_flows: snapshot.get(Counter::FlowsRefused),
        }
    }

    fn log_status(&self) -> LogStatus {
        let status = self.log.status();
        LogStatus {
            path: self.config.log.dir.join(FILE_NAME).display().to_string(),
            written: status.written_records,
            lost: status.lost_records,
            trouble: match status.state {
                LogState::Writing => None,
                LogState::Failing { error, .. } | LogState::CannotRotate { error } => Some(error),
            },
        }
    }

    async fn flows(&self, limit: usize) -> Response {
        let limit = limit.min(MAX_FLOWS);
        let remotes = self.remotes.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let (reply, answers) = channel();
            let asked = remotes
                .iter()
                .filter(|remote| remote.send(Command::Flows(limit, reply.clone())))
                .count();
            let answer = |_| answers.recv_timeout(FLOWS_TIMEOUT).unwrap_or_default();
            (0..asked).flat_map(answer).take(limit).collect::<Vec<_>>()
        });
        let flows = asked.await.unwrap_or_default();
        Response::Flows {
            flows: flows.iter().map(flow_row).collect(),
            total: self.statistics.active_flows(),
        }
    }
}

fn kernel_rules() -> String {
    match netfilter::status() {
        Err(e) => e.to_string(),
        Ok(installed) if installed.is_empty() => "none of ours".to_owned(),
        Ok(installed) => {
            let words = installed.iter().map(|i| {
                let families = match (i.ipv4, i.ipv6) {
                    (true, true) => "IPv4 and IPv6",
                    (true, false) => "IPv4 only",
                    (false, true) => "IPv6 only",
                    (false, false) => "no family",
                };
                format!("{} ({families})", i.backend)
            });
            words.collect::<Vec<_>>().join(", ")
        }
    }
}

fn flow_row(flow: &FlowEvent) -> FlowRow {
    FlowRow {
        flow_id: flow.flow_id,
        protocol: match flow.protocol {
            protocol::TCP => "tcp".to_owned(),
            protocol::UDP => "udp".to_owned(),
            protocol::ICMP => "icmp".to_owned(),
            protocol::ICMPV6 => "icmpv6".to_owned(),
            other => other.to_string(),
        },
        client: settings::endpoint(flow.client),
        server: settings::endpoint(flow.server),
        app: flow.app.as_str().to_owned(),
        state: match (flow.refused, flow.established) {
            (true, _) => "refused",
            (false, true) => "established",
            (false, false) => "new",
        }
        .to_owned(),
        packets: flow.packets,
        bytes: flow.bytes,
        age_secs: flow.at.since(flow.first_seen).as_secs(),
    }
}
