//! What rule authors are told: where, what is wrong, and what to write instead.

use super::read;
use crate::signature::Severity;

/// A rule with `^` before the place named; the message's and the help's gist.
const TOLD: &[(Severity, &str, &str, &str)] = &[
    (
        Severity::Error,
        r#"^aler tcp any any -> any any (sid:1;)"#,
        "unknown action",
        "did you mean `alert`",
    ),
    (
        Severity::Error,
        r#"alert ^htp any any -> any any (sid:1;)"#,
        "unknown protocol",
        "did you mean `http`",
    ),
    (
        Severity::Error,
        r#"alert tcp any any ^<- any any (sid:1;)"#,
        "no direction",
        "swap the ends",
    ),
    (
        Severity::Error,
        r#"alert tcp ^$HOME_NETT any -> any any (sid:1;)"#,
        "HOME_NETT",
        "HOME_NET",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (app-layer-protocol:ssh,^to_client; sid:1;)"#,
        "both directions of a flow have one protocol here",
        "ask for `final` or `original`",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; ^contnet:"a"; sid:1;)"#,
        "unknown keyword `contnet`",
        "did you mean `content`",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; content:"a|0^g|"; sid:1;)"#,
        "not a hexadecimal digit",
        "content:",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; content:^""; sid:1;)"#,
        "empty",
        "content:",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; pcre:"/(^a/"; sid:1;)"#,
        "the expression is wrong",
        "pcre:",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; pcre:"/a/^k"; sid:1;)"#,
        "no flag",
        "pcre:",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; ^nocase; content:"a"; sid:1;)"#,
        "needs a content before it",
        "nocase;",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; content:"abc"; depth:^2; sid:1;)"#,
        "less than the 3 bytes",
        "depth:",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; ^http.uri; sid:1;)"#,
        "nothing inspects `http.uri`",
        "write content",
    ),
    (
        Severity::Error,
        r#"alert tls any any -> any any (msg:"a"; ^http.uri; content:"ab"; sid:1;)"#,
        "has no `http.uri`",
        "",
    ),
    (
        Severity::Error,
        r#"alert udp any any -> any any (msg:"a"; ^tls.sni; content:"ab"; sid:1;)"#,
        "has no `tls.sni`",
        "",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; http.uri; content:"ab"; ^tls.sni; content:"cd"; sid:1;)"#,
        "no protocol has both `http.uri` and `tls.sni`",
        "two rules with a flowbit",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; flow:to_server,^to_client; sid:1;)"#,
        "contradicts",
        "flow:",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; ^lua:x.lua; sid:1;)"#,
        "not supported",
        "contents and expressions",
    ),
    (
        Severity::Error,
        r#"^config dns any any -> any any (dns.query; content:"a"; config:logging disable, type tx, scope tx; sid:1;)"#,
        "`config` is not supported",
        "leave the rule out",
    ),
    (
        Severity::Error,
        r#"^config:packet tcp:pre_flow any any <> any 666 (config:tracking disable, type flow, scope packet; sid:1;)"#,
        "`config` is not supported",
        "leave the rule out",
    ),
    (
        Severity::Error,
        r#"alert dns any any -> any any (dns.query; content:"a"; ^config:logging disable, type tx, scope tx; sid:1;)"#,
        "`config` is not supported",
        "leave the rule out",
    ),
    (
        Severity::Error,
        r#"alert http any any -> any any (msg:"a"; ^filemagic:"PNG image data"; sid:1;)"#,
        "not supported",
        "startswith",
    ),
    (
        Severity::Error,
        r#"alert http any any -> any any (msg:"a"; ^file.magic; content:"PNG"; sid:1;)"#,
        "not supported",
        "startswith",
    ),
    (
        Severity::Error,
        r#"alert http any any -> any any (msg:"a"; ^filesize:>1000; sid:1;)"#,
        "not supported",
        "isdataat",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; ^geoip:src,DE; sid:1;)"#,
        "not supported",
        "dataset",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; http.uri; dataset:isset,^s; sid:1;)"#,
        "what `s` holds",
        "type string",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; iprep:src,^Bad,>,1; sid:1;)"#,
        "no category `Bad`",
        "categories_file",
    ),
    (
        Severity::Error,
        r#"alert tcp any any -> any any (msg:"a"; sid:^0;)"#,
        "at least 1",
        "sid:",
    ),
    (
        Severity::Error,
        r#"^alert tcp any any -> any any (msg:"a";)"#,
        "no `sid`",
        "sid:1000001",
    ),
    (
        Severity::Warning,
        r#"alert tcp any any -> any any (msg:"a"; content:"abc"; sid:1^;"#,
        "is it whole",
        "",
    ),
    (
        Severity::Warning,
        r#"alert tcp any any -> any any (msg:"a"; ^pcre:"/a+b/"; sid:1;)"#,
        "nothing to look for first",
        "content of 2 bytes or more",
    ),
    (
        Severity::Warning,
        r#"alert tcp any any -> any any (msg:"a"; ^content:"a"; sid:1;)"#,
        "nothing to look for first",
        "content of 2 bytes or more",
    ),
    (
        Severity::Warning,
        r#"alert http any any -> any any (msg:"a"; flow:to_client; ^http.uri; content:"ab"; sid:1;)"#,
        "never matches",
        "",
    ),
    (
        Severity::Warning,
        r#"alert http any any -> any any (msg:"a"; http.uri; content:"ab"; ^http.stat_code; content:"200"; sid:1;)"#,
        "different directions",
        "",
    ),
    (
        Severity::Warning,
        r#"alert http any any -> any any (msg:"a"; http.host; content:^"Bad"; sid:1;)"#,
        "no capital letters",
        "small letters",
    ),
    (
        Severity::Warning,
        r#"alert tcp any any -> any any (msg:"a"; dsize:<3; content:^"abcd"; sid:1;)"#,
        "longer than the 2 bytes",
        "",
    ),
    (
        Severity::Warning,
        r#"alert tcp any any -> any any (msg:"a"; content:"ab"; flowbits:isset,^seen; sid:1;)"#,
        "sets the flowbit `seen`",
        "another file",
    ),
    (
        Severity::Warning,
        r#"alert tcp any any -> any any (msg:"a"; content:"ab"; ^noalert; sid:1;)"#,
        "neither alerts nor sets",
        "",
    ),
    (
        Severity::Warning,
        r#"alert tcp any any -> any any (msg:"a"; content:"ab"; classtype:^misc-attak; sid:1;)"#,
        "unknown class",
        "did you mean `misc-attack`",
    ),
    (
        Severity::Warning,
        r#"^alert tcp any any -> any any (content:"ab"; sid:1;)"#,
        "no `msg`",
        "",
    ),
];

#[test]
fn the_place_the_fault_and_the_way_out_are_told() {
    let mut wrong = Vec::new();
    for (severity, marked, message, help) in TOLD {
        let column = marked.find('^').unwrap() + 1;
        let text = marked.replacen('^', "", 1);
        let parsed = read(&text);
        let told = match severity {
            Severity::Error => parsed.failures.first(),
            Severity::Warning => parsed.warnings.first(),
        };
        let Some(told) = told else {
            wrong.push(format!("{marked}: nothing is told"));
            continue;
        };
        let shown = told.render(false);
        let holds = told.message.contains(message)
            && told.help.as_deref().unwrap_or("").contains(help)
            && told.column as usize == column
            && shown.contains(&text)
            && shown.contains('^');
        if !holds {
            wrong.push(format!("{marked}: {shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
