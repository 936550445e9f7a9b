//! Whole connections through the parser.

use proptest::prelude::*;

use super::{Event, Parser, Transaction, progress};
use crate::app_layer;
use crate::app_layer::Limits;
use crate::app_layer::content::tests::gzip;
use crate::direction::Direction::{self, ToClient, ToServer};

fn feed(parser: &mut Parser, direction: Direction, bytes: &[u8], limits: &Limits) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let taken = parser.data(direction, rest, limits);
        assert!(taken > 0, "a call takes something");
        rest = &rest[taken..];
    }
}

fn requests(bytes: &[u8]) -> Parser {
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, bytes, &Limits::default());
    parser
}

fn exchange(request: &[u8], response: &[u8]) -> Parser {
    let mut parser = requests(request);
    feed(&mut parser, ToClient, response, &Limits::default());
    parser
}

fn text(bytes: Option<&[u8]>) -> &str {
    std::str::from_utf8(bytes.expect("the buffer is there")).unwrap()
}

fn uris(parser: &Parser) -> Vec<&str> {
    parser
        .transactions()
        .map(|tx| text(tx.uri_normalized()))
        .collect()
}

fn events(tx: &Transaction) -> Vec<Event> {
    tx.events()
        .iter()
        .map(|e| match e {
            app_layer::Event::Http1(event) => *event,
            _ => unreachable!("HTTP has no events of others"),
        })
        .collect()
}

#[test]
fn every_request_buffer_is_as_documented() {
    let parser = requests(
        b"POST http://Example.COM:8080/a/../%62?q=%41+b HTTP/1.1\r\nHost: example.com.:8080\r\n\
          User-Agent:  X \r\nCookie: c=1\r\nAccept: a\r\naccept: b\r\nContent-Length: 3\r\n\r\nxyz",
    );
    let tx = parser.transactions().next().unwrap();
    assert_eq!(text(tx.method()), "POST");
    assert_eq!(text(tx.uri_normalized()), "/b?q=A+b");
    assert_eq!(
        text(tx.uri_raw()),
        "http://Example.COM:8080/a/../%62?q=%41+b"
    );
    assert_eq!(text(tx.protocol(ToServer)), "HTTP/1.1");
    assert_eq!(
        text(tx.request_line()),
        "POST http://Example.COM:8080/a/../%62?q=%41+b HTTP/1.1"
    );
    assert_eq!(text(tx.host()), "example.com");
    assert_eq!(text(tx.host_raw()), "Example.COM");
    let normalized =
        "Host: example.com.:8080\r\nUser-Agent: X\r\nAccept: a, b\r\nContent-Length: 3\r\n";
    assert_eq!(text(tx.header_normalized(ToServer)), normalized);
    assert!(text(tx.header_raw(ToServer)).ends_with("Content-Length: 3\r\n\r\n"));
    assert!(
        text(tx.header_raw(ToServer)).starts_with("Host: example.com.:8080\r\nUser-Agent:  X \r\n")
    );
    assert_eq!(
        text(tx.header_names(ToServer)),
        "\r\nHost\r\nUser-Agent\r\nCookie\r\nAccept\r\nContent-Length\r\n\r\n"
    );
    assert!(text(tx.start(ToServer)).starts_with("POST http://Example.COM"));
    assert!(
        text(tx.start(ToServer))
            .ends_with("Cookie: c=1\r\nAccept: a, b\r\nContent-Length: 3\r\n\r\n")
    );
    assert_eq!(text(tx.cookie(ToServer)), "c=1");
    assert_eq!(text(tx.header_value(ToServer, b"user-agent")), "X");
    assert_eq!(tx.header_value(ToServer, b"Referer"), None);
    assert_eq!(tx.body(ToServer), b"xyz");
    assert!(tx.body_done(ToServer) && tx.is_complete(ToServer));
    assert_eq!(tx.progress(ToClient), progress::NONE);
    assert_eq!(tx.status_code(), None);
}

