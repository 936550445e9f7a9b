//! How a running daemon is talked to: its Unix socket and its metrics page.

pub mod client;
mod metrics;
mod protocol;
mod server;

pub use metrics::Metrics;
pub use protocol::{
    FlowRow, LatencyStats, LogStatus, MAX_REQUEST_BYTES, Request, Response, Stats, Status,
};
pub use server::{Socket, bind_metrics, serve_metrics, serve_socket};
