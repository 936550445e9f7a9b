//! The program as a person or a script meets it: exit codes, last lines, how errors look.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const GOOD_RULE: &str =
    "drop tcp any any -> any any (msg:\"m\"; content:\"evil\"; sid:1; rev:1;)\n";
const BAD_RULE: &str = "drop tcp any any -> any any (msg:\"m\"; contnt:\"evil\"; sid:2; rev:1;)\n";

fn stopgap(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stopgap"))
        .args(args)
        .current_dir(ROOT)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn last_line(output: &Output) -> String {
    stdout(output).lines().last().unwrap_or_default().to_owned()
}

fn file(dir: &TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A pcap file of raw IPv4 datagrams.
fn capture(dir: &TempDir, datagrams: &[Vec<u8>]) -> String {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        bytes.extend(word.to_le_bytes());
    }
    for (n, datagram) in datagrams.iter().enumerate() {
        let length = datagram.len() as u32;
        for word in [1_700_000_000, n as u32, length, length] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(datagram);
    }
    file(dir, "capture.pcap", bytes)
}

/// Its checksums are zero.
fn udp(payload: &[u8]) -> Vec<u8> {
    let length = 28 + payload.len() as u16;
    let mut bytes = vec![0x45, 0];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    bytes.extend([0x30, 0x39, 0, 53]);
    bytes.extend((length - 20).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

fn events(log_dir: &str) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(Path::new(log_dir).join("eve.json")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_subcommand_has_help() {
    for command in ["check", "test", "replay", "ctl", "blocks", "detach"] {
        let output = stopgap(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(stdout(&output).contains("Usage: stopgap"), "{command}");
        assert!(stdout(&stopgap(&["--help"])).contains(command));
    }
    assert_eq!(stopgap(&["no-such-thing"]).status.code(), Some(2));
    assert_eq!(stopgap(&["replay"]).status.code(), Some(2));
}

#[test]
fn check_counts_what_is_loaded() {
    let dir = TempDir::new().unwrap();
    let rules = file(&dir, "good.rules", GOOD_RULE);
    let output = stopgap(&["check", "--rules", &rules]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(last_line(&output), "1 signatures loaded, 0 failed");

    let output = stopgap(&["check", "--packs", "signatures"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(last_line(&output).ends_with(" signatures loaded, 0 failed"));
}

#[test]
fn check_finds_the_same_with_a_cache_as_without() {
    let dir = TempDir::new().unwrap();
    let rule = r#"alert tcp any any -> any any (content:"x"; pcre:"/x(?=y)[0-9]{2}/"; sid:7;)"#;
    let rules = file(&dir, "t.rules", format!("{rule}\n{BAD_RULE}"));
    let plain = stopgap(&["check", "--json", "--rules", &rules]);
    let cache = dir.path().join("cache").display().to_string();
    for damage in [false, true, false] {
        let output = stopgap(&["check", "--json", "--rules", &rules, "--cache-dir", &cache]);
        assert_eq!(stdout(&output), stdout(&plain));
        let files: Vec<_> = std::fs::read_dir(&cache).unwrap().collect();
        assert_eq!(files.len(), 1);
        if !damage {
            continue;
        }
        let path = files.into_iter().next().unwrap().unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn check_shows_the_line_of_a_bad_rule() {
    let dir = TempDir::new().unwrap();
    let rules = file(&dir, "bad.rules", format!("# one\n{GOOD_RULE}{BAD_RULE}"));
    let output = stopgap(&["check", "--rules", &rules]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(last_line(&output), "1 signatures loaded, 1 failed");
    let shown = stderr(&output);
    assert!(shown.contains("bad.rules:3:"), "{shown}");
    assert!(shown.contains("contnt:\"evil\""), "{shown}");
    assert!(!shown.contains('\u{1b}'), "no colour where nobody looks");
}

#[test]
fn check_as_json() {
    let dir = TempDir::new().unwrap();
    let rules = file(&dir, "both.rules", format!("{GOOD_RULE}{BAD_RULE}"));
    let output = stopgap(&["check", "--json", "--rules", &rules]);
    assert_eq!(output.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["loaded"], serde_json::json!([{"gid": 1, "sid": 1}]));
    assert_eq!(found["failed"], 1);
    assert_eq!(found["diagnostics"][0]["line"], 2);
}

#[test]
fn the_reference_of_keywords_is_the_table() {
    let written = fs::read_to_string(Path::new(ROOT).join("docs/keywords.md")).unwrap();
    assert_eq!(stdout(&stopgap(&["check", "--keywords"])), written);
}

#[test]
fn unreadable_input_is_bad_usage() {
    let dir = TempDir::new().unwrap();
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    let text = file(&dir, "text.pcap", "this is no capture at all, just text\n");
    let config = file(&dir, "stopgap.toml", "[capture]\nqueus = 1\n");
    for args in [
        &["check", "--rules", "/nonexistent.rules"][..],
        &["check", "--packs", "/nonexistent"],
        &["check", "--config", &config],
        &["test", "/nonexistent"],
        &[
            "replay",
            "/nonexistent.pcap",
            "--packs",
            "signatures",
            "--log-dir",
            log,
        ],
        &["replay", &text, "--packs", "signatures", "--log-dir", log],
        &[
            "replay",
            &text,
            "--rules",
            "/nonexistent.rules",
            "--log-dir",
            log,
        ],
        &["blocks", "--log-dir", "/nonexistent"],
        &["ctl", "--socket", "/nonexistent.sock", "status"],
    ] {
        let output = stopgap(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).starts_with("error:"), "{args:?}");
    }
    let shown = stderr(&stopgap(&["check", "--config", &config]));
    assert!(shown.contains("stopgap.toml:2:1:"), "{shown}");
    assert!(shown.contains("queus = 1"), "{shown}");
}

#[test]
fn replay_blocks_logs_and_writes_what_was_forwarded() {
    let dir = TempDir::new().unwrap();
    let rules = file(
        &dir,
        "udp.rules",
        "drop udp any any -> any any (msg:\"m\"; content:\"evil\"; sid:7; rev:2;)\n",
    );
    let capture = capture(&dir, &[udp(b"good"), udp(b"an evil one")]);
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    let forwarded = dir.path().join("forwarded.pcap");
    let args = ["replay", &capture, "--rules", &rules, "--log-dir", log];
    let write = ["--write", forwarded.to_str().unwrap()];

    let output = stopgap(&[&args[..], &write[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary = last_line(&output);
    assert!(
        summary.starts_with("2 packets, 71 bytes, 1 flows, 1 alerts, 1 drops, "),
        "{summary}"
    );
    assert!(summary.ends_with(" MB/s"), "{summary}");
    let logged = events(log);
    let alert = &logged[0];
    assert_eq!(alert["event_type"], "alert");
    assert_eq!(alert["alert"]["signature_id"], 7);
    assert_eq!(alert["alert"]["action"], "blocked");
    assert_eq!(alert["verdict"]["action"], "drop");
    let stats = &logged.last().unwrap()["stats"];
    assert_eq!(stats["received_packets"], 2);
    assert_eq!(stats["dropped_packets"]["rules"], 1);
    assert_eq!(fs::metadata(&forwarded).unwrap().len(), 24 + 16 + 32);

    let output = stopgap(&[&args[..], &["--mode", "detect"]].concat());
    assert!(last_line(&output).contains(" 1 alerts, 0 drops, "));
    let logged = events(log);
    assert_eq!(logged[0]["alert"]["action"], "allowed");
    assert_eq!(logged[0]["verdict"]["reason"], "engine_mode");

    let config = file(
        &dir,
        "stopgap.toml",
        "[packs]\ndirs = []\n[log]\nflows = false\n",
    );
    let kinds = |log| -> Vec<_> {
        events(log)
            .into_iter()
            .map(|e| e["event_type"].clone())
            .collect()
    };
    assert!(kinds(log).contains(&"flow".into()));
    stopgap(&[&args[..], &["--config", &config]].concat());
    assert_eq!(kinds(log), ["alert", "drop", "stats"]);
}

#[test]
fn replay_tells_what_each_rule_cost() {
    let dir = TempDir::new().unwrap();
    let rules = file(
        &dir,
        "udp.rules",
        "alert udp any any -> any any (msg:\"common\"; content:\"an |7c|\"; fast_pattern; content:\"never\"; sid:7;)\n\
         alert udp any any -> any any (msg:\"found\"; content:\"evil\"; sid:8;)\n\
         alert udp any any -> any any (msg:\"silent\"; content:\"silence\"; sid:9;)\n",
    );
    let capture = capture(&dir, &[udp(b"an | evil one"), udp(b"an | evil two")]);
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    let args = ["replay", &capture, "--rules", &rules, "--log-dir", log];

    let shown = stdout(&stopgap(&[&args[..], &["--profile"]].concat()));
    assert!(shown.contains("payload \"an |7c|\""), "{shown}");
    assert!(shown.lines().last().unwrap().ends_with(" MB/s"), "{shown}");

    let rows = ["--profile", "--profile-rows", "1", "--json"];
    let output = stopgap(&[&args[..], &rows[..]].concat());
    let told: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(told["packets"], 2);
    assert_eq!(told["profile"]["rules"], 2);
    let row = &told["profile"]["rows"][0];
    assert_eq!(told["profile"]["rows"].as_array().unwrap().len(), 1);
    assert_eq!((&row["candidates"], &row["tried"]), (&2.into(), &2.into()));
    assert_eq!(row["buffer"], "payload");

    let plain = stdout(&stopgap(&[&args[..], &["--json"]].concat()));
    let plain: serde_json::Value = serde_json::from_str(&plain).unwrap();
    assert!(plain.get("profile").is_none());
}

/// A datagram in two fragments, the second of which comes first.
fn in_fragments(datagram: &[u8], id: u8) -> [Vec<u8>; 2] {
    let (header, body) = datagram.split_at(20);
    let fragment = |place: [u8; 2], piece: &[u8]| {
        let mut bytes = [header, piece].concat();
        bytes[2..4].copy_from_slice(&(20 + piece.len() as u16).to_be_bytes());
        bytes[4..6].copy_from_slice(&[0, id]);
        bytes[6..8].copy_from_slice(&place);
        bytes
    };
    [
        fragment([0, 1], &body[8..]),
        fragment([0x20, 0], &body[..8]),
    ]
}

#[test]
fn replay_judges_fragments_as_their_datagram_and_writes_them() {
    let dir = TempDir::new().unwrap();
    let rules = file(
        &dir,
        "udp.rules",
        "drop udp any any -> any any (msg:\"m\"; content:\"evil\"; sid:7; rev:2;)\n",
    );
    let good = in_fragments(&udp(b"good"), 1);
    let evil = in_fragments(&udp(b"an evil one"), 2);
    let [lonely, _] = in_fragments(&udp(b"never whole"), 3);
    let capture = capture(&dir, &[&good[..], &evil[..], &[lonely]].concat());
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    let forwarded = dir.path().join("forwarded.pcap");
    let output = stopgap(&[
        "replay",
        &capture,
        "--rules",
        &rules,
        "--log-dir",
        log,
        "--write",
        forwarded.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let summary = last_line(&output);
    assert!(summary.contains(" 1 alerts, 3 drops, "), "{summary}");
    let logged = events(log);
    let stats = &logged.last().unwrap()["stats"];
    assert_eq!(stats["forwarded_packets"], 2);
    assert_eq!(stats["dropped_packets"]["rules"], 2);
    assert_eq!(stats["dropped_packets"]["defrag_timeout"], 1);
    assert_eq!(stats["in_hand"], 0);
    let written = fs::read(&forwarded).unwrap();
    assert_eq!(written.len(), 24 + 2 * (16 + 20) + 8 + 4);
    assert!(written.ends_with(b"good"), "in order, and nothing evil");
}

#[test]
fn replay_tells_of_bad_rules_and_goes_on() {
    let dir = TempDir::new().unwrap();
    let rules = file(&dir, "both.rules", format!("{GOOD_RULE}{BAD_RULE}"));
    let capture = capture(&dir, &[udp(b"good")]);
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    let output = stopgap(&["replay", &capture, "--rules", &rules, "--log-dir", log]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("both.rules:2:"));
    assert!(stderr(&output).contains("1 signatures and 0 patches are not loaded"));
}

#[test]
fn replay_blocks_the_same_with_each_prefilter_and_knows_no_other() {
    let dir = TempDir::new().unwrap();
    let capture = capture(&dir, &[udp(b"evil"), udp(b"good")]);
    let rules = file(&dir, "a.rules", GOOD_RULE.replace("tcp", "udp"));
    let log = dir.path().to_str().unwrap();
    let replay = |variant| {
        let args = ["replay", &capture, "--rules", &rules, "--log-dir", log];
        stopgap(&[&args[..], &["--prefilter", variant]].concat())
    };
    for variant in &stopgap::detect::prefilter::VARIANTS {
        let output = replay(variant.name);
        assert!(last_line(&output).contains(" 1 alerts, "), "{output:?}");
    }
    assert_eq!(replay("fastest").status.code(), Some(2));
}

#[test]
fn replay_goes_on_with_what_a_capture_that_breaks_off_holds() {
    let dir = TempDir::new().unwrap();
    let rules = file(&dir, "good.rules", GOOD_RULE);
    let capture = capture(&dir, &[udp(b"good"), udp(b"lost")]);
    let log = dir.path().join("log");
    let log = log.to_str().unwrap();
    let args = ["replay", &capture, "--rules", &rules, "--log-dir", log];
    let whole = fs::read(&capture).unwrap();
    fs::write(&capture, &whole[..whole.len() - 1]).unwrap();
    let output = stopgap(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 packets before it are replayed"));
    assert!(last_line(&output).starts_with("1 packets, "));
    // Nothing of it can be read.
    fs::write(&capture, &whole[..30]).unwrap();
    assert_eq!(stopgap(&args).status.code(), Some(2));
}

#[test]
fn check_tells_of_numbers_that_two_files_share() {
    let dir = TempDir::new().unwrap();
    let first = file(&dir, "first.rules", GOOD_RULE);
    let second = file(&dir, "second.rules", GOOD_RULE);
    let output = stopgap(&["check", "--rules", &first, "--rules", &second]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("first.rules:1: both are in force"));
    assert!(last_line(&output).contains("2 signatures loaded, 0 failed"));
}

#[test]
fn blocks_shows_each_blocked_flow_once() {
    let dir = TempDir::new().unwrap();
    let line = serde_json::json!({
        "timestamp": "2026-01-02T03:04:05.000000+0000", "flow_id": 7, "event_type": "alert",
        "src_ip": "192.0.2.1", "src_port": 5, "dest_ip": "192.0.2.2", "dest_port": 443,
        "direction": "to_server", "proto": "TCP",
        "alert": {"action": "blocked", "signature_id": 9, "signature": "m"},
        "verdict": {"action": "drop", "reject": ["tcp-reset"]},
        "patch": {"id": "openssl-heartbleed", "cve": ["CVE-2014-0160"]},
    });
    file(&dir, "eve.json", format!("{line}\n{line}\n"));
    let log = dir.path().to_str().unwrap();
    let output = stopgap(&["blocks", "--log-dir", log]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("openssl-heartbleed"));
    assert_eq!(last_line(&output), "1 blocked, 0 logged only");
    let output = stopgap(&["blocks", "--json", "--patch", "other", "--log-dir", log]);
    assert_eq!(stdout(&output), "");
}

#[test]
fn test_says_which_scenario_does_not_hold() {
    let dir = TempDir::new().unwrap();
    let pack = dir.path().join("core");
    copy(&Path::new(ROOT).join("signatures/core"), &pack);
    let patch = pack.join("openssl-heartbleed");
    for entry in fs::read_dir(&pack).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path != patch {
            fs::remove_dir_all(path).unwrap();
        }
    }
    let folder = pack.to_str().unwrap();
    let output = stopgap(&["test", folder]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(last_line(&output).contains("0 scenarios do not hold"));

    let honest = patch.join("benign/honest-heartbeat.toml");
    fs::copy(&honest, patch.join("attack/honest.toml")).unwrap();
    let output = stopgap(&["test", folder]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("attack/honest.toml"));
    assert!(last_line(&output).contains("1 scenarios do not hold"));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