#[test]
fn responses_are_matched_in_order() {
    let parser = exchange(
        b"HEAD /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
          HTTP/1.1 404 Not Found\r\nSet-Cookie: k=v\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n\
          HTTP/1.0 200 Fine\r\n\r\nto the end",
    );
    let txs: Vec<_> = parser.transactions().collect();
    assert_eq!(uris(&parser), ["/1", "/2", "/3"]);
    let codes: Vec<_> = txs.iter().map(|tx| text(tx.status_code())).collect();
    assert_eq!(codes, ["200", "404", "200"]);
    assert_eq!(txs[0].body(ToClient), b"");
    assert!(txs[0].is_complete(ToClient));
    assert_eq!(txs[1].body(ToClient), b"ab");
    assert_eq!(text(txs[1].status_message()), "Not Found");
    assert_eq!(text(txs[1].cookie(ToClient)), "k=v");
    assert_eq!(
        text(txs[1].header_normalized(ToClient)),
        "Transfer-Encoding: chunked\r\n"
    );
    assert_eq!(txs[2].body(ToClient), b"to the end");
    assert!(!txs[2].is_complete(ToClient));
    assert!(txs.iter().all(|tx| tx.events().is_empty()));
}

#[test]
fn what_servers_take_is_seen() {
    for (wire, expected) in [
        (&b"GET /evil HTTP/1.1\nHost: a\n\n"[..], vec!["/evil"]),
        (b"\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n", vec!["/evil"]),
        (b"GET /evil\r\n", vec!["/evil"]),
        (b"GET /a\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n", vec!["/a", "/evil"]),
        (b"FOO   /evil   HTTP/1.2 \r\nHost: a\r\n\r\n", vec!["/evil"]),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabGET /evil HTTP/1.1\r\n\r\n", vec!["/", "/evil"]),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x\nz\n000\nTrailer: t\n\nGET /evil HTTP/1.1\n\n", vec!["/", "/evil"]),
    ] {
        for step in [1, 2, 7, wire.len()] {
            let mut parser = Parser::default();
            for part in wire.chunks(step) {
                feed(&mut parser, ToServer, part, &Limits::default());
            }
            assert_eq!(uris(&parser), expected, "{:?} by {step}", String::from_utf8_lossy(wire));
        }
    }
}

#[test]
fn trailers_are_headers() {
    let parser = requests(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nT: t\r\n\r\n");
    let tx = parser.transactions().next().unwrap();
    assert_eq!(text(tx.header_value(ToServer, b"t")), "t");
    assert_eq!(
        text(tx.header_raw(ToServer)),
        "Host: a\r\nTransfer-Encoding: chunked\r\n\r\nT: t\r\n\r\n"
    );
    assert!(tx.is_complete(ToServer));
}

#[test]
fn headers_after_a_line_without_protocol_are_read() {
    let mut parser = requests(b"GET /x\r\n");
    let tx = parser.transactions().next().unwrap();
    assert_eq!(tx.progress(ToServer), progress::HEADERS);
    assert_eq!(events(tx), [Event::RequestLineMissingProtocol]);
    feed(
        &mut parser,
        ToServer,
        b"Host: A\r\n\r\n",
        &Limits::default(),
    );
    let tx = parser.transactions().next().unwrap();
    assert_eq!(text(tx.host()), "a");
    assert!(tx.is_complete(ToServer));
    feed(&mut parser, ToClient, b"<html>", &Limits::default());
    parser.eof(ToClient, &Limits::default());
    let tx = parser.transactions().next().unwrap();
    assert_eq!(tx.body(ToClient), b"<html>");
    assert_eq!(events(tx), [Event::RequestLineMissingProtocol]);
}

#[test]
fn bytes_that_are_no_request_are_a_body() {
    let parser = requests(b"POST / HTTP/1.1\r\nHost: a\r\n\r\nlogin=foo&password=bar\r\nx=y\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    let txs: Vec<_> = parser.transactions().collect();
    assert_eq!(txs.len(), 3);
    assert_eq!(txs[1].body(ToServer), b"login=foo&password=bar\r\nx=y\r\n");
    assert_eq!(events(txs[1]), [Event::RequestBodyUnexpected]);
    assert!(txs[1].is_complete(ToServer));
    assert_eq!(text(txs[2].uri_normalized()), "/evil");
}

#[test]
fn tunnels_end_http() {
    for (request, response, tunnel) in [
        (
            &b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"[..],
            &b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x01"[..],
            true,
        ),
        (
            b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n",
            b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
            false,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
            b"HTTP/1.1 101 Switching\r\n\r\n\x81\x05",
            true,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            false,
        ),
    ] {
        let parser = exchange(request, response);
        assert_eq!(
            parser.upgrade().is_some(),
            tunnel,
            "{}",
            String::from_utf8_lossy(response)
        );
        assert!(parser.transactions().all(|tx| tx.is_complete(ToClient)));
    }
}

#[test]
fn odd_messages_raise_their_events() {
    use Event::*;
    let cases: &[(&[u8], &[Event])] = &[
        (b"GET / HTTP/1.1\r\n\r\n", &[MissingHostHeader]),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            &[RequestHeaderHostInvalid, HostHeaderAmbiguous],
        ),
        (
            b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
            &[HostHeaderAmbiguous],
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
            &[InvalidRequestFieldFolding],
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
            &[RequestHeaderInvalid],
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
            &[RequestFieldMissingColon],
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n",
            &[InvalidAuthorityPort],
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            &[InvalidRequestChunkLen],
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na",
            &[RequestChunkExtension],
        ),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Foo x\r\n\r\n",
            &[RequestAuthUnrecognized],
        ),
        (
            b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            &[RequestLineLeadingWhitespace],
        ),
        (
            b"GET /%2565 HTTP/1.1\r\nHost: a\r\n\r\n",
            &[DoubleEncodedUri],
        ),
    ];
    for (wire, expected) in cases {
        let parser = requests(wire);
        let tx = parser.transactions().next().unwrap();
        assert_eq!(events(tx), *expected, "{}", String::from_utf8_lossy(wire));
    }
}

