use super::*;
use crate::verdict::{Action, ActionOrder, ExceptionPolicy, Mode, RejectTarget};

const SHIPPED: &str = include_str!("../../config/stopgap.toml");

/// Tests write the defaults out, to compare them with the shipped file.
pub(super) fn action_order<S: serde::Serializer>(
    order: &ActionOrder,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut actions = [
        Action::Alert,
        Action::Pass,
        Action::Drop,
        Action::Reject(RejectTarget::Source),
    ];
    actions.sort_by_key(|&a| order.rank(a));
    serializer.serialize_str(&actions.map(Action::as_str).join(","))
}

fn error(text: &str) -> ConfigError {
    Config::parse("stopgap.toml", text).expect_err(text)
}

fn line_and_column(error: &ConfigError) -> (usize, usize) {
    let place = error.place.as_ref().expect("a place");
    (place.line, place.column)
}

#[test]
fn nothing_said_means_the_defaults() {
    assert_eq!(Config::parse("x", ""), Ok(Config::default()));
    assert_eq!(
        Config::parse("x", "[log]\n[capture]\n"),
        Ok(Config::default())
    );
}

#[test]
fn the_shipped_file_is_the_defaults() {
    assert_eq!(Config::parse("x", SHIPPED), Ok(Config::default()));
}

/// Every key of `defaults` that `shipped` lacks.
fn missing(path: &str, defaults: &toml::Table, shipped: &toml::Table) -> Vec<String> {
    let mut all = Vec::new();
    for (key, value) in defaults {
        let path = format!("{path}.{key}");
        match (value, shipped.get(key)) {
            (toml::Value::Table(d), Some(toml::Value::Table(s))) => {
                all.extend(missing(&path, d, s))
            }
            // `[[rules]]` has no default to write out.
            (toml::Value::Array(a), None) if a.is_empty() => {}
            (_, None) => all.push(path),
            _ => {}
        }
    }
    all
}

