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
    ];
    prop_oneof![
        8 => proptest::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => Just(b"Content-Encoding: gzip\r\nContent-Length: 24\r\n\r\n".iter().copied().chain(gzip(b"body")).collect()),
    ]
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
