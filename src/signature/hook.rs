//! `PROTOCOL:HOOK` in a rule's header: when the rule is asked.

use super::ast::{AppHook, Hook, PacketHook, Proto};
use super::lex::{Arg, Fault};
use super::suggest::nearest;
use crate::app_layer::{find_hook, hooks};
use crate::direction::Direction;

pub(super) fn parse(word: Arg<'_>, protocol: Proto) -> Result<Hook, Fault> {
    match protocol {
        Proto::App(app) => {
            let (and_before, name) = match word.strip_prefix("<") {
                Some(name) => (true, name),
                None => (false, word),
            };
            if let Some(found) = find_hook(app, name.text) {
                return Ok(Hook::App(AppHook {
                    direction: found.direction,
                    place: found.place as u8,
                    progress: found.hook.progress,
                    and_before,
                }));
            }
            let all = Direction::BOTH.into_iter();
            let all = all.flat_map(|direction| hooks(app, direction));
            let names: Vec<_> = all.map(|hook| hook.name).collect();
            if names.is_empty() {
                return Err(name.fault(format!(
                    "flows are of one version of `{}`: hooks belong to it",
                    app.as_str()
                )));
            }
            Err(unknown(name, &names))
        }
        Proto::PacketHeader | Proto::TcpStream => {
            Err(word.fault("rules for this protocol have no hooks"))
        }
        _ => {
            let found = PacketHook::ALL.iter().find(|(name, _)| *name == word.text);
            match found {
                Some((_, PacketHook::PreStream)) if protocol != Proto::Tcp => {
                    Err(word.fault("only TCP has a stream: write `tcp:pre_stream`"))
                }
                Some((_, hook)) => Ok(Hook::Packet(*hook)),
                None => Err(unknown(word, &PacketHook::ALL.map(|(name, _)| name))),
            }
        }
    }
}

fn unknown(word: Arg<'_>, names: &[&str]) -> Fault {
    let near = nearest(word.text, names.iter().copied());
    word.fault(format!("unknown hook `{}`", word.text))
        .help(near.map_or_else(
            || format!("one of {}", names.join(", ")),
            |n| format!("did you mean `{n}`?"),
        ))
}
