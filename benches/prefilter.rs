//! How fast many patterns are looked for at once, in text like that of HTTP.
//!
//! The data are made here, from a fixed seed. With `STOPGAP_CORPUS` set to a
//! folder with `rules/et-open.rules`, the patterns are the longest contents
//! of its rules instead.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stopgap::detect::prefilter::{Kind, Matcher, Pattern, Scratch};

const HAYSTACK_BYTES: usize = 1 << 20;
const BLOCK_BYTES: usize = 16 << 10;
const COUNTS: [usize; 6] = [1, 16, 200, 1_000, 5_000, 10_000];

/// A small generator of our own (xorshift), so that every machine benches the same bytes.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn word(&mut self) -> String {
        let length = 2 + self.below(8);
        (0..length)
            .map(|_| {
                *self.of(b"eeeeeettttaaaoooiiinnnssshhhrrrdddlluuccmmwwffggyyppbbvkxjqz") as char
            })
            .collect()
    }
}

fn text(random: &mut Random, bytes: usize) -> Vec<u8> {
    let words: Vec<String> = (0..3000).map(|_| random.word()).collect();
    let tags = ["div", "p", "a", "span", "li", "td", "script", "option"];
    let mut out = String::with_capacity(bytes + 4096);
    while out.len() < bytes {
        let (a, b, c) = (random.of(&words), random.of(&words), random.of(&words));
        let n = random.below(100_000);
        out.push_str(&format!(
            "GET /{a}/{b}.php?{c}={n}&id={b} HTTP/1.1\r\nHost: www.{c}.com\r\nUser-Agent: Mozilla/5.0 \
             (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: text/html,*/*;q=0.8\r\nCookie: {a}={n}; \
             {b}={c}\r\nReferer: https://{a}.org/{c}\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/html; \
             charset=utf-8\r\nContent-Length: {n}\r\n\r\n<html><head><title>{a} {b}</title></head><body>"
        ));
        for _ in 0..random.below(60) {
            let tag = random.of(&tags);
            let (a, b) = (random.of(&words), random.of(&words));
            out.push_str(&format!("<{tag} class=\"{a}\">"));
            for _ in 0..random.below(20) {
                out.push_str(random.of(&words).as_str());
                out.push(' ');
            }
            out.push_str(&format!("{b}</{tag}>\n"));
        }
    }
    out.truncate(bytes);
    out.into_bytes()
}

fn made_up(random: &mut Random, count: usize) -> Vec<Pattern> {
    let joints = [
        "/", ".", "=", "-", "_", " ", ":", "%2f", "\r\n", "../", "\x00", "|", "(", "${",
    ];
    (0..count)
        .map(|_| {
            let mut bytes = random.word();
            for _ in 0..1 + random.below(3) {
                bytes.push_str(random.of::<&str>(&joints));
                bytes.push_str(&random.word());
            }
            Pattern {
                bytes: bytes.into_bytes(),
                nocase: random.below(2) == 0,
            }
        })
        .collect()
}

/// The bytes of a `content`: `\x` is x, and between bars stand bytes in hex.
fn unescape(quoted: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for (i, part) in quoted.split('|').enumerate() {
        if i % 2 == 1 {
            for hex in part.split_whitespace() {
                bytes.push(u8::from_str_radix(hex, 16).ok()?);
            }
        } else {
            let mut chars = part.bytes();
            while let Some(b) = chars.next() {
                bytes.push(if b == b'\\' { chars.next()? } else { b });
            }
        }
    }
    Some(bytes)
}

/// The longest content of each rule.
fn of_rules(path: &std::path::Path) -> Vec<Pattern> {
    let rules = std::fs::read(path).expect("STOPGAP_CORPUS is set, so its rules must be there");
    let rules = String::from_utf8_lossy(&rules);
    let longest = |rule: &str| {
        let contents = rule.split("content:\"").skip(1);
        let bytes = contents.filter_map(|c| unescape(c.split_once("\";")?.0));
        let bytes = bytes.filter(|b| b.len() >= 4).max_by_key(Vec::len)?;
        Some(Pattern {
            bytes,
            nocase: rule.contains("nocase"),
        })
    };
    let mut patterns: Vec<_> = rules
        .lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(longest)
        .collect();
    patterns.sort_by(|a, b| (&a.bytes, a.nocase).cmp(&(&b.bytes, b.nocase)));
    patterns.dedup();
    patterns
}

fn scan_all(matcher: &Matcher, haystack: &[u8], scratch: &mut Scratch) -> usize {
    let mut hits = 0;
    for block in haystack.chunks(BLOCK_BYTES) {
        matcher.scan(block, 0, scratch, &mut |_, _| hits += 1);
    }
    hits
}

fn prefilter(c: &mut Criterion) {
    let mut random = Random(0x5EED_0F_57A6);
    let haystack = text(&mut random, HAYSTACK_BYTES);
    let pool = match std::env::var_os("STOPGAP_CORPUS") {
        Some(corpus) => {
            let mut all = of_rules(&std::path::Path::new(&corpus).join("rules/et-open.rules"));
            for i in (1..all.len()).rev() {
                all.swap(i, random.below(i + 1));
            }
            all
        }
        None => made_up(&mut random, 10_000),
    };
    let mut group = c.benchmark_group("prefilter");
    group
        .throughput(Throughput::Bytes(HAYSTACK_BYTES as u64))
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    for count in COUNTS.into_iter().filter(|&n| n <= pool.len()) {
        for kind in [Kind::QGram, Kind::AhoCorasick] {
            let matcher = Matcher::build(&pool[..count], kind);
            let mut scratch = Scratch::new();
            let id = BenchmarkId::new(format!("{kind:?}"), count);
            group.bench_function(id, |b| {
                b.iter(|| black_box(scan_all(&matcher, &haystack, &mut scratch)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, prefilter);
criterion_main!(benches);
