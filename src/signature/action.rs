//! The first word of a rule: `drop`, or a firewall's `accept:flow,pass:flow,alert`.

use super::ast::{ActionScope, FirewallAction, Hook, PacketHook};
use super::keywords::refused;
use super::lex::{Arg, Fault};
use super::suggest::nearest;
use crate::verdict::{Action, Scope};

const ACTIONS: &[&str] = &[
    "alert",
    "pass",
    "drop",
    "reject",
    "rejectsrc",
    "rejectdst",
    "rejectboth",
    "accept",
];

/// What a rule does when it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Actions {
    pub action: Action,
    pub firewall: Option<FirewallAction>,
    pub alert: bool,
}

pub(super) fn parse(word: Arg<'_>, hook: Option<Hook>) -> Result<Actions, Fault> {
    let mut parts = word.split(',');
    let first = parts.next().unwrap_or(word);
    let (name, scope) = first
        .split_once(":")
        .map_or((first, None), |(n, s)| (n, Some(s)));
    let action = action(name)?;
    let Some(scope) = scope else {
        if action == Action::Accept {
            return Err(name
                .fault("`accept` belongs to a firewall's rule, which names a scope")
                .help("write `accept:hook`, `accept:tx`, `accept:packet` or `accept:flow`"));
        }
        if let Some(more) = parts.next() {
            return Err(
                more.fault("a second action belongs to a firewall's rule, whose first has a scope")
            );
        }
        if let Some(Hook::Packet(PacketHook::PreFlow | PacketHook::PreStream)) = hook {
            return Err(name
                .fault("at this hook stand a firewall's rules alone, whose actions have a scope")
                .help("write `drop:packet`, or another hook"));
        }
        return Ok(Actions {
            action,
            firewall: None,
            alert: false,
        });
    };
    let Some(hook) = hook else {
        return Err(first
            .fault("an action with a scope is a firewall's, and such a rule names its hook")
            .help("write the hook behind the protocol: `tcp:all`, `http1:request_line`"));
    };
    let scope = scope_of(scope, action, hook)?;
    let mut actions = Actions {
        action,
        firewall: Some(FirewallAction { scope, pass: None }),
        alert: false,
    };
    for part in parts {
        second(&mut actions, part)?;
    }
    Ok(actions)
}

fn action(word: Arg<'_>) -> Result<Action, Fault> {
    word.text.parse().map_err(|()| {
        if word.text == "config"
            && let Some(refused) = refused::find(word.text)
        {
            return refused.fault(word);
        }
        let near = nearest(word.text, ACTIONS.iter().copied());
        word.fault(format!("unknown action `{}`", word.text))
            .help(near.map_or_else(
                || format!("one of {}", ACTIONS.join(", ")),
                |n| format!("did you mean `{n}`?"),
            ))
    })
}

fn scope_of(word: Arg<'_>, action: Action, hook: Hook) -> Result<ActionScope, Fault> {
    use ActionScope::{Flow, Hook as ThisHook, Packet, Tx};
    let scope = ActionScope::ALL.iter().find(|(name, _)| *name == word.text);
    let Some((_, scope)) = scope else {
        let names = ActionScope::ALL.map(|(name, _)| name);
        return Err(word
            .fault(format!("unknown scope `{}`", word.text))
            .help(format!("one of {}", names.join(", "))));
    };
    let allowed: &[ActionScope] = match (action, hook) {
        (Action::Alert | Action::Pass, _) => {
            return Err(word
                .fault("a firewall's rule accepts, drops or rejects")
                .help("`alert` and `pass` stand behind that: `accept:flow,pass:flow,alert`"));
        }
        (Action::Accept, Hook::App(_)) => &[ThisHook, Tx, Flow],
        // Its stream has taken the packet's bytes: they would not come to be asked about again.
        (_, Hook::App(_)) => &[Flow],
        (Action::Accept, Hook::Packet(PacketHook::PreFlow)) => &[ThisHook, Packet],
        (_, Hook::Packet(PacketHook::PreFlow)) => &[Packet],
        (Action::Accept, Hook::Packet(_)) => &[ThisHook, Packet, Flow],
        (_, Hook::Packet(_)) => &[Packet, Flow],
    };
    if allowed.contains(scope) {
        return Ok(*scope);
    }
    let names: Vec<_> = ActionScope::ALL
        .iter()
        .filter(|(_, scope)| allowed.contains(scope))
        .map(|(name, _)| format!("`{}:{name}`", action.as_str()))
        .collect();
    Err(word
        .fault(format!(
            "`{}` does not reach so far at this hook",
            action.as_str()
        ))
        .help(format!("write {}", names.join(" or "))))
}

fn second(actions: &mut Actions, word: Arg<'_>) -> Result<(), Fault> {
    let Some(firewall) = &mut actions.firewall else {
        return Ok(());
    };
    let pass = match word.text {
        "alert" => {
            actions.alert = true;
            return Ok(());
        }
        "pass:packet" => Scope::Packet,
        "pass:flow" => Scope::Flow,
        _ => {
            return Err(word.fault("expected `alert`, `pass:packet` or `pass:flow`"));
        }
    };
    if actions.action != Action::Accept {
        return Err(word.fault("what is not accepted does not come to other rules"));
    }
    firewall.pass = Some(pass);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;
    use crate::signature::ast::AppHook;

    const ALL: Option<Hook> = Some(Hook::Packet(PacketHook::All));
    const APP: Option<Hook> = Some(Hook::App(AppHook {
        direction: Direction::ToServer,
        place: 1,
        progress: 1,
        and_before: false,
    }));

    fn read(text: &str, hook: Option<Hook>) -> Result<Actions, Fault> {
        parse(Arg { text, start: 0 }, hook)
    }

    #[test]
    fn a_firewalls_actions_have_a_scope_and_may_be_several() {
        let read = read("accept:flow,pass:packet,alert", APP).unwrap();
        assert_eq!(read.action, Action::Accept);
        assert!(read.alert);
        let firewall = read.firewall.unwrap();
        assert_eq!(
            (firewall.scope, firewall.pass),
            (ActionScope::Flow, Some(Scope::Packet))
        );
        assert_eq!(
            super::parse(
                Arg {
                    text: "drop",
                    start: 0
                },
                None
            )
            .unwrap()
            .firewall,
            None
        );
    }

    #[test]
    fn refuses_what_reaches_too_far() {
        for (text, hook, needle) in [
            ("accept", ALL, "names a scope"),
            ("accept:flow", None, "names its hook"),
            ("accept:tx", ALL, "does not reach"),
            ("drop:packet", APP, "does not reach"),
            (
                "drop:flow",
                Some(Hook::Packet(PacketHook::PreFlow)),
                "does not reach",
            ),
            (
                "drop",
                Some(Hook::Packet(PacketHook::PreFlow)),
                "stand a firewall's rules alone",
            ),
            ("alert:flow", ALL, "accepts, drops or rejects"),
            ("accept:flows", ALL, "unknown scope"),
            ("drop:flow,pass:flow", ALL, "does not come to other rules"),
            ("drop,alert", ALL, "belongs to a firewall's rule"),
            ("accept:flow,drop:flow", ALL, "expected"),
        ] {
            let fault = read(text, hook).unwrap_err();
            assert!(fault.message.contains(needle), "{text}: {}", fault.message);
        }
    }
}
