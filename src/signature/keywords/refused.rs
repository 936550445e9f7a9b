//! Keywords of the language that are not read here, each with the reason.

use crate::signature::lex::{Arg, Fault};

/// A keyword of Suricata's that no rule can have here.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    pub name: &'static str,
    pub why: &'static str,
    /// What to write instead.
    pub instead: &'static str,
}

const fn refused(name: &'static str, why: &'static str, instead: &'static str) -> Refused {
    Refused { name, why, instead }
}

const SCRIPT: &str = "rules run no scripts: what a script does has no bound";
const MAGIC: &str = "files are not told by a library's words for them";
const NO_MAGIC: &str =
    "look for the first bytes of such files: `file.data; content:\"|89|PNG\"; startswith;`";
const NO_SCRIPT: &str = "write what the script looks for as contents and expressions";

/// All of them, for the parser and the reference.
pub const REFUSED: &[Refused] = &[
    refused("lua", SCRIPT, NO_SCRIPT),
    refused("luajit", SCRIPT, NO_SCRIPT),
    refused("luaxform", SCRIPT, "use the transforms of the reference"),
    refused(
        "geoip",
        "no table of countries is read",
        "list the addresses in the rule's header, or in a set: `ip.src; dataset:isset,NAME,type ip,load FILE;`",
    ),
    refused(
        "replace",
        "payload is never rewritten: what is not to arrive is dropped",
        "use the action `drop`",
    ),
    refused(
        "nfq_set_mark",
        "packets' marks are the gateway's own",
        "set marks by rules of the kernel",
    ),
    refused(
        "config",
        "rules decide about traffic; what is logged, and which flows are tracked, is the configuration's matter",
        "leave the rule out, since transactions have no records of their own here; alerts are kept silent by `noalert;` or `suppress`",
    ),
    refused("filemagic", MAGIC, NO_MAGIC),
    refused("file.magic", MAGIC, NO_MAGIC),
    refused(
        "filesize",
        "files are looked at while they come: how long one will be is not known",
        "ask for a byte that a file of that size has: `file.data; isdataat:1000;`",
    ),
    refused(
        "rpc",
        "calls of Sun RPC are not read",
        "look for the program's number as a content: `content:\"|00 01 86 a5|\";`",
    ),
];

/// Looks one up.
pub fn find(name: &str) -> Option<&'static Refused> {
    REFUSED.iter().find(|r| r.name == name)
}

impl Refused {
    /// What the rule's author is told about the place where it stands.
    pub fn fault(&self, at: Arg<'_>) -> Fault {
        at.fault(format!("`{}` is not supported: {}", self.name, self.why))
            .help(self.instead)
    }
}