#[test]
fn bounds_hold_and_are_told() {
    let limits = Limits {
        header_bytes: 200,
        line_bytes: 50,
        transactions: 3,
        request_body_bytes: 10,
        ..Limits::default()
    };
    let mut parser = Parser::default();
    let mut endless = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
    endless.extend(vec![b'x'; 10_000]);
    feed(&mut parser, ToServer, &endless, &limits);
    let tx = parser.transactions().next().unwrap();
    assert!(events(tx).contains(&Event::RequestFieldTooLong));
    assert!(tx.is_complete(ToServer) && parser.failed(ToServer));
    assert_eq!(parser.beyond_limit(ToServer), endless.len() as u64 - 200);
    assert!(text(tx.header_value(ToServer, b"x")).starts_with("xxx"));

    let mut parser = Parser::default();
    for _ in 0..5 {
        feed(
            &mut parser,
            ToServer,
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            &limits,
        );
    }
    assert_eq!(parser.transactions().count(), 3);
    assert_eq!(
        events(parser.transactions().last().unwrap()),
        [Event::TooManyTransactions]
    );
    assert!(parser.failed(ToServer));

    let mut parser = Parser::default();
    feed(
        &mut parser,
        ToServer,
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n",
        &limits,
    );
    feed(&mut parser, ToServer, &[b'x'; 1000], &limits);
    let tx = parser.transactions().next().unwrap();
    assert_eq!(
        (tx.body(ToServer).len(), parser.beyond_limit(ToServer)),
        (10, 990)
    );
    assert!(tx.is_complete(ToServer));
}

#[test]
fn a_gap_is_survived_within_a_body_only() {
    let mut parser = requests(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab");
    parser.gap(ToServer, 8);
    feed(
        &mut parser,
        ToServer,
        b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n",
        &Limits::default(),
    );
    assert_eq!(uris(&parser), ["/", "/next"]);
    parser.gap(ToServer, 1);
    assert!(parser.failed(ToServer));
}

#[test]
fn headers_without_end_are_seen_at_the_end() {
    let limits = Limits::default();
    let mut parser = exchange(
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nServer: ng1nx",
    );
    parser.eof(ToClient, &limits);
    let tx = parser.transactions().next().unwrap();
    assert_eq!(text(tx.header_normalized(ToClient)), "Server: ng1nx\r\n");
    assert!(tx.is_complete(ToClient));
    parser.take_finished();
    assert_eq!(parser.transactions().count(), 0);
}

#[test]
fn pipelined_requests_pause_one_by_one() {
    let one = b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
    let wire = one.repeat(300);
    let mut parser = Parser::default();
    let mut rest = &wire[..];
    let mut calls = 0;
    while !rest.is_empty() {
        let taken = parser.data(ToServer, rest, &Limits::default());
        assert_eq!(taken, one.len());
        assert_eq!(parser.touched().count(), 1);
        rest = &rest[taken..];
        calls += 1;
    }
    assert_eq!(calls, 300);
}

#[test]
fn compressed_bodies_are_inflated_both_ways() {
    let body = gzip(b"the secret body");
    let mut request = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(&body);
    let mut response = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        body.len()
    )
    .into_bytes();
    response.extend_from_slice(&body);
    response.extend_from_slice(b"\r\n0\r\n\r\n");
    let parser = exchange(&request, &response);
    let tx = parser.transactions().next().unwrap();
    assert_eq!(tx.body(ToServer), b"the secret body");
    assert_eq!(tx.body(ToClient), b"the secret body");
    assert!(events(tx).is_empty());
}

