//! Rules of a seed: as many as a usual set has about servers, none of which the traffic meets.

use std::fmt::Write;

use crate::random::Random;
use crate::workloads::word;

const RULES: u32 = 1000;

/// What stands before a rule's content, and behind which header.
const SHAPES: &[(&str, &str)] = &[
    ("http any any -> any any", "http.uri; "),
    ("http any any -> any any", "http.header; "),
    ("http any any -> any any", "http.cookie; "),
    ("http any any -> any any", "http.response_body; "),
    ("tcp any any -> any any", "flow:established,to_server; "),
    ("tcp any any -> any any", "flow:established,to_client; "),
    ("tls any any -> any any", "tls.sni; "),
    ("dns any any -> any any", "dns.query; "),
    ("udp any any -> any 53", ""),
];

/// The text of the rules file.
pub fn text() -> String {
    let mut random = Random::new(25_837);
    let mut text = String::new();
    for sid in 1..=RULES {
        let (header, buffer) = random.of(SHAPES);
        // Traffic has words of lower-case letters too, so that some first tests say yes.
        let length = 4 + random.below(12);
        let pattern = word(&mut random, length);
        let further = word(&mut random, 6);
        writeln!(
            text,
            "alert {header} (msg:\"rule {sid}\"; {buffer}content:\"{pattern}\"; \
             content:\"-{further}\"; distance:0; sid:{sid};)"
        )
        .expect("a string takes it");
    }
    text
}
