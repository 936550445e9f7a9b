//! HTTP/1 evasions: requests that hide an attack from whoever reads along, and twins that hide
//! something harmless in the same way. Each case is a row of [`catalogue::CASES`].

pub mod catalogue;
pub mod receiver;
pub mod shapes;

/// Who takes the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Nginx,
    /// The same nginx on a port that nobody links with HTTP.
    OtherPort,
    /// A server that takes CONNECT and any upgrade, and keeps what it is told.
    Switching,
}

/// One way to hide a word.
pub struct Case {
    /// Number in the catalogue of evasions, with a letter where it has several.
    pub number: &'static str,
    pub title: &'static str,
    pub server: Server,
    /// What the server makes of it without Stopgap: the request gets through to what is behind.
    pub lands: bool,
    /// Whether the harmless twin must get through with Stopgap too. Where it is refused, that is by a
    /// stated limit, which does not ask what is hidden.
    pub twin_arrives: bool,
    /// The request in pieces; behind each but the last the server's answer is awaited.
    pub build: fn(&Hidden) -> Vec<Vec<u8>>,
}

/// What a request hides, and by what the server's log finds it.
pub struct Hidden {
    /// Four letters.
    pub word: &'static str,
    pub id: String,
}

pub const EVIL: &str = "evil";
pub const GOOD: &str = "good";

/// Rules that stop the word in each place where a case puts it.
pub const RULES: &str = r#"
drop http any any -> any any (msg:"path"; http.uri; content:"/evil"; sid:9100001; rev:1;)
drop http any any -> any any (msg:"query"; http.uri; content:"=evil"; sid:9100002; rev:1;)
drop http any any -> any any (msg:"twice encoded"; http.uri; url_decode; content:"/twice-evil"; sid:9100003; rev:1;)
drop http any any -> any any (msg:"header"; http.header; content:"hidden-evil"; sid:9100004; rev:1;)
drop http any any -> any any (msg:"body"; http.request_body; content:"payload-evil"; sid:9100005; rev:1;)
drop http any any -> any any (msg:"wide body"; http.request_body; content:"e|00|v|00|i|00|l"; sid:9100006; rev:1;)
drop http any any -> any any (msg:"file"; flow:to_server; file.data; content:"file-evil"; sid:9100007; rev:1;)
drop tcp any any -> any any (msg:"raw"; flow:to_server; content:"beyond-evil"; sid:9100008; rev:1;)
"#;

impl Hidden {
    /// `GET` with a target, in which the request's name follows.
    pub fn get(&self, target: &str) -> Vec<Vec<u8>> {
        self.get_with(target, "")
    }

    /// The same with further header lines, each with its line end.
    pub fn get_with(&self, target: &str, headers: &str) -> Vec<Vec<u8>> {
        vec![self.head("GET", target, &format!("Connection: close\r\n{headers}"))]
    }

    /// `POST` with a body framed by its length.
    pub fn post(&self, headers: &str, body: &[u8]) -> Vec<Vec<u8>> {
        let length = body.len();
        self.post_framed(&format!("{headers}Content-Length: {length}\r\n"), body)
    }

    /// `POST` with a body framed as the headers say.
    pub fn post_framed(&self, headers: &str, body: &[u8]) -> Vec<Vec<u8>> {
        let mut request = self.head("POST", "/form", &format!("Connection: close\r\n{headers}"));
        request.extend_from_slice(body);
        vec![request]
    }

    pub fn head(&self, method: &str, target: &str, headers: &str) -> Vec<u8> {
        let mark = if target.contains('?') { '&' } else { '?' };
        let id = &self.id;
        format!("{method} {target}{mark}id={id} HTTP/1.1\r\nHost: h\r\n{headers}\r\n").into_bytes()
    }

    /// A body with the word in it.
    pub fn payload(&self) -> Vec<u8> {
        format!("name=payload-{}&more=text", self.word).into_bytes()
    }
}
