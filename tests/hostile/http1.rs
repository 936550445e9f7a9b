//! HTTP/1: bombs, heads without end, floods of messages.

use std::io::Write;

use super::run::Run;

/// The connection ends with the limit that this event tells of.
#[track_caller]
fn is_given_up(name: &str, event: &str, to_server: &[u8], to_client: &[u8]) {
    let mut run = Run::new();
    run.exchange(to_server, to_client);
    run.holds(name);
    let cost = &run.cost;
    assert!(
        cost.failed && cost.events.contains(&event),
        "{name}: {cost:?}"
    );
}

/// It goes on, at a bounded cost.
#[track_caller]
fn is_bounded(name: &str, to_server: &[u8], to_client: &[u8]) {
    let mut run = Run::new();
    run.exchange(to_server, to_client);
    run.holds(name);
    assert!(!run.cost.failed, "{name}: {:?}", run.cost);
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn response(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// Without zlib's frame, as some servers send it (RFC 9110 section 8.4.1.2).
fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn br(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::CompressorWriter::new(&mut out, 1 << 16, 5, 24)
        .write_all(data)
        .unwrap();
    out
}

fn zstd(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0; zstd_safe::compress_bound(data.len())];
    let length = zstd_safe::compress(&mut out[..], data, 3).unwrap();
    out.truncate(length);
    out
}

/// Bytes that no compressor makes much of.
fn noise(length: u32) -> Vec<u8> {
    let mut state = 1_u32;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        })
        .collect()
}

#[test]
fn bodies_that_inflate_without_end_are_given_up() {
    let zeros = vec![0; 64 << 20];
    let bomb = "compression_bomb";
    let zipped = gzip(&zeros);
    is_given_up(
        "gzip of 64 MB",
        bomb,
        &post("Content-Encoding: gzip\r\n", &zipped),
        b"",
    );
    is_given_up(
        "gzip of 64 MB in a response",
        bomb,
        GET,
        &response("Content-Encoding: gzip\r\n", &zipped),
    );
    let twice = gzip(&zipped);
    is_given_up(
        "gzip of gzip of 64 MB",
        bomb,
        &post("Content-Encoding: gzip, gzip\r\n", &twice),
        b"",
    );
    is_given_up(
        "br of 64 MB",
        bomb,
        &post("Content-Encoding: br\r\n", &br(&zeros)),
        b"",
    );
    is_given_up(
        "deflate of 64 MB",
        bomb,
        &post("Content-Encoding: deflate\r\n", &deflate(&zeros)),
        b"",
    );
    is_given_up(
        "zlib as deflate of 64 MB",
        bomb,
        &post("Content-Encoding: deflate\r\n", &zlib(&zeros)),
        b"",
    );
    is_given_up(
        "zstd of 64 MB",
        bomb,
        &post("Content-Encoding: zstd\r\n", &zstd(&zeros)),
        b"",
    );
    is_given_up(
        "br in zstd",
        "too_many_encoding_layers",
        &post("Content-Encoding: br, zstd\r\n", &zstd(&br(b"x"))),
        b"",
    );
    let many = "gzip,".repeat(1000);
    is_given_up(
        "a thousand codings",
        "too_many_encoding_layers",
        &post(&format!("Content-Encoding: {many}gzip\r\n"), b"x"),
        b"",
    );
}

#[test]
fn bodies_take_no_more_than_what_is_kept_of_them() {
    let noise = noise(4 << 20);
    for (coding, body) in [
        ("identity", noise.clone()),
        ("gzip", gzip(&noise)),
        ("br", br(&noise)),
        ("zstd", zstd(&noise)),
        ("gzip, gzip", gzip(&gzip(&noise))),
        ("gzip, deflate, gzip, br", br(&gzip(&zlib(&gzip(&noise))))),
        (
            "gzip, deflate, gzip, zstd",
            zstd(&gzip(&zlib(&gzip(&noise)))),
        ),
    ] {
        let headers = format!("Content-Encoding: {coding}\r\n");
        let name = format!("4 MB of noise in {coding}");
        is_bounded(&name, GET, &response(&headers, &body));
    }
    let chunks = [
        &b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"[..],
        &b"1\r\na\r\n".repeat(100_000),
        b"0\r\n\r\n",
    ]
    .concat();
    is_bounded("100,000 chunks of one byte", &chunks, b"");
    let part = b"--x\r\nContent-Disposition: form-data; filename=f\r\n\r\n".repeat(40_000);
    let form = "Content-Type: multipart/form-data; boundary=x\r\n";
    is_bounded("40,000 files in a form", &post(form, &part), b"");
    let open = b"--x\r\n a\r\n".repeat(200_000);
    is_bounded("part headers that never end", &post(form, &open), b"");
}

