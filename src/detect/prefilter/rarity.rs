//! How often a few bytes in a row are met in network traffic: a guess.
//!
//! A q-gram that is rare costs few false candidates. The guess comes from a
//! sample of traffic below, counted once, and is never a matter of
//! correctness.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::gram::{Gram, fold_byte};

/// What gateways see most of: requests, responses, markup, scripts, form data, encodings.
/// Counted as if sent many times over; bytes that are not in it are rare.
const SAMPLE: &str = concat!(
    "GET /index.php?id=1&page=2 HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n",
    "Cache-Control: max-age=0\r\nUpgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; ",
    "Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\r\n",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n",
    "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.5\r\n",
    "Referer: https://www.example.org/search/results.html?query=test&lang=en\r\n",
    "Cookie: PHPSESSID=5f2a9c; session_id=eyJhbGciOiJIUzI1NiJ9; _ga=GA1.2.1234567890.1700000000\r\n\r\n",
    "POST /api/v1/users/login.aspx HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n",
    "Content-Length: 128\r\nOrigin: http://192.168.1.10:8080\r\nX-Requested-With: XMLHttpRequest\r\n",
    "X-Forwarded-For: 10.0.0.1\r\nAuthorization: Basic YWRtaW46cGFzc3dvcmQ=\r\nUser-Agent: Mozilla/4.0 ",
    "(compatible; MSIE 7.0; Windows NT 6.1; Trident/4.0; .NET CLR 2.0.50727)\r\n\r\n",
    "username=admin&password=secret&action=login&submit=Submit&name=%3Cscript%3E%2F%20%22&file=..%2f\r\n",
    "HTTP/1.1 200 OK\r\nServer: nginx/1.18.0 (Ubuntu)\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n",
    "Content-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\nVary: Accept-Encoding\r\n",
    "Last-Modified: Tue, 12 Dec 2023 10:20:30 GMT\r\nETag: \"65784f2e-264\"\r\nExpires: Thu, 19 Nov 1981\r\n",
    "Set-Cookie: sid=abcdef0123456789; path=/; HttpOnly; Secure; SameSite=Lax\r\nPragma: no-cache\r\n",
    "X-Powered-By: PHP/7.4.3\r\nHTTP/1.1 302 Found\r\nLocation: /home\r\nHTTP/1.1 404 Not Found\r\n\r\n",
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n    <meta charset=\"utf-8\">\n    <title>The page title</title>\n",
    "    <link rel=\"stylesheet\" type=\"text/css\" href=\"/assets/css/style.min.css\">\n",
    "    <script type=\"text/javascript\" src=\"https://cdn.example.net/js/jquery.min.js\"></script>\n</head>\n",
    "<body class=\"main content\">\n<div id=\"header\" class=\"container\">\n<ul>\n<li><a href=\"/about.html\">About</a>",
    "</li>\n</ul>\n</div>\n<p>This is the content of the page, and there are some words in it for you. ",
    "Information about our products and services is available from the company; please contact us with ",
    "your questions, or see what other people have said when they were using it.</p>\n",
    "<table border=\"0\" width=\"100%\"><tr><td align=\"center\"><img src=\"/images/logo.png\" alt=\"logo\"/></td></tr>",
    "</table><form method=\"post\" action=\"/login.php\"><input type=\"hidden\" name=\"token\" value=\"\"></form>\n",
    "<script>\n(function(){var a=document.createElement('script');a.type='text/javascript';a.async=true;",
    "var s=document.getElementsByTagName('script')[0];s.parentNode.insertBefore(a,s);})();\n",
    "window.location.href=\"/\";for(var i=0;i<arr.length;i++){if(typeof x!=='undefined'){return this.value;}}\n",
    "function test(e,t,n){return e.prototype.toString.call(t)==null&&n.push(t)||0}else{new Array(256)}</script>\n",
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soap:Envelope><soap:Body></soap:Body></soap:Envelope>\n",
    "{\"id\":12345,\"name\":\"value\",\"type\":\"object\",\"items\":[{\"url\":\"http:\\/\\/example.com\\/\",\"enabled\":true,",
    "\"data\":null,\"error\":false}]}\n.main{margin:0 auto;padding:10px;color:#ffffff;font-size:12px;display:none}\n",
    "-----------------------------7d33a816d302b6\r\nContent-Disposition: form-data; name=\"file\"; ",
    "filename=\"test.txt\"\r\n\r\niVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk\r\n",
    "MZ\0\0\0\0\0\0\0\0This program cannot be run in DOS mode\0\0\0\0\0\0\0\0AAAAAAAA        ",
    "<note id=\"0123456789\">0 1 2 3 4 5 6 7 8 9 10 20 30 100 2000 2024-01-01T00:00:00.000Z</note>\r\n",
);

