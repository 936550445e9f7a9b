//! The cases, in the order of their numbers.

use super::shapes::{
    br, chunks, chunks_of, form, gzip, gzip_with_all_fields, raw_deflate, utf_16, zlib, zstd,
};
use super::{Case, Hidden, Server};

type Build = fn(&Hidden) -> Vec<Vec<u8>>;

/// nginx passes it on.
const fn lands(number: &'static str, title: &'static str, build: Build) -> Case {
    Case {
        number,
        title,
        server: Server::Nginx,
        lands: true,
        twin_arrives: true,
        build,
    }
}

/// nginx refuses it, and with it the twin.
const fn refused(number: &'static str, title: &'static str, build: Build) -> Case {
    Case {
        number,
        title,
        server: Server::Nginx,
        lands: false,
        twin_arrives: false,
        build,
    }
}

/// It lands, and Stopgap lets nothing of the kind through.
const fn limited(number: &'static str, title: &'static str, build: Build) -> Case {
    Case {
        twin_arrives: false,
        ..lands(number, title, build)
    }
}

const fn at(server: Server, case: Case) -> Case {
    Case { server, ..case }
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const FORM: &str = "Content-Type: multipart/form-data; boundary=x7\r\n";

fn encoded(word: &str) -> String {
    format!("%{:02x}{}", word.as_bytes()[0], &word[1..])
}

fn hex(length: usize) -> String {
    format!("{length:x}")
}

fn target(h: &Hidden, text: &str) -> Vec<Vec<u8>> {
    h.get(&text.replace("evil", h.word))
}

/// A request line of its own, with the usual headers behind it.
fn line(h: &Hidden, text: &str) -> Vec<Vec<u8>> {
    let line = text.replace("evil", h.word).replace("{id}", &h.id);
    vec![format!("{line}\r\nHost: h\r\nConnection: close\r\n\r\n").into_bytes()]
}

fn headers(h: &Hidden, text: &str) -> Vec<Vec<u8>> {
    h.get_with("/page", &text.replace("evil", h.word))
}

fn coded(h: &Hidden, coding: &str, body: &[u8]) -> Vec<Vec<u8>> {
    h.post(&format!("Content-Encoding: {coding}\r\n"), body)
}

fn framed(h: &Hidden, headers: &str, body: &str) -> Vec<Vec<u8>> {
    h.post_framed(headers, body.replace("evil", h.word).as_bytes())
}

fn chunked(h: &Hidden, size: impl Fn(usize) -> String) -> Vec<Vec<u8>> {
    h.post_framed(CHUNKED, &chunks(&h.payload(), size))
}

fn file(h: &Hidden, content_type: &str, boundary: &str, disposition: &str) -> Vec<Vec<u8>> {
    let content = format!("file-{}", h.word);
    let body = form(boundary, disposition, &content, "\r\n");
    h.post(&format!("Content-Type: {content_type}\r\n"), &body)
}

const DISPOSITION: &str = "Content-Disposition: form-data; name=\"a\"; filename=\"f.txt\"";

pub const CASES: &[Case] = &[
    lands("F01", "percent-encoded", |h| {
        h.get(&format!("/{}", encoded(h.word)))
    }),
    lands("F02", "percent-encoded twice", |h| {
        h.get(&format!("/twice-{}", encoded(h.word).replace('%', "%25")))
    }),
    refused("F03a", "%u escape", |h| {
        line(h, "GET /%u0065vil?id={id}&x=evil HTTP/1.1")
    }),
    refused("F03b", "invalid escape", |h| target(h, "/%zz/evil")),
    refused("F03c", "encoded NUL", |h| target(h, "/%00/evil")),
    refused("F03d", "raw NUL", |h| target(h, "/\0/evil")),
    lands("F04", "overlong UTF-8", |h| target(h, "/%c0%ae%c0%ae/evil")),
    lands("F05a", "two slashes", |h| target(h, "//evil")),
    lands("F05b", "dot segment", |h| target(h, "/./evil")),
    lands("F05c", "parent segment", |h| target(h, "/a/../evil")),
    lands("F05d", "encoded slash", |h| target(h, "/a%2Fevil")),
    lands("F05e", "encoded parent segment", |h| {
        target(h, "/a/%2e%2E/evil")
    }),
    refused("F06", "above the root", |h| target(h, "/%2E%2e/evil")),
    lands("F07", "backslash", |h| target(h, "/a\\evil")),
    lands("F08a", "absolute target", |h| target(h, "http://h/evil")),
    lands("F08b", "absolute target, mixed case", |h| {
        target(h, "hTTp://h/evil")
    }),
    lands("F09a", "fragment", |h| {
        line(h, "GET /evil?id={id}#x HTTP/1.1")
    }),
    lands("F09b", "encoded query", |h| {
        h.get(&format!("/x?q={}", encoded(h.word)))
    }),
    lands("F09c", "parameters", |h| target(h, "/a;p=1/evil;q=2")),
    lands("F09d", "high bytes", |h| {
        let mut request = h.head(
            "GET",
            &format!("/\u{1}/{}", h.word),
            "Connection: close\r\n",
        );
        request[5] = 0xe9;
        vec![request]
    }),
    lands("F09e", "plus", |h| target(h, "/+/evil")),
    lands("F10a", "several spaces", |h| {
        line(h, "GET   /evil?id={id}   HTTP/1.1")
    }),
    lands("F10b", "space behind the version", |h| {
        line(h, "GET /evil?id={id} HTTP/1.1  ")
    }),
    refused("F11a", "tab", |h| line(h, "GET\t/evil?id={id}\tHTTP/1.1")),
    refused("F11b", "space in the target", |h| {
        line(h, "GET /a /evil?id={id} HTTP/1.1")
    }),
    refused("F11c", "leading space", |h| {
        line(h, " GET /evil?id={id} HTTP/1.1")
    }),
    lands("F12", "bare LF", |h| {
        let request = target(h, "/evil").concat();
        vec![
            String::from_utf8_lossy(&request)
                .replace("\r\n", "\n")
                .into_bytes(),
        ]
    }),
    refused("F13", "bare CR", |h| {
        let request = target(h, "/evil").concat();
        vec![
            String::from_utf8_lossy(&request)
                .replace("\r\n", "\r")
                .into_bytes(),
        ]
    }),
    lands("F14", "empty lines before", |h| {
        vec![[&b"\r\n\r\n"[..], &target(h, "/evil").concat()].concat()]
    }),
    lands("F15", "HTTP/0.9", |h| {
        vec![format!("GET /{}?id={}\r\n", h.word, h.id).into_bytes()]
    }),
    lands("F16a", "HTTP/1.0", |h| {
        line(h, "GET /evil?id={id} HTTP/1.0")
    }),
    lands("F16b", "HTTP/1.2", |h| {
        line(h, "GET /evil?id={id} HTTP/1.2")
    }),
    refused("F17a", "protocol in lower case", |h| {
        line(h, "GET /evil?id={id} http/1.1")
    }),
    refused("F17b", "HTTP/2.0", |h| {
        line(h, "GET /evil?id={id} HTTP/2.0")
    }),
    lands("F18", "unknown method", |h| {
        line(h, "FOO /evil?id={id} HTTP/1.1")
    }),
    refused("F19", "method in lower case", |h| {
        line(h, "get /evil?id={id} HTTP/1.1")
    }),
    refused("F20", "folded header", |h| {
        headers(h, "X-A: a\r\n hidden-evil\r\n")
    }),
    refused("F21a", "space before the colon", |h| {
        headers(h, "X-A : hidden-evil\r\n")
    }),
    lands("F21b", "no colon", |h| headers(h, "hidden-evil\r\n")),
    refused("F21c", "NUL in a value", |h| {
        headers(h, "X-A: \0hidden-evil\r\n")
    }),
    refused("F21d", "bare CR in a value", |h| {
        headers(h, "X-A: a\rX-B: hidden-evil\r\n")
    }),
    lands("F22a", "tab before a value", |h| {
        headers(h, "X-A:\thidden-evil\t\r\n")
    }),
    lands("F22b", "nothing before a value", |h| {
        headers(h, "X-A:hidden-evil\r\n")
    }),
    lands("F22c", "high bytes in a value", |h| {
        headers(h, "X-A: \u{e9}hidden-evil\r\n")
    }),
    lands("F23", "underscore in a name", |h| {
        headers(h, "X_A: hidden-evil\r\n")
    }),
    refused("F24a", "Host twice", |h| {
        headers(h, "Host: h\r\nX-A: hidden-evil\r\n")
    }),
    refused("F24b", "no Host", |h| {
        vec![format!("GET /{}?id={} HTTP/1.1\r\n\r\n", h.word, h.id).into_bytes()]
    }),
    refused("F25a", "length twice, alike", |h| {
        framed(
            h,
            "Content-Length: 12\r\nContent-Length: 12\r\n",
            "payload-evil",
        )
    }),
    refused("F25b", "length twice, not alike", |h| {
        framed(
            h,
            "Content-Length: 1\r\nContent-Length: 12\r\n",
            "payload-evil",
        )
    }),
    refused("F25c", "length with a sign", |h| {
        framed(h, "Content-Length: +12\r\n", "payload-evil")
    }),
    refused("F25d", "list of lengths", |h| {
        framed(h, "Content-Length: 12, 12\r\n", "payload-evil")
    }),
    refused("F25e", "length in hex", |h| {
        framed(h, "Content-Length: 0xc\r\n", "payload-evil")
    }),
    refused("F25f", "negative length", |h| {
        framed(h, "Content-Length: -1\r\n", "payload-evil")
    }),
    refused("F25g", "empty length", |h| {
        framed(h, "Content-Length:\r\n", "payload-evil")
    }),
    lands("F26", "length with leading zeros", |h| {
        framed(h, "Content-Length: 00012\r\n", "payload-evil")
    }),
    lands("F27", "GET with a body", |h| {
        let mut request = h.head(
            "GET",
            "/page",
            "Connection: close\r\nContent-Length: 12\r\n",
        );
        request.extend_from_slice(format!("payload-{}", h.word).as_bytes());
        vec![request]
    }),
    lands("F28", "chunks of one byte", |h| chunked(h, hex)),
    lands("F29a", "chunk extension", |h| {
        chunked(h, |n| format!("{n:x};a=b"))
    }),
    lands("F29b", "quoted chunk extension", |h| {
        chunked(h, |n| format!("{n:x};\"x\""))
    }),
    lands("F30", "chunk sizes with leading zeros", |h| {
        chunked(h, |n| format!("{n:010x}"))
    }),
    lands("F31", "space behind a chunk size", |h| {
        chunked(h, |n| format!("{n:x} "))
    }),
    refused("F32a", "space before a chunk size", |h| {
        chunked(h, |n| format!(" {n:x}"))
    }),
    refused("F32b", "chunk size with 0x", |h| {
        chunked(h, |n| format!("0x{n:x}"))
    }),
    refused("F32c", "chunk size beyond 64 bits", |h| {
        chunked(h, |n| format!("{n:x}0000000000000000"))
    }),
    lands("F33", "chunks with bare LF", |h| {
        h.post_framed(CHUNKED, &chunks_of(&h.payload(), 3, "\n", hex))
    }),
    lands("F34", "trailers", |h| {
        let mut body = chunks(&h.payload(), hex);
        body.truncate(body.len() - 2);
        body.extend_from_slice(b"X-Trailer: a\r\n\r\n");
        h.post_framed(CHUNKED, &body)
    }),
    lands("F35", "chunked in mixed case", |h| {
        h.post_framed("Transfer-Encoding: ChUnKeD\r\n", &chunks(&h.payload(), hex))
    }),
    refused("F36a", "coding and length", |h| {
        let headers = format!("{CHUNKED}Content-Length: 6\r\n");
        h.post_framed(&headers, &chunks(&h.payload(), hex))
    }),
    refused("F36b", "length and coding", |h| {
        let headers = format!("Content-Length: 6\r\n{CHUNKED}");
        h.post_framed(&headers, &chunks(&h.payload(), hex))
    }),
    refused("F37a", "xchunked", |h| {
        h.post_framed(
            "Transfer-Encoding: xchunked\r\n",
            &chunks(&h.payload(), hex),
        )
    }),
    refused("F37b", "gzip, chunked", |h| {
        let body = chunks(&gzip(&h.payload()), hex);
        h.post_framed("Transfer-Encoding: gzip, chunked\r\n", &body)
    }),
    refused("F37c", "identity", |h| {
        h.post_framed("Transfer-Encoding: identity\r\n", &h.payload())
    }),
    refused("F37d", "chunked behind VT", |h| {
        h.post_framed(
            "Transfer-Encoding: \u{b}chunked\r\n",
            &chunks(&h.payload(), hex),
        )
    }),
    refused("F38a", "coding twice", |h| {
        h.post_framed(&format!("{CHUNKED}{CHUNKED}"), &chunks(&h.payload(), hex))
    }),
    refused("F38b", "space before the coding's colon", |h| {
        h.post_framed(
            "Transfer-Encoding : chunked\r\n",
            &chunks(&h.payload(), hex),
        )
    }),
    refused("F38c", "chunked in HTTP/1.0", |h| {
        let request = h.post_framed(CHUNKED, &chunks(&h.payload(), hex)).concat();
        vec![
            String::from_utf8_lossy(&request)
                .replace("HTTP/1.1", "HTTP/1.0")
                .into_bytes(),
        ]
    }),
    lands("F39", "second of two pipelined requests", |h| {
        let first = b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n";
        vec![[&first[..], &target(h, "/evil").concat()].concat()]
    }),
    limited("F40", "last of 600 pipelined requests", |h| {
        let first = b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n".repeat(600);
        vec![[&first[..], &target(h, "/evil").concat()].concat()]
    }),
    lands("F41", "body awaits 100 Continue", |h| {
        let body = h.payload();
        let headers = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", body.len());
        vec![h.post_framed(&headers, b"").concat(), body]
    }),
    lands("F42a", "gzip", |h| coded(h, "gzip", &gzip(&h.payload()))),
    lands("F42b", "deflate with zlib's frame", |h| {
        coded(h, "deflate", &zlib(&h.payload()))
    }),
    lands("F42c", "deflate without", |h| {
        coded(h, "deflate", &raw_deflate(&h.payload()))
    }),
    lands("F42d", "br", |h| coded(h, "br", &br(&h.payload()))),
    lands("F42e", "zstd", |h| coded(h, "zstd", &zstd(&h.payload()))),
    lands("F43a", "gzip twice", |h| {
        coded(h, "gzip, gzip", &gzip(&gzip(&h.payload())))
    }),
    lands("F43b", "x-gzip", |h| {
        coded(h, "x-gzip", &gzip(&h.payload()))
    }),
    lands("F43c", "GZIP", |h| coded(h, "GZIP", &gzip(&h.payload()))),
    lands("F43d", "gzip and nothing", |h| {
        coded(h, "gzip,", &gzip(&h.payload()))
    }),
    lands("F43e", "header twice", |h| {
        let body = gzip(&zlib(&h.payload()));
        h.post(
            "Content-Encoding: deflate\r\nContent-Encoding: gzip\r\n",
            &body,
        )
    }),
    refused("F43f", "header folded", |h| {
        h.post("Content-Encoding:\r\n gzip\r\n", &gzip(&h.payload()))
    }),
    lands("F43g", "four layers", |h| {
        let body = br(&gzip(&zlib(&gzip(&h.payload()))));
        coded(h, "gzip, deflate, gzip, br", &body)
    }),
    limited("F43h", "nine layers", |h| {
        let body = (0..9).fold(h.payload(), |body, _| gzip(&body));
        coded(h, "gzip,gzip,gzip,gzip,gzip,gzip,gzip,gzip,gzip", &body)
    }),
    lands("F44a", "gzip with every field", |h| {
        coded(h, "gzip", &gzip_with_all_fields(&h.payload()))
    }),
    lands("F44b", "gzip in two members", |h| {
        let payload = h.payload();
        let (one, two) = payload.split_at(14);
        coded(h, "gzip", &[gzip(one), gzip(two)].concat())
    }),
    lands("F44c", "gzip with a wrong checksum", |h| {
        let mut body = gzip(&h.payload());
        let at = body.len() - 6;
        body[at] ^= 0x55;
        coded(h, "gzip", &body)
    }),
    lands("F44d", "gzip cut short", |h| {
        let body = gzip(&h.payload());
        coded(h, "gzip", &body[..body.len() - 8])
    }),
    lands("F44e", "bytes behind gzip", |h| {
        coded(h, "gzip", &[gzip(b"x"), h.payload()].concat())
    }),
    lands("F45a", "gzip said to be deflate", |h| {
        coded(h, "deflate", &gzip(&h.payload()))
    }),
    lands("F45b", "deflate said to be gzip", |h| {
        coded(h, "gzip", &zlib(&h.payload()))
    }),
    lands("F45c", "plain said to be gzip", |h| {
        coded(h, "gzip", &h.payload())
    }),
    lands("F45d", "plain said to be br", |h| {
        coded(h, "br", &h.payload())
    }),
    limited("F46", "behind a bomb of 8 MB", |h| {
        coded(
            h,
            "gzip",
            &gzip(&[vec![0; 8_000_000], h.payload()].concat()),
        )
    }),
    lands("F47a", "h2c offered", |h| {
        let offer = "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
        let target = format!("/{}", h.word);
        vec![h.head(
            "GET",
            &target,
            &format!("Connection: Upgrade, HTTP2-Settings\r\n{offer}"),
        )]
    }),
    refused("F47b", "HTTP/2 without being asked", |h| {
        let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        request.extend(target(h, "/evil").concat());
        vec![request]
    }),
    lands("F50a", "quoted boundary", |h| {
        file(h, "multipart/form-data; boundary=\"x7\"", "x7", DISPOSITION)
    }),
    lands("F50b", "two boundaries", |h| {
        file(
            h,
            "multipart/form-data; boundary=x7; boundary=y8",
            "x7",
            DISPOSITION,
        )
    }),
    lands("F50c", "two boundaries, the other one", |h| {
        file(
            h,
            "multipart/form-data; boundary=y8; boundary=x7",
            "x7",
            DISPOSITION,
        )
    }),
    lands("F50d", "long boundary", |h| {
        let long = "x".repeat(200);
        file(
            h,
            &format!("multipart/form-data; boundary={long}"),
            &long,
            DISPOSITION,
        )
    }),
    lands("F50e", "form with bare LF", |h| {
        let content = format!("file-{}", h.word);
        h.post(FORM, &form("x7", DISPOSITION, &content, "\n"))
    }),
    lands("F50f", "no last boundary", |h| {
        let body = form("x7", DISPOSITION, &format!("file-{}", h.word), "\r\n");
        h.post(FORM, &body[..body.len() - 8])
    }),
    lands("F50g", "extended file name", |h| {
        let disposition = "Content-Disposition: form-data; name=a; filename*=utf-8''f.txt";
        file(h, "multipart/form-data; boundary=x7", "x7", disposition)
    }),
    lands("F50h", "folded header of a part", |h| {
        let disposition = "Content-Disposition: form-data;\r\n name=a;\r\n\tfilename=f.txt";
        file(h, "multipart/form-data; boundary=x7", "x7", disposition)
    }),
    lands("F50i", "form in gzip", |h| {
        let body = form("x7", DISPOSITION, &format!("file-{}", h.word), "\r\n");
        h.post(&format!("{FORM}Content-Encoding: gzip\r\n"), &gzip(&body))
    }),
    lands("F51a", "target of 20 KB", |h| {
        h.get(&format!("/{}/{}", "a".repeat(20_000), h.word))
    }),
    refused("F51b", "target of 64 KB", |h| {
        h.get(&format!("/{}/{}", "a".repeat(65_000), h.word))
    }),
    lands("F51c", "behind 900 headers", |h| {
        let many: String = (0..900).map(|n| format!("X-{n}: a\r\n")).collect();
        headers(h, &format!("{many}X-Last: hidden-evil\r\n"))
    }),
    refused("F51d", "behind 1500 headers", |h| {
        headers(
            h,
            &format!("{}X-Last: hidden-evil\r\n", "X-A: a\r\n".repeat(1500)),
        )
    }),
    lands("F52", "in a body beyond what is kept", |h| {
        let body = format!("{}beyond-{}", "a".repeat(200_000), h.word);
        h.post("", body.as_bytes())
    }),
    lands("F53", "UTF-16", |h| {
        h.post(
            "Content-Type: text/plain; charset=utf-16\r\n",
            &utf_16(&h.payload()),
        )
    }),
    at(
        Server::OtherPort,
        lands("F54a", "another port", |h| target(h, "/evil")),
    ),
    at(
        Server::OtherPort,
        lands("F54b", "another port and another method", |h| {
            line(h, "FOO /evil?id={id} HTTP/1.1")
        }),
    ),
    refused("F55a", "first bytes like TLS", |h| {
        vec![[&b"\x16\x03\x01\0\x05"[..], &target(h, "/evil").concat()].concat()]
    }),
    refused("F55b", "first bytes like SSH", |h| {
        vec![[&b"SSH-2.0-x\r\n"[..], &target(h, "/evil").concat()].concat()]
    }),
    at(
        Server::Switching,
        lands("F56a", "HTTP in a tunnel", |h| {
            let connect = b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n";
            vec![connect.to_vec(), target(h, "/evil").concat()]
        }),
    ),
    at(
        Server::Switching,
        lands("F56b", "HTTP in a tunnel in a tunnel", |h| {
            let connect = b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n";
            vec![
                connect.to_vec(),
                connect.to_vec(),
                target(h, "/evil").concat(),
            ]
        }),
    ),
    at(
        Server::Switching,
        lands("F56c", "HTTP behind an upgrade", |h| {
            let upgrade =
                b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n";
            vec![upgrade.to_vec(), target(h, "/evil").concat()]
        }),
    ),
    at(
        Server::Switching,
        lands("F56d", "HTTP sent before the tunnel is there", |h| {
            let connect = b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n";
            vec![[&connect[..], &target(h, "/evil").concat()].concat()]
        }),
    ),
    refused("F57a", "chunk size with an underscore", |h| {
        chunked(h, |n| format!("0_{n:x}"))
    }),
    refused("F57b", "chunk size with a sign", |h| {
        chunked(h, |n| format!("+{n:x}"))
    }),
    refused("F57c", "length with an underscore", |h| {
        framed(h, "Content-Length: 1_2\r\n", "payload-evil")
    }),
    refused("F57d", "CR alone behind a chunk size", |h| {
        h.post_framed(CHUNKED, &chunks_of(&h.payload(), 3, "\r", hex))
    }),
    refused("F57e", "coding behind a bare CR", |h| {
        let headers = format!("X-A: a\r{CHUNKED}Content-Length: 6\r\n");
        h.post_framed(&headers, &chunks(&h.payload(), hex))
    }),
    refused("F57f", "coding with a NUL", |h| {
        let headers = "Transfer\0-Encoding: chunked\r\nContent-Length: 6\r\n";
        h.post_framed(headers, &chunks(&h.payload(), hex))
    }),
    refused("F57g", "blank line that is not empty", |h| {
        framed(h, "Content-Length: 12\r\n \r\n", "payload-evil")
    }),
];
