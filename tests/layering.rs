//! Which room may call which: the table of ARCHITECTURE.md, held against the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Words every room may use.
const BASE: &[&str] = &[
    "time",
    "counters",
    "latency",
    "direction",
    "verdict",
    "protocol",
    "buffer",
    "number",
    "base64",
    "parallel",
    "reuse",
];

/// A room, and the rooms it may name besides the base.
const ROOMS: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("base64", &[]),
    ("direction", &[]),
    ("verdict", &[]),
    ("counters", &[]),
    ("latency", &[]),
    ("protocol", &[]),
    ("buffer", &[]),
    ("number", &[]),
    ("parallel", &[]),
    ("reuse", &[]),
    ("decode", &[]),
    ("defrag", &["decode"]),
    ("flow", &["decode"]),
    ("stream", &["decode"]),
    ("app_layer", &[]),
    ("signature", &["app_layer", "decode", "stream"]),
    ("detect", &["signature", "app_layer", "decode", "stream"]),
    (
        "pipeline",
        &[
            "decode",
            "defrag",
            "flow",
            "stream",
            "app_layer",
            "signature",
            "detect",
        ],
    ),
    ("scenario", &["signature"]),
    ("pack", &["signature", "scenario"]),
    ("output", &["pipeline", "decode", "app_layer", "detect"]),
    ("netfilter", &[]),
    ("capture", &["decode"]),
    (
        "reload",
        &[
            "pack",
            "scenario",
            "signature",
            "detect",
            "pipeline",
            "decode",
        ],
    ),
    ("config", &[]),
    ("control", &["reload"]),
];

/// Rooms at the top: they wire the others and may name all.
const TOP: &[&str] = &["runtime", "cli", "main"];

#[test]
fn no_room_names_one_it_may_not() {
    let allowed: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in rust_files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
        let room = room_of(&file);
        if room == "lib" || TOP.contains(&room.as_str()) {
            continue;
        }
        let Some(may) = allowed.get(room.as_str()) else {
            wrong.push(format!(
                "{}: room `{room}` is not in the table",
                file.display()
            ));
            continue;
        };
        for named in rooms_named(&fs::read_to_string(&file).unwrap()) {
            let fine = named == room || BASE.contains(&&*named) || may.contains(&&*named);
            if !fine {
                wrong.push(format!("{}: `{room}` names `{named}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    // Rooms are listed so that each names only rooms above it, or this fails.
    for (n, (room, may)) in ROOMS.iter().enumerate() {
        for other in *may {
            let position = ROOMS.iter().position(|(r, _)| r == other);
            let position = position.unwrap_or_else(|| panic!("`{other}` is not in the table"));
            assert!(
                position < n,
                "`{room}` may name `{other}`, which is below it"
            );
        }
    }
}

#[test]
fn a_forbidden_path_is_noticed() {
    let named = rooms_named("use crate::{time::Timestamp, runtime};\nlet x = crate::pack::y();");
    let expected: BTreeSet<String> = ["time", "runtime", "pack"].map(str::to_owned).into();
    assert_eq!(named, expected);
}

/// First path segments behind `crate::`, braces included; tests at the bottom are read too.
fn rooms_named(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    code.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => heads_of_list(list),
            None => vec![identifier(rest)],
        })
        .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect()
}

/// The first word of each element of a brace list, up to its closing brace.
fn heads_of_list(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut heads = vec![String::new()];
    let mut in_head = true;
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(String::new());
                in_head = true;
            }
            ':' => in_head = false,
            c if in_head && depth == 0 && !c.is_whitespace() => {
                if let Some(head) = heads.last_mut() {
                    head.push(c);
                }
            }
            _ => {}
        }
    }
    heads
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect()
}

fn room_of(file: &Path) -> String {
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let inside = file.strip_prefix(src).unwrap();
    let first = inside.components().next().unwrap().as_os_str();
    first.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}