#[test]
fn heads_without_end_are_given_up() {
    let start = "GET / HTTP/1.1\r\nHost: a\r\n";
    let request = |lines: String| format!("{start}{lines}\r\n").into_bytes();
    let distinct: String = (0..64_000).map(|n| format!("X{n}: a\r\n")).collect();
    is_given_up(
        "64,000 headers",
        "request_too_many_headers",
        &request(distinct.clone()),
        b"",
    );
    is_given_up(
        "64,000 headers in a response",
        "response_too_many_headers",
        GET,
        format!("HTTP/1.1 200 OK\r\n{distinct}\r\n").as_bytes(),
    );
    for (name, line) in [
        ("64,000 times the same header", "X: a\r\n"),
        ("64,000 lines of one header", " a\r\n"),
        ("64,000 lines without colon", "a\r\n"),
    ] {
        is_given_up(
            name,
            "request_too_many_headers",
            &request(line.repeat(64_000)),
            b"",
        );
    }
    is_given_up(
        "a header of 8 MB",
        "request_field_too_long",
        &request(format!("X: {}", "a".repeat(8 << 20))),
        b"",
    );
    is_given_up(
        "a target of 8 MB",
        "request_field_too_long",
        format!("GET /{} HTTP/1.1\r\n\r\n", "%41/../".repeat(1 << 20)).as_bytes(),
        b"",
    );
    is_given_up(
        "lines that may be the head's end",
        "request_header_invalid",
        &request(" \r\nX: a\r\n".repeat(32_000)),
        b"",
    );
    let trailers = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}\r\n",
        "X: a\r\n".repeat(64_000)
    );
    is_given_up(
        "64,000 trailers",
        "request_too_many_headers",
        trailers.as_bytes(),
        b"",
    );
    let extension = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;{}",
        "a".repeat(1 << 20)
    );
    is_given_up(
        "an endless chunk extension",
        "invalid_request_chunk_len",
        extension.as_bytes(),
        b"",
    );
}

#[test]
fn many_messages_cost_no_more_than_each() {
    let pipelined = GET.repeat(10_000);
    is_given_up(
        "10,000 pipelined requests",
        "too_many_transactions",
        &pipelined,
        b"",
    );
    let answers = response("", b"x").repeat(10_000);
    // As long as an answer, so that in segments of one length neither runs ahead.
    let answered = b"GET / HTTP/1.1\r\nHost: a\r\nX: aaaaaaa\r\n\r\n".repeat(10_000);
    assert_eq!(answered.len(), answers.len());
    is_bounded("10,000 requests and their answers", &answered, &answers);
    is_bounded("answers to nobody", b"", &answers);
    is_bounded("a million empty lines", &b"\r\n".repeat(1_000_000), b"");
    is_given_up(
        "100,000 interim responses",
        "100_continue_already_seen",
        GET,
        &b"HTTP/1.1 100 x\r\n\r\n".repeat(100_000),
    );
    is_bounded(
        "lines that are no response",
        GET,
        &b"stray\r\n".repeat(500_000),
    );
    is_bounded(
        "bytes that are no request",
        &[GET, &b"x=y\r\n".repeat(500_000)].concat(),
        b"",
    );
    is_bounded(
        "responses with bodies that should not be there",
        GET,
        &b"HTTP/1.1 204 x\r\nContent-Length: 9\r\n\r\n123456789".repeat(20_000),
    );
}
