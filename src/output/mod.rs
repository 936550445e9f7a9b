//! EVE records, evidence, statistics: what leaves the engine as JSON lines.
//!
//! A worker hands owned [`Record`]s to a [`LogHandle`], which never blocks.
//! One thread ([`LogThread`]) renders them and writes them to `eve.json`,
//! through full disks and removed folders.

mod app_object;
mod convert;
mod record;
mod storage;
mod text;
mod writer;

pub use app_object::AppObject;
pub use record::{
    Alert, AlertAction, AlertRecord, DropRecord, Envelope, Evidence, FlowRecord, Http, PacketFacts,
    PatchRef, Record, Reject, RejectedEnd, StatsRecord, TcpFacts, Tls, Tunnel, Verdict,
    VerdictAction,
};
pub use storage::{Directory, FILE_NAME};
pub use text::Text;
pub use writer::{LogHandle, LogOptions, LogState, LogStatus, LogThread};
