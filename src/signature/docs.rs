//! The reference of keywords, printed from their table.

use std::fmt::Write;

use super::ast::PacketHook;
use super::header::protocol_words;
use super::keywords::refused::REFUSED;
use super::keywords::{KEYWORDS, Keyword, Kind};
use crate::app_layer::{Protocol, hooks};
use crate::decode::DecodeEvent;
use crate::direction::Direction;

/// All keywords as Markdown, chapter by chapter.
pub fn keywords_markdown() -> String {
    let mut out = String::from(
        "# Keywords\n\nThe rule language is Suricata's, version 8. A rule with a keyword that is not \
         listed here is not loaded, and `stopgap check` says where it stands.\n",
    );
    let words: Vec<String> = protocol_words()
        .map(|(word, _)| format!("`{word}`"))
        .collect();
    // Writing to a string cannot fail.
    let _ = write!(out, "\nProtocols: {}.\n", words.join(", "));
    for kind in Kind::ALL {
        let _ = write!(
            out,
            "\n## {}\n\n| keyword | written | does | example | limits |\n|---|---|---|---|---|\n",
            kind.title()
        );
        for keyword in KEYWORDS.iter().filter(|k| k.kind == *kind) {
            row(&mut out, keyword);
        }
    }
    hooks_of_rules(&mut out);
    decode_events(&mut out);
    refused(&mut out);
    out
}

fn hooks_of_rules(out: &mut String) {
    out.push_str(
        "\n## Hooks\n\nWritten behind the protocol (`tcp:flow_start`, `http1:request_line`), they say when a rule \
         is asked. [firewall.md](firewall.md) tells what they are for. In all protocols `request_started`, `request_complete`, \
         `response_started` and `response_complete` are the first and the last one of each direction.\n\n| protocol | hooks, in their order |\n|---|---|\n",
    );
    let names = |names: &[&str]| {
        let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(", ")
    };
    let of_packets = PacketHook::ALL.map(|(name, _)| name);
    let _ = writeln!(
        out,
        "| those of packets (`pre_stream`: `tcp` alone) | {} |",
        names(&of_packets)
    );
    for &protocol in Protocol::ALL {
        let states: Vec<_> = Direction::BOTH
            .into_iter()
            .flat_map(|direction| hooks(protocol, direction))
            .map(|hook| hook.name)
            .collect();
        if let (Some(word), false) = (protocol.words().first(), states.is_empty()) {
            let _ = writeln!(out, "| `{word}` | {} |", names(&states));
        }
    }
}

fn refused(out: &mut String) {
    out.push_str("\n## What is refused\n\n| keyword | since | instead |\n|---|---|---|\n");
    for refused in REFUSED {
        let instead = refused.instead.replace('|', "\\|");
        let _ = writeln!(out, "| `{}` | {} | {instead} |", refused.name, refused.why);
    }
}

fn decode_events(out: &mut String) {
    out.push_str(
        "\n## Events of `decode-event`\n\nSuricata's other names are refused: nothing here could \
         raise them.\n\n| event | raised for |\n|---|---|\n",
    );
    for event in DecodeEvent::ALL {
        let _ = writeln!(out, "| `{}` | {} |", event.as_str(), event.help());
    }
}

fn row(out: &mut String, keyword: &Keyword) {
    let mut names = format!("`{}`", keyword.name);
    for alias in keyword.aliases {
        let _ = write!(names, ", `{alias}`");
    }
    let cell = |text: &str| text.replace('|', "\\|");
    let _ = writeln!(
        out,
        "| {names} | `{}` | {} | `{}` | {} |",
        cell(&keyword.syntax),
        cell(keyword.help),
        cell(&keyword.example()),
        cell(&keyword.limits())
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_every_keyword_once() {
        let text = keywords_markdown();
        for keyword in KEYWORDS.iter() {
            let cell = format!("| `{}`", keyword.name);
            let rows = text
                .lines()
                .filter(|l| {
                    l.starts_with(&format!("{cell} |")) || l.starts_with(&format!("{cell},"))
                })
                .count();
            assert_eq!(rows, 1, "{}", keyword.name);
        }
    }
}
