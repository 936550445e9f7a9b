//! An example of each keyword for the reference, and what it cannot do.

use super::{Keyword, Parser};
use crate::buffer::Buffer;
use crate::number::{Number, Values};

/// Keyword, options that use it, and its limits.
type Row = (&'static str, &'static str, &'static str);

/// What cannot be told from a keyword's kind.
const ROWS: &[Row] = &[
    ("msg", r#"msg:"Path traversal in a request";"#, ""),
    (
        "sid",
        "sid:1000001;",
        "1 to 4294967295; one rule in force for each `gid:sid`.",
    ),
    ("gid", "gid:1;", ""),
    ("rev", "rev:2;", ""),
    (
        "classtype",
        "classtype:web-application-attack;",
        "An unknown class is a warning, with priority 3.",
    ),
    ("priority", "priority:1;", "1 to 255."),
    ("reference", "reference:cve,2014-0160;", ""),
    (
        "metadata",
        "metadata:created_at 2025_01_01, affected_product nginx;",
        "",
    ),
    ("target", "target:dest_ip;", ""),
    (
        "noalert",
        r#"content:"USER"; flowbits:set,login; noalert;"#,
        "A rule that blocks still blocks.",
    ),
    ("requires", "requires:version >= 8, keyword dataset;", ""),
    (
        "tag",
        "tag:host,100,packets,src;",
        "Four tags on a flow or host, 1024 hosts for each worker, an hour.",
    ),
    (
        "bypass",
        r#"content:"SSH-2.0"; startswith; bypass;"#,
        "The flow comes here still, and is forwarded.",
    ),
    ("prefilter", "itype:8; prefilter;", ""),
    ("flow", "flow:established,to_server;", ""),
    (
        "frame",
        r#"frame:tls.hdr; content:"|18|"; startswith;"#,
        "No payload, transaction or event beside it; `[app_layer] frame_bytes` of a record or message; a hole in the stream ends one.",
    ),
    (
        "flowbits",
        "flowbits:isset,login|admin;",
        "Names are the same in all rules files and across reloads.",
    ),
    (
        "flow.age",
        "flow.age:>3600;",
        "Asked when a packet comes; a silent flow is not.",
    ),
    ("flow.pkts", "flow.pkts:toserver,>100;", ""),
    ("flow.bytes", "flow.bytes:toclient,>1000000;", ""),
    (
        "xbits",
        "xbits:set,scanner,track ip_src,expire 3600;",
        "`[hostbits] max_bits` of all rules together; policy `kept_full`.",
    ),
    (
        "hostbits",
        "hostbits:isset,scanner,dst;",
        "As `xbits`; the host's other flows see it with their next packet.",
    ),
    (
        "flowint",
        "flowint:attempts,+,1;",
        "64 numbers a flow, 32 bits each; they neither wrap nor go below 0.",
    ),
    (
        "flowvar",
        r#"flowvar:user,"root";"#,
        "64 texts a flow, 4096 bytes each.",
    ),
    ("pktvar", r#"pktvar:user,"root";"#, "Of the same packet."),
    (
        "iprep",
        "iprep:src,Bad,>,50;",
        "Scores of `[reputation]` alone; the smallest network around an address counts.",
    ),
    (
        "app-layer-event",
        "app-layer-event:tls.overflow_heartbeat_message;",
        "A name that no parser raises is refused.",
    ),
    ("app-layer-protocol", "app-layer-protocol:!http;", ""),
    ("tls.version", "tls.version:1.2;", ""),
    (
        "dcerpc.iface",
        "dcerpc.iface:367abb81-9844-35f1-ad32-98f038001003;",
        "",
    ),
    (
        "http2.settings",
        "http2.settings:SETTINGS_MAX_FRAME_SIZE >20000;",
        "",
    ),
    (
        "nfs_procedure",
        "nfs_procedure:7<>9;",
        "`<>` includes both ends.",
    ),
    ("dnp3_obj", "dnp3_obj:12,1;", ""),
    (
        "dnp3_ind",
        "dnp3_ind:device_trouble,config_corrupt;",
        "One of those named is enough; write it twice for both.",
    ),
    (
        "ike.chosen_sa_attribute",
        "ike.chosen_sa_attribute:alg_enc=3;",
        "",
    ),
    ("ssl_version", "ssl_version:tls1.2;", ""),
    ("ssl_state", "ssl_state:client_hello;", ""),
    (
        "tls.fingerprint",
        r#"tls.fingerprint:"00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33";"#,
        "SHA-1 of the first certificate.",
    ),
    (
        "decode-event",
        "decode-event:ipv4.trunc_pkt;",
        "With no test but the rule's header.",
    ),
    (
        "dsize",
        "dsize:>1400;",
        "Of single packets: the rule does not see the stream.",
    ),
    (
        "bsize",
        "http.uri; bsize:>1000;",
        "Waits for the whole buffer.",
    ),
    ("urilen", "urilen:>1000,raw;", ""),
    (
        "dataset",
        "http.user_agent; dataset:isset,bad-agents,type string;",
        "Bounded by `memcap` and `[datasets]`; values up to 4096 bytes; waits for the whole buffer.",
    ),
    (
        "filemd5",
        "filemd5:bad.lst;",
        "Of files that are kept whole (`body_bytes` and the like); waits for the end of the file. Cannot be negated.",
    ),
    (
        "filesha1",
        "filesha1:bad.lst;",
        "Of files that are kept whole (`body_bytes` and the like); waits for the end of the file. Cannot be negated.",
    ),
    (
        "filesha256",
        "filesha256:bad.lst;",
        "Of files that are kept whole (`body_bytes` and the like); waits for the end of the file. Cannot be negated.",
    ),
    (
        "datarep",
        "http.host; datarep:hosts,>,200,type string;",
        "Scores from 0 to 65535.",
    ),
    (
        "content",
        r#"content:"|90 90|/bin/sh";"#,
        "A content of one byte, or of zeros alone, does not call for its rule: the rule is slow without another.",
    ),
    ("uricontent", r#"uricontent:"/admin";"#, ""),
    (
        "absent",
        "http.referer; absent;",
        "Fields of transactions only; known once the headers are there, else at the end.",
    ),
    (
        "isdataat",
        r#"content:"Host|3a| "; isdataat:100,relative;"#,
        "",
    ),
    (
        "pcre",
        r#"content:"id="; pcre:"/^[0-9]+\x27/R";"#,
        "Steps are bounded; look-around and back-references are slower. Eight captures of 4096 bytes.",
    ),
    (
        "byte_test",
        "byte_test:2,>,1024,0;",
        "Up to 8 bytes, or 64 bits in digits.",
    ),
    (
        "byte_jump",
        "byte_jump:2,0;",
        "It lands on a byte of the buffer; before the start is the start.",
    ),
    (
        "byte_extract",
        "byte_extract:1,0,length; byte_test:1,>,length,1;",
        "32 variables a rule.",
    ),
    (
        "byte_math",
        "byte_math:bytes 1, offset 0, oper *, rvalue 4, result length; byte_test:2,>,length,1;",
        "As `byte_extract`; 64 bits that wrap.",
    ),
    (
        "entropy",
        "http.request_body; entropy:value >= 7.5;",
        "Waits for the whole buffer.",
    ),
    (
        "asn1",
        r#"content:"NTLMSSP"; asn1:oversize_length 2048, relative_offset 4;"#,
        "256 elements.",
    ),
    (
        "base64_decode",
        r#"base64_decode:bytes 64, offset 4; base64_data; content:"eval(";"#,
        "65535 encoded bytes.",
    ),
    (
        "base64_data",
        r#"base64_decode; base64_data; content:"eval(";"#,
        "Without transforms.",
    ),
    ("nocase", r#"content:"cmd.exe"; nocase;"#, "ASCII letters."),
    ("offset", r#"content:"abc"; offset:4;"#, "0 to 65535."),
    ("depth", r#"content:"GET"; depth:3;"#, "0 to 65535."),
    (
        "distance",
        r#"content:"user"; content:"="; distance:0;"#,
        "-65535 to 65535.",
    ),
    (
        "within",
        r#"content:"user"; content:"="; within:4;"#,
        "-65535 to 65535. On a stream, parts further apart than `[engine] stream_window_bytes` are not found.",
    ),
    (
        "startswith",
        r#"http.uri; content:"/cgi-bin/"; startswith;"#,
        "",
    ),
    (
        "endswith",
        r#"http.host; content:".example"; endswith;"#,
        "Waits for the whole buffer.",
    ),
    (
        "fast_pattern",
        r#"content:"abcdef"; fast_pattern:1,4;"#,
        "One content of a rule.",
    ),
    ("rawbytes", r#"content:"abc"; rawbytes;"#, ""),
    ("tcp.flags", "tcp.flags:S;", ""),
    ("fragbits", "fragbits:M;", "IPv4."),
    (
        "ipopts",
        "ipopts:rr;",
        "IPv4. Packets with source routes are dropped before any rule.",
    ),
    ("sameip", "sameip;", ""),
    ("stream_size", "stream_size:client,>,1000;", ""),
    (
        "stream-event",
        "stream-event:reassembly_seq_gap;",
        "Of segments that are let through.",
    ),
    (
        "xor",
        r#"http.request_body; xor:"0d0a"; content:"MZ";"#,
        "A key of 255 bytes.",
    ),
    (
        "from_base64",
        r#"http.uri; from_base64:offset 6; content:"eval(";"#,
        "",
    ),
    (
        "gunzip",
        r#"http.request_body; gunzip:max-size 4096; content:"eval(";"#,
        "1 MiB.",
    ),
    (
        "zlib_deflate",
        r#"http.request_body; zlib_deflate; content:"eval(";"#,
        "1 MiB.",
    ),
    ("subslice", r#"http.uri; subslice:1,4; content:"cgi-";"#, ""),
    (
        "pcrexform",
        r#"http.request_line; pcrexform:"^[A-Z]+ (.*) HTTP"; content:"/admin";"#,
        "The first group of the first match.",
    ),
    (
        "domain",
        r#"tls.sni; domain; content:"example.co.uk"; bsize:13;"#,
        "By the Public Suffix List that the program was built with.",
    ),
    (
        "tld",
        r#"tls.sni; tld; content:"co.uk"; bsize:5;"#,
        "By the Public Suffix List that the program was built with.",
    ),
    (
        "threshold",
        "threshold:type limit, track by_src, count 1, seconds 60;",
        "65536 counts for each worker; flows of one host may be with several workers.",
    ),
    (
        "detection_filter",
        "detection_filter:track by_src, count 10, seconds 60;",
        "As `threshold`.",
    ),
];

impl Keyword {
    fn row(&self) -> Option<&'static Row> {
        ROWS.iter().find(|(name, ..)| *name == self.name)
    }

    /// Options of a rule that use the keyword.
    pub fn example(&self) -> String {
        let name = self.name;
        if let Some((_, example, _)) = self.row() {
            return (*example).to_owned();
        }
        match &self.parser {
            Parser::Sticky(_) => format!("{name}; content:\"abc\";"),
            Parser::MoveContent(_) => format!("content:\"abc\"; {name};"),
            Parser::Transform(_) => format!("http.uri; {name}; content:\"abc\";"),
            Parser::TransactionNumber(number) => match number.values() {
                Values::Named([(word, _), ..]) | Values::Flags([(word, _), ..]) => {
                    format!("{name}:{word};")
                }
                _ => format!("{name}:1;"),
            },
            Parser::Number(_) => format!("{name}:1;"),
            Parser::Option(_) => simplest(&self.syntax),
        }
    }

    /// What it cannot do; empty where there is nothing to say.
    pub fn limits(&self) -> String {
        if let Some((_, _, limits)) = self.row() {
            return (*limits).to_owned();
        }
        match &self.parser {
            Parser::Sticky(buffer) | Parser::MoveContent(buffer) => of_buffer(*buffer),
            Parser::Number(number) => format!("0 to {}.", number.max()),
            Parser::TransactionNumber(number) => of_number(*number),
            Parser::Transform(_) | Parser::Option(_) => String::new(),
        }
    }
}

fn of_number(number: Number) -> String {
    let range = format!("0 to {}.", number.max());
    if number.has_places() {
        range + " `all` and an INDEX below 0, which counts from the end, wait for the last one."
    } else {
        range
    }
}

fn of_buffer(buffer: Buffer) -> String {
    let mut limits = Vec::new();
    if let Some(direction) = buffer.direction() {
        limits.push(format!("Direction `{}`.", direction.as_str()));
    }
    if buffer.has_instances() {
        limits.push("There may be several: the tests behind it hold for one of them.".to_owned());
    }
    limits.join(" ")
}

/// The shortest form of a syntax: the first of its forms, without what is optional, with the first of
/// each alternative, and something for each placeholder.
fn simplest(syntax: &str) -> String {
    let form = syntax.split(';').next().unwrap_or(syntax);
    let (mut needed, mut depth) = (String::new(), 0_usize);
    for c in form.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            c if depth == 0 => needed.push(c),
            _ => {}
        }
    }
    let Some((name, value)) = needed.split_once(':') else {
        return format!("{needed};");
    };
    let first = |part: &str| part.split('|').next().unwrap_or(part).to_owned();
    let value = value.split(',').map(first).collect::<Vec<_>>().join(",");
    let filled = [
        ("NUMBER", "1"),
        ("TEXT", "abc"),
        ("BYTES", "abc"),
        ("DATE", "2025-01-31"),
        ("NAME", "name"),
    ]
    .iter()
    .fold(value, |text, (placeholder, by)| {
        text.replace(placeholder, by)
    });
    format!("{name}:{filled};")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::KEYWORDS;
    use super::*;
    use crate::signature::header::protocol_words;
    use crate::signature::{Classes, RuleFiles, Surroundings, Variables, parse_bytes_in};

    /// Whatever file a rule names is there, and empty.
    struct EmptyFiles;

    impl RuleFiles for EmptyFiles {
        fn read(&self, _: &str) -> Result<Vec<u8>, String> {
            Ok(Vec::new())
        }

        fn read_kept(&self, _: &str) -> Result<Option<Vec<u8>>, String> {
            Ok(None)
        }
    }

    #[test]
    fn every_keyword_has_an_example_that_is_read() {
        let (variables, classes) = (Variables::default(), Classes::default());
        let categories = HashMap::from([("Bad".to_owned(), 1)]);
        let mut wrong = Vec::new();
        for keyword in KEYWORDS.iter() {
            let example = keyword.example();
            let uses = [':', ';'].map(|end| format!("{}{end}", keyword.name));
            let sid = if example.contains("sid:") {
                ""
            } else {
                " sid:1;"
            };
            let read = protocol_words().any(|(word, _)| {
                let mut surroundings = Surroundings::new(&variables, &classes);
                surroundings.categories = &categories;
                surroundings.files = &EmptyFiles;
                let rule = format!("alert {word} any any -> any any ({example}{sid})");
                let parsed = parse_bytes_in("e.rules", rule.into_bytes(), &surroundings);
                parsed.failures.is_empty() && parsed.signatures.len() == 1
            });
            if !read || !uses.iter().any(|u| example.contains(u.as_str())) {
                wrong.push(format!("{}: {example}", keyword.name));
            }
        }
        assert!(wrong.is_empty(), "give each a row:\n{}", wrong.join("\n"));
    }

    #[test]
    fn rows_are_about_keywords() {
        for (name, ..) in ROWS {
            assert!(super::super::find(name).is_some(), "{name}");
        }
    }
}
