//! Why a queue could not be taken.

use std::fmt;
use std::fs;
use std::io;

use super::stats::KernelStats;

#[derive(Debug)]
pub enum OpenError {
    /// No netlink socket.
    Socket(io::Error),
    NotPermitted {
        queue: u16,
    },
    /// Another process reads this queue.
    InUse {
        queue: u16,
        port_id: u32,
        /// The name of the process with that id; mostly the reader.
        process: Option<String>,
    },
    /// The kernel has no NFQUEUE.
    NotSupported {
        queue: u16,
    },
    /// The kernel took the queue and refused its settings.
    Configure(u16, io::Error),
}

impl OpenError {
    /// The kernel says EPERM both to a caller without privileges and for a
    /// queue that has a reader; its table tells which.
    pub(super) fn from_bind(queue: u16, error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EBUSY) => match KernelStats::read(queue) {
                Ok(Some(owner)) => Self::InUse {
                    queue,
                    port_id: owner.port_id,
                    process: process_name(owner.port_id),
                },
                _ => Self::NotPermitted { queue },
            },
            // EINVAL: the netfilter bus has no queue behind it.
            Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT) => {
                Self::NotSupported { queue }
            }
            _ => Self::Configure(queue, error),
        }
    }
}

fn process_name(id: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(error) => write!(f, "cannot open a netfilter netlink socket: {error}"),
            Self::NotPermitted { queue } => write!(
                f,
                "cannot take NFQUEUE {queue}: it needs CAP_NET_ADMIN; run as root or give the binary that capability"
            ),
            Self::InUse {
                queue,
                port_id,
                process,
            } => {
                write!(
                    f,
                    "NFQUEUE {queue} is taken by another process: port id {port_id}"
                )?;
                match process {
                    Some(name) => write!(f, ", `{}`", name.escape_default()),
                    None => Ok(()),
                }
            }
            Self::NotSupported { queue } => write!(
                f,
                "cannot take NFQUEUE {queue}: this kernel has no NFQUEUE (CONFIG_NETFILTER_NETLINK_QUEUE)"
            ),
            Self::Configure(queue, error) => {
                write!(
                    f,
                    "the kernel refused the settings of NFQUEUE {queue}: {error}"
                )
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Socket(error) | Self::Configure(_, error) => Some(error),
            _ => None,
        }
    }
}