/// A word of every eighth place in the sample of traffic.
pub(super) fn sampled_words() -> impl Iterator<Item = [u8; 4]> {
    let places = SAMPLE.as_bytes().windows(4).step_by(8);
    places.filter_map(|window| window.try_into().ok())
}

/// Cost of the likeliest; others are cheaper by 16 for each halving of their likelihood.
const CERTAIN: u32 = 16 * 40;

pub(super) struct Model {
    /// By folded pair of bytes: 16 × log2 of how often the second follows the first.
    follows: Vec<u16>,
    /// Folded 4-grams of the sample.
    seen: HashMap<u32, u32, ahash::RandomState>,
}

static MODEL: LazyLock<Model> = LazyLock::new(Model::count);

impl Model {
    fn count() -> Self {
        let sample: Vec<u8> = SAMPLE.bytes().map(fold_byte).collect();
        let mut pairs = vec![0u32; 1 << 16];
        for pair in sample.windows(2) {
            if let &[a, b] = pair {
                pairs[pair_index(a, b)] += 1;
            }
        }
        let mut single = [0u32; 256];
        for &b in &sample {
            single[usize::from(b)] += 1;
        }
        let mut follows = vec![0u16; 1 << 16];
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                // A pair that is not in the sample is as likely as its bytes are apart.
                let pair = f64::from(pairs[pair_index(a, b)]);
                let apart = f64::from(single[usize::from(b)] + 1) / sample.len() as f64;
                let likelihood = (pair + 2.0 * apart) / f64::from(single[usize::from(a)] + 2);
                let cost = (likelihood.log2() * 16.0 + 16.0 * 16.0).max(0.0);
                follows[pair_index(a, b)] = cost as u16;
            }
        }
        let mut seen = HashMap::default();
        for gram in sample.windows(4) {
            if let Ok(gram) = gram.try_into() {
                *seen.entry(u32::from_le_bytes(gram)).or_insert(0) += 1;
            }
        }
        Self { follows, seen }
    }
}

fn pair_index(a: u8, b: u8) -> usize {
    usize::from(a) << 8 | usize::from(b)
}

/// Higher means met more often. Comparable among grams of one width only.
pub(super) fn commonness(gram: Gram, width: usize) -> u32 {
    let below = model().commonness_below(u32::MAX, gram, width);
    below.unwrap_or(u32::MAX)
}

pub(super) fn model() -> &'static Model {
    &MODEL
}

impl Model {
    /// Whether ordinary traffic is full of it.
    pub(super) fn is_everyday(&self, gram: Gram) -> bool {
        let [a, b, c, d] = gram.0.to_le_bytes();
        (a == b && b == c && c == d) || self.seen.contains_key(&gram.0)
    }

    /// [`commonness`]; `None`: it is no lower than `most`, which is often clear before the sample is asked.
    pub(super) fn commonness_below(&self, most: u32, gram: Gram, width: usize) -> Option<u32> {
        let follows = |a, b| u32::from(self.follows[pair_index(a, b)]);
        let [a, b, c, d] = gram.0.to_le_bytes();
        let lead = follows(b' ', a) / 2;
        // A run of one byte (padding, sleds) comes in floods.
        let cost = match width {
            0 | 1 => CERTAIN,
            2 if a == b => CERTAIN,
            3 if a == b && b == c => CERTAIN,
            2 => lead + follows(a, b),
            3 => lead + follows(a, b) + follows(b, c),
            _ if a == b && b == c && c == d => CERTAIN,
            _ => {
                let apart = lead + follows(a, b) + follows(b, c) + follows(c, d);
                if apart >= most {
                    return None;
                }
                let met = self.seen.get(&gram.0);
                apart + met.map_or(0, |times| 128 + 16 * times.ilog2())
            }
        };
        (cost < most).then_some(cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(text: &[u8; 4]) -> u32 {
        commonness(Gram::of(text, 4).unwrap(), 4)
    }

    #[test]
    fn everyday_text_is_commoner_than_an_exploit() {
        for common in [b"http", b"cont", b"\r\nCo", b"text", b"0000", b"\0\0\0\0"] {
            for rare in [b"jndi", b"{:-n", b"\x18\x03\x02\x40", b"zxqv"] {
                assert!(cost(common) > cost(rare), "{common:?} {rare:?}");
            }
        }
    }
}