#[test]
fn the_shipped_file_leaves_no_key_out() {
    let defaults = toml::Table::try_from(Config::default()).expect("serializes");
    let shipped: toml::Table = SHIPPED.parse().expect("parses");
    assert_eq!(missing("", &defaults, &shipped), Vec::<String>::new());
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_a_suggestion() {
    let e = error("[capture]\ngso = true\nreceive_bufer_bytes = 1\n");
    assert_eq!(line_and_column(&e), (3, 1));
    assert_eq!(
        e.help.as_deref(),
        Some("did you mean `receive_buffer_bytes`?")
    );
    let shown = e.to_string();
    assert!(
        shown.starts_with("stopgap.toml:3:1: unknown key `receive_bufer_bytes`"),
        "{shown}"
    );
    assert!(
        shown.contains("\n3 | receive_bufer_bytes = 1\n  | ^^^^^^^^^^^^^^^^^^^\n"),
        "{shown}"
    );
}

#[test]
fn unknown_sections_variants_and_nested_keys_are_refused() {
    assert_eq!(
        error("[captrue]\n").help.as_deref(),
        Some("did you mean `capture`?")
    );
    assert_eq!(
        error("[engine]\nmode = \"prevnt\"\n").help.as_deref(),
        Some("did you mean `prevent`?")
    );
    let e = error("[[rules]]\nfile = \"a\"\n[rules.select]\nsid = [1]\n");
    assert_eq!(line_and_column(&e), (4, 1));
    assert_eq!(e.help.as_deref(), Some("did you mean `sids`?"));
    assert_eq!(error("[log]\nzzzzzz = 1\n").help, None);
}

#[test]
fn a_value_out_of_range_is_refused_at_the_value() {
    let e = error("[log]\nrotate_keep = 0\n");
    assert_eq!(line_and_column(&e), (2, 15));
    assert_eq!(e.message, "0 is not from 1 to 1000");
    assert_eq!(
        error("[flow]\ndatagram_secs = -1\n").message,
        "-1 is not from 1 to 604800"
    );
    let e = error("[capture]\nqueue_length = \"many\"\n");
    assert_eq!(line_and_column(&e), (2, 16));
}

#[test]
fn values_that_contradict_each_other_are_refused_at_one_of_them() {
    let e = error("[netfilter]\nmask = 0xff\nmark = 0x100\n");
    assert_eq!(line_and_column(&e), (3, 8));
    let e = error("[netfilter]\nmask = 0xff\n");
    assert_eq!(line_and_column(&e).0, 1);
    let e = error("[metrics]\nlisten = \"0.0.0.0:9466\"\n");
    assert_eq!(line_and_column(&e), (2, 10));
    assert!(Config::parse("x", "[metrics]\nlisten = \"[::]:1\"\nallow_remote = true").is_ok());
    assert!(Config::parse("x", "[metrics]\nlisten = \"[::1]:1\"").is_ok());
    assert_eq!(
        line_and_column(&error("[capture]\nfirst_queue = 65_535\nqueues = 2\n")),
        (3, 10)
    );
    error("[stream]\npool_bytes = 1_048_576\n");
    let bypass = "[bypass]\nenabled = true\n";
    assert!(Config::parse("x", bypass).is_ok());
    for (more, line) in [
        ("mask = 0x10\n", 3),
        ("mask = 0x5\n", 3),
        ("mask = 0x7000_0000\n", 3),
        ("[netfilter]\nmode = \"host\"\n", 2),
        ("[netfilter]\nmanage = false\n", 2),
    ] {
        let e = error(&format!("{bypass}{more}"));
        assert_eq!(line_and_column(&e).0, line, "{more}");
    }
}

#[test]
fn what_is_no_toml_is_refused_with_its_place() {
    let e = error("[capture]\ngso = yes\n");
    assert_eq!(line_and_column(&e).0, 2);
    let e = error("[log]\ndir = \"/a\"\ndir = \"/b\"\n");
    assert_eq!(line_and_column(&e).0, 3);
}

#[test]
fn rules_files_are_read() {
    let text = "[[rules]]\nfile = \"a.rules\"\n\n[[rules]]\nfile = \"b.rules\"\naction = \"reject\"\n\
                select = { sids = [1, 2], classtypes = [\"trojan\"], matching = \"CVE-202[0-9]\" }\n";
    let config = Config::parse("x", text).expect("parses");
    let [a, b] = config.rules.as_slice() else {
        panic!("two files");
    };
    assert!(a.action.is_none() && a.select == Select::default());
    assert_eq!(b.action, Some(Action::Reject(RejectTarget::Source)));
    assert_eq!(b.select.sids, [1, 2]);
    assert_eq!(b.select.classtypes, ["trojan"]);
}

#[test]
fn a_rules_file_needs_a_file_an_action_and_an_expression_that_exist() {
    assert!(
        error("[[rules]]\naction = \"drop\"\n")
            .message
            .contains("file")
    );
    let e = error("[[rules]]\nfile = \"a\"\naction = \"block\"\n");
    assert_eq!(line_and_column(&e), (3, 10));
    let e = error("[[rules]]\nfile = \"a\"\nselect.matching = \"(\"\n");
    assert_eq!(line_and_column(&e), (3, 19));
}

#[test]
fn variables_replace_and_are_checked() {
    let config = Config::parse("x", "[vars.address]\nHOME_NET = \"10.0.0.0/8\"\n").expect("parses");
    assert_eq!(config.vars.address["HOME_NET"], "10.0.0.0/8");
    assert_eq!(
        line_and_column(&error("[vars.port]\nA = \"1\"\n\"$B\" = \"2\"\n")),
        (3, 1)
    );
    assert_eq!(line_and_column(&error("[vars.port]\nA = \" \"\n")), (2, 5));
}

#[test]
fn enumerations_and_orders_are_read() {
    let text = "[engine]\nmode = \"detect\"\naction_order = \"alert,pass,drop,reject\"\n\
                [policy]\nmidstream = \"pass\"\n[netfilter]\nfailure = \"open\"\nmode = \"host\"\n";
    let config = Config::parse("x", text).expect("parses");
    assert_eq!(config.engine.mode, Mode::Detect);
    assert_eq!(config.engine.action_order.rank(Action::Alert), 0);
    assert_eq!(config.policy.midstream, ExceptionPolicy::Pass);
    assert_eq!(config.netfilter.failure, FailureMode::Open);
    assert_eq!(config.netfilter.mode, Placement::Host);
    assert_eq!(
        line_and_column(&error("[engine]\naction_order = \"pass\"\n")),
        (2, 16)
    );
}

#[test]
fn paths_that_depend_on_the_working_directory_are_refused() {
    assert_eq!(line_and_column(&error("[log]\ndir = \"logs\"\n")), (2, 7));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let e = Config::load(Path::new("/nonexistent/stopgap.toml")).expect_err("no such file");
    assert!(
        e.to_string()
            .starts_with("/nonexistent/stopgap.toml: cannot read"),
        "{e}"
    );
    assert!(Config::load(Path::new("/")).is_err());
}

#[test]
fn control_characters_of_the_file_do_not_reach_the_terminal() {
    let e = error("[log]\n\"a\u{7f}\\u001b[31m\" = 1\n");
    assert!(
        e.to_string().chars().all(|c| !c.is_control() || c == '\n'),
        "{e:?}"
    );
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[\\[\\]a-z_=\"0-9 \n#é{}.,-]{0,120}") {
        if let Err(e) = Config::parse("x", &text) {
            proptest::prop_assert!(!e.to_string().is_empty());
        }
    }
}