/// Everything that rules can look at.
fn picture(parser: &Parser) -> Vec<String> {
    let lossy = |b: Option<&[u8]>| b.map(|b| String::from_utf8_lossy(b).into_owned());
    parser
        .transactions()
        .map(|tx| {
            let mut sorted = events(tx);
            sorted.sort();
            let both = Direction::BOTH.map(|d| {
                let derived = [
                    tx.header_raw(d),
                    tx.header_normalized(d),
                    tx.header_names(d),
                    tx.start(d),
                    tx.protocol(d),
                ];
                (
                    derived.map(lossy),
                    lossy(Some(tx.body(d))),
                    lossy(tx.body_as_sent(d)),
                    format!("{:?}", tx.files(d).map(Iterator::collect::<Vec<_>>)),
                    tx.progress(d),
                    tx.body_wire_bytes(d),
                )
            });
            let lines = [
                tx.method(),
                tx.uri_raw(),
                tx.uri_normalized(),
                tx.request_line(),
                tx.host(),
                tx.host_raw(),
                tx.response_line(),
                tx.status_code(),
                tx.status_message(),
            ];
            format!("{} {:?} {both:?} {sorted:?}", tx.id(), lines.map(lossy))
        })
        .collect()
}

fn message_piece() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /%2e%2e/b\r\n",
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /y HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3;e\nabc\n0\nT: t\n\n",
        b"Host: x\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"\r\n",
        b" folded\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"login=foo&x=y\r\n",
        b"\x1f\x8b\x08\x00",
        b"HTTP/1.1 204 No Content\r\n",
        b"HTTP/1.1 101 x\r\n\r\n",
        b"Upgrade: x\r\n",
        b" \r\n",
        b"\r\r\n",
        b"X: a\rTransfer-Encoding: chunked\r\n",
        b"Content\0-Encoding: deflate, br\r\n",
        b"5 x\r\nhello\r\n",
        b"\n2,\r\nhe\r\n",
        b"Content-Type: multipart/form-data; boundary=x\r\n",
        b"--x\r\nContent-Disposition: a; filename=f\r\n\r\nfile\r\n--x--\r\n",
    ];
    prop_oneof![
        8 => proptest::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => Just(b"Content-Encoding: gzip\r\nContent-Length: 24\r\n\r\n".iter().copied().chain(gzip(b"body")).collect()),
    ]
}

/// A response as `octets` says, whose body hides a word from who reads it in one way only.
fn is_seen(octets: &[u8], step: usize) -> bool {
    let mut parser = Parser::default();
    let limits = Limits::default();
    feed(
        &mut parser,
        ToServer,
        b"GET /f HTTP/1.1\r\nHost: a\r\n\r\n",
        &limits,
    );
    for part in octets.chunks(step) {
        feed(&mut parser, ToClient, part, &limits);
    }
    // Before the connection ends: what is inspected later was delivered first.
    let sees = |bytes: &[u8]| bytes.windows(7).any(|w| w == b"payload");
    parser
        .transactions()
        .any(|tx| sees(tx.body(ToClient)) || tx.body_as_sent(ToClient).is_some_and(sees))
}

