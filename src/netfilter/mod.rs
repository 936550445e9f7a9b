//! The kernel rules that bring packets in.
//!
//! A [`Plan`] says what is wanted; [`install`] puts it in force, for IPv4 and
//! IPv6 together, in place of any older installation and in one transaction a
//! family: at no moment do packets pass beside both. The rules live in the
//! kernel and outlast this process; [`remove`] takes all of them away.
//!
//! Two backends, whichever the kernel has: nft's own `queue` statement, in a
//! table of ours, or the iptables NFQUEUE target, in chains of ours that the
//! `mangle` table jumps to. Both sit at priority -150, ahead of the `filter`
//! table, whose rules still apply to what we forward. All functions act on the
//! network namespace of the calling thread and need `CAP_NET_ADMIN`.
//!
//! With several queues the kernel chooses by a hash of both addresses. It is the
//! same in both directions, and for all fragments of a datagram; one client and
//! one server always share one queue.
//!
//! With iptables, a packet that we forward goes on behind the `mangle` table: rules
//! that stand behind ours in the same chain do not see it. [`install`] warns of them.

mod error;
mod iptables;
mod nft;
mod plan;
mod tool;

use std::fmt;

pub use error::Error;
pub use plan::{Bypass, Failure, Hooks, InvalidPlan, Plan, PlanConfig};

use iptables::Iptables;

/// Who carries the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    Nft,
    /// The name of the command, for example `iptables-legacy`.
    Iptables(&'static str),
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nft => f.write_str("nft"),
            Self::Iptables(command) => f.write_str(command),
        }
    }
}

/// What [`install`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    pub backend: Backend,
    /// False where the kernel has no IPv6 at all.
    pub ipv6: bool,
    pub warnings: Vec<String>,
}

/// Rules found in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    pub backend: Backend,
    pub ipv4: bool,
    pub ipv6: bool,
    /// As the backend writes them.
    pub rules: Vec<String>,
    /// Packets that met a rule that queues, both families, since the rules were installed.
    pub queued_packets: u64,
}

/// Puts a plan in force through the first backend that can carry it.
///
/// The counters of [`packet_counter`] start at zero.
///
/// # Errors
/// No backend can carry the rules; what was in force before still is.
pub fn install(plan: &Plan) -> Result<Installation, Error> {
    let variants = Iptables::variants();
    let backends = std::iter::once(Backend::Nft).chain(variants.iter().map(Iptables::backend));
    let mut refusals = Vec::new();
    for backend in backends {
        match install_with(&backend, plan) {
            Ok(installation) => return Ok(installation),
            Err(error) => refusals.push((backend.to_string(), error)),
        }
    }
    if variants.is_empty() {
        let iptables = "iptables".to_owned();
        refusals.push((iptables.clone(), Error::Missing(iptables)));
    }
    Err(Error::NoBackend(refusals))
}

/// Puts a plan in force through this backend, and takes away what another one has of ours.
///
/// # Errors
/// The backend cannot carry the rules, or another one could not give up its own.
pub fn install_with(backend: &Backend, plan: &Plan) -> Result<Installation, Error> {
    let variants = Iptables::variants();
    let Backend::Iptables(command) = backend else {
        nft::install(plan)?;
        remove_iptables(&variants, None)?;
        return Ok(Installation {
            backend: Backend::Nft,
            ipv6: true,
            warnings: Vec::new(),
        });
    };
    let variant = variants
        .iter()
        .find(|variant| variant.backend() == *backend)
        .ok_or_else(|| Error::Missing((*command).to_owned()))?;
    let (ipv6, warnings) = variant.install(plan)?;
    // Until here both queue: a packet may come to us twice, and never passes beside us.
    remove_iptables(&variants, Some(variant))?;
    nft::remove()?;
    Ok(Installation {
        backend: backend.clone(),
        ipv6,
        warnings,
    })
}

/// Puts another generation of connections in force in place of that of the plan that was installed:
/// all connections that were left to the kernel come to us again. Counters stay as they are.
///
/// # Errors
/// The rules are not there, or the tool failed: the old generation is in force, or with iptables
/// perhaps for IPv6 alone.
pub fn call_back(backend: &Backend, installed: &Plan, bypass: Bypass) -> Result<Plan, Error> {
    let plan = installed.with_bypass(bypass);
    let Backend::Iptables(command) = backend else {
        nft::replace(&plan)?;
        return Ok(plan);
    };
    let variants = Iptables::variants();
    let variant = variants.iter().find(|v| v.backend() == *backend);
    let variant = variant.ok_or_else(|| Error::Missing((*command).to_owned()))?;
    variant.replace(installed, &plan)?;
    Ok(plan)
}

/// Takes all our rules away, whoever carries them; whether there were any.
///
/// # Errors
/// A backend that has rules of ours could not remove them.
pub fn remove() -> Result<bool, Error> {
    let variants = Iptables::variants();
    let from_iptables = remove_iptables(&variants, None)?;
    let from_nft = nft::remove()?;
    Ok(from_iptables || from_nft)
}

fn remove_iptables(variants: &[Iptables], except: Option<&Iptables>) -> Result<bool, Error> {
    let mut removed = false;
    for variant in variants {
        if except != Some(variant) {
            removed |= variant.remove()?;
        }
    }
    Ok(removed)
}

/// Our rules as the kernel has them; empty when none are installed.
///
/// # Errors
/// A backend that is there could not be asked.
pub fn status() -> Result<Vec<Installed>, Error> {
    let mut found = Vec::new();
    found.extend(nft::status()?);
    for variant in Iptables::variants() {
        found.extend(variant.status()?);
    }
    Ok(found)
}

/// Packets that met a rule that queues, IPv4 and IPv6, since [`install`]; `None`
/// where there are no rules of ours.
///
/// At rest this less the packets received is what passed or was lost unseen. Packets
/// that an older installation brought to an open queue are received and not counted
/// here: to be exact, open the queue, install, and only then begin to receive, less
/// what waited in the queue when `install` returned. Each call runs the tools: it
/// takes some 20 ms, off the packet path.
///
/// # Errors
/// As [`status`].
pub fn packet_counter() -> Result<Option<u64>, Error> {
    let found = status()?;
    let counted = found.iter().map(|found| found.queued_packets).sum();
    Ok((!found.is_empty()).then_some(counted))
}
