//! What a firewall said about the packet in hand.

use crate::detect::{Denial, Hits, Ruled};
use crate::signature::ast::ActionScope;
use crate::verdict::Scope;

#[derive(Debug, Default)]
pub(super) struct Gate {
    /// States that transactions come to are to be accepted too.
    pub asks_hooks: bool,
    /// Its rules that matched and make records.
    pub hits: Hits,
    pub denial: Option<Denial>,
    /// No later packet of the flow is asked about.
    pub flow_accepted: bool,
    /// Other rules are not held against so much.
    pub pass: Option<Scope>,
}

impl Gate {
    /// Another packet comes, or a flow ends. Where there is no firewall, nothing asks.
    pub fn close(&mut self) {
        self.asks_hooks = false;
        self.hits.clear();
        self.denial = None;
        self.flow_accepted = false;
        self.pass = None;
    }

    pub fn has_news(&self) -> bool {
        !self.hits.is_empty() || self.denial.is_some() || self.flow_accepted || self.pass.is_some()
    }

    /// Takes down what a table said; whether the next one is asked.
    pub fn take(&mut self, ruled: Ruled) -> bool {
        match ruled {
            Ruled::Accept { scope, pass } => {
                self.pass = self.pass.or(pass);
                match scope {
                    ActionScope::Hook | ActionScope::Tx => return true,
                    ActionScope::Packet => self.asks_hooks = false,
                    ActionScope::Flow => {
                        self.asks_hooks = false;
                        self.flow_accepted = true;
                    }
                }
            }
            Ruled::Deny(denial) => self.denial = Some(denial),
        }
        false
    }
}