/// What clients make of such responses differs; whichever it is, it is inspected.
#[test]
fn responses_are_read_in_every_way_that_clients_read_them() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let te = "Transfer-Encoding: chunked\r\n";
    let chunks = "3\r\npay\r\n4\r\nload\r\n0\r\n\r\n";
    let odd_sizes = |open: &str, close: &str| {
        let wire = format!("{open}3{close}\r\npay\r\n{open}4{close}\r\nload\r\n0\r\n\r\n");
        format!("{ok}{te}\r\n{wire}").into_bytes()
    };
    let framed = |headers: &str| format!("{ok}{headers}\r\n{chunks}").into_bytes();
    let coded = |headers: &str, body: &[u8]| {
        let length = body.len();
        let head = format!("{ok}Content-Length: {length}\r\n{headers}\r\n");
        [head.as_bytes(), body].concat()
    };
    let zipped = gzip(b"payload");
    let mut broken = zipped.clone();
    broken.truncate(12);
    broken.extend_from_slice(b"payload");
    for (name, octets) in [
        ("blanks before a size", odd_sizes(" ", "")),
        ("CR before a size", odd_sizes("\r", "")),
        ("LF before a size", odd_sizes("\n", "")),
        ("comma behind a size", odd_sizes("", ",")),
        ("word behind a size", odd_sizes("", " x")),
        ("VT behind a size", odd_sizes("", "\u{b}")),
        ("CR behind a size", odd_sizes("", "\r")),
        (
            "NUL in the coding",
            framed("Transfer-Encoding: chu\0nked\r\n"),
        ),
        (
            "NUL in the name",
            framed("Transfer\0-Encoding: chunked\r\n"),
        ),
        (
            "VT before the coding",
            framed("Transfer-Encoding: \u{b}chunked\r\n"),
        ),
        (
            "semicolon before the coding",
            framed("Transfer-Encoding: ;chunked\r\n"),
        ),
        (
            "BOM before the coding",
            framed("Transfer-Encoding: \u{feff}chunked\r\n"),
        ),
        (
            "colon on the next line",
            framed("Transfer-Encoding\r\n : chunked\r\n"),
        ),
        (
            "coding on a folded line",
            framed("X: a\r\n Transfer-Encoding: chunked\r\n"),
        ),
        (
            "coding behind a bare CR",
            framed("X: a\rTransfer-Encoding: chunked\r\n"),
        ),
        (
            "coding behind an empty line with CR",
            framed(&format!("\r\r\n{te}")),
        ),
        (
            "chunked in another name",
            framed("Transfer-Encoding: xchunked\r\n"),
        ),
        (
            "empty line with a blank",
            format!("{ok}{te} \r\n{chunks}").into_bytes(),
        ),
        (
            "plain behind an empty line with a blank",
            format!("{ok}X: a\r\n \r\npayload").into_bytes(),
        ),
        (
            "only CR in the head",
            format!("HTTP/1.1 200 OK\rX: a\r{te}\n{chunks}").into_bytes(),
        ),
        (
            "blanks before the head",
            format!(" \t\r\n{ok}{te}\r\n{chunks}").into_bytes(),
        ),
        (
            "a line before the head",
            format!("stray line\r\n{ok}{te}\r\n{chunks}").into_bytes(),
        ),
        (
            "101 that nobody asked for",
            b"HTTP/1.1 101 x\r\nContent-Length: 7\r\n\r\npayload".to_vec(),
        ),
        (
            "204 with a body",
            format!("HTTP/1.1 204 x\r\n{te}\r\n{chunks}").into_bytes(),
        ),
        (
            "304 with a body",
            format!("HTTP/1.1 304 x\r\n{te}\r\n{chunks}").into_bytes(),
        ),
        (
            "gzip said twice",
            coded("Content-Encoding: gzip, gzip\r\n", &zipped),
        ),
        (
            "gzip said once more",
            coded("Content-Encoding: gzip, deflate\r\n", &zipped),
        ),
        (
            "gzip with NUL",
            coded("Content-Encoding: gz\0ip\r\n", &zipped),
        ),
        (
            "gzip behind another word",
            coded("Content-Encoding: x gzip\r\n", &zipped),
        ),
        (
            "gzip behind a bare CR",
            coded("X: a\rContent-Encoding: gzip\r\n", &zipped),
        ),
        (
            "plain said to be gzip",
            coded("Content-Encoding: gzip\r\n", b"payload"),
        ),
        (
            "plain behind broken gzip",
            coded("Content-Encoding: gzip\r\n", &broken),
        ),
    ] {
        for step in [1, 2, 5, octets.len()] {
            assert!(is_seen(&octets, step), "{name} by {step}");
        }
    }
}

#[test]
fn a_request_that_servers_frame_differently_is_not_to_go_on() {
    let limits = Limits::default();
    for (headers, body, ambiguous) in [
        ("Content-Length: 4\r\n", "abcd", false),
        (
            "Transfer-Encoding: chunked\r\n",
            "1;e\r\na\r\n0\r\n\r\n",
            false,
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            "",
            true,
        ),
        ("Content-Length: 4\r\nContent-Length: 4\r\n", "", true),
        ("Content-Length: +4\r\n", "", true),
        ("Content-Length : 4\r\n", "", true),
        ("Transfer-Encoding: xchunked\r\n", "", true),
        ("X: a\rTransfer-Encoding: chunked\r\n", "", true),
        ("Transfer-Encoding: chunked\r\n", " 1\r\na", true),
        ("Transfer-Encoding: chunked\r\n", "0x1\r\na", true),
        ("X: a\r\n \r\n", "", true),
        ("X: a\r\n b\r\n", "", false),
        (
            "Content-Length: 4\r\nContent-Encoding: gzip,gzip,gzip,gzip,gzip\r\n",
            "",
            true,
        ),
    ] {
        let mut parser = Parser::default();
        let request = format!("POST /x HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}");
        feed(&mut parser, ToServer, request.as_bytes(), &limits);
        assert_eq!(parser.failed(ToServer), ambiguous, "{headers:?} {body:?}");
    }
}

/// Found by fuzzing: empty lines behind an interim response with a doubtful head were kept as a
/// body that was sent, and the end of such a head before the body that should not be there.
#[test]
fn what_an_interim_response_left_in_doubt_ends_with_it() {
    let answered =
        b"HTTP/1.1 102 x\r\n \r\n\r\n\r\n\r\nHTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\na";
    let stray = b"HTTP/1.1 100 x\r\n \r\nContent-Length: 1\r\n\r\na";
    for (octets, as_sent) in [(&answered[..], None), (stray, Some(&b"a"[..]))] {
        for step in [1, 2, 3, 100] {
            let mut parser = Parser::default();
            let limits = Limits::default();
            for part in octets.chunks(step) {
                feed(&mut parser, ToClient, part, &limits);
            }
            let tx = parser.transactions().next().unwrap();
            assert_eq!(
                (tx.body(ToClient), tx.body_as_sent(ToClient)),
                (&b"a"[..], as_sent),
                "{step}"
            );
        }
    }
}

#[test]
fn the_files_of_a_request_are_told_apart() {
    let body = "--x\r\nContent-Disposition: form-data; name=a; filename=\"f.txt\"\r\n\r\none\r\n\
                --x\r\nContent-Disposition: form-data; name=b\r\n\r\nno file\r\n\
                --x\r\nContent-Disposition: form-data; name=c; filename=g\r\n\r\ntwo\r\n--x--\r\n";
    let request = format!(
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let parser = exchange(request.as_bytes(), b"");
    let tx = parser.transactions().next().unwrap();
    let files: Vec<_> = tx
        .files(ToServer)
        .unwrap()
        .map(|f| (f.name, f.bytes))
        .collect();
    assert_eq!(files, [(&b"f.txt"[..], &b"one"[..]), (b"g", b"two")]);
    assert!(tx.files(ToClient).is_none());
}

#[test]
fn too_many_header_lines_give_the_direction_up() {
    let limits = Limits {
        header_lines: 10,
        ..Limits::default()
    };
    for (lines, failed) in [(9, false), (10, true)] {
        let mut parser = Parser::default();
        let many = "X: a\r\n".repeat(lines - 1);
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n");
        feed(&mut parser, ToServer, request.as_bytes(), &limits);
        assert_eq!(parser.failed(ToServer), failed, "{lines}");
        let tx = parser.transactions().next().unwrap();
        assert_eq!(
            events(tx) == [Event::RequestTooManyHeaders],
            failed,
            "{lines}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn segmentation_changes_nothing(
        pieces in proptest::collection::vec(message_piece(), 1..12),
        answers in proptest::collection::vec(message_piece(), 0..8),
        cuts in proptest::collection::vec(1_usize..40, 1..20),
        header_bytes in prop_oneof![Just(64 * 1024), Just(60_usize)],
    ) {
        let limits = Limits { header_bytes, request_body_bytes: 50, ..Limits::default() };
        let mut whole = Parser::default();
        let mut cut = Parser::default();
        for (direction, pieces) in [(ToServer, pieces), (ToClient, answers)] {
            let wire = pieces.concat();
            feed(&mut whole, direction, &wire, &limits);
            let mut rest = &wire[..];
            let mut sizes = cuts.iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                feed(&mut cut, direction, now, &limits);
                rest = later;
            }
            prop_assert_eq!(picture(&whole), picture(&cut));
        }
        for direction in Direction::BOTH {
            whole.eof(direction, &limits);
            cut.eof(direction, &limits);
        }
        prop_assert_eq!(picture(&whole), picture(&cut));
        prop_assert!(whole.transactions().all(|tx| tx.is_complete(ToServer) && tx.is_complete(ToClient)));
    }
}
