//! Requests, and where in them a text is put.

use std::fmt;

use crate::encode;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// Where a text is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Target,
    UserAgent,
    Cookie,
    XApi,
    Form,
    Json,
    MultipartName,
    Basic,
    Accept,
    Authorization,
}

impl Place {
    pub const ALL: [Self; 10] = [
        Self::Target,
        Self::UserAgent,
        Self::Cookie,
        Self::XApi,
        Self::Form,
        Self::Json,
        Self::MultipartName,
        Self::Basic,
        Self::Accept,
        Self::Authorization,
    ];
    /// Where applications read what they put into a query or a command.
    pub const PARAMETERS: [Self; 5] = [
        Self::Target,
        Self::Form,
        Self::Json,
        Self::Cookie,
        Self::MultipartName,
    ];
}

impl Request {
    pub fn get(target: impl Into<String>) -> Self {
        Self {
            method: "GET",
            target: target.into(),
            headers: vec![
                ("Host", "shop.example".to_owned()),
                ("Accept-Language", "en-GB,en;q=0.5".to_owned()),
            ],
            body: Vec::new(),
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn post(kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut request = Self::get("/api/items").with("Content-Type", kind);
        request.method = "POST";
        request.body = body.into();
        request
    }

    pub fn xml(body: impl Into<Vec<u8>>) -> Self {
        Self::post("text/xml", body)
    }

    /// `text`, written as its place asks for.
    pub fn holding(place: Place, text: &str) -> Self {
        match place {
            Place::Target => Self::get(format!("/find?q={}", encode::percent_reserved(text))),
            Place::UserAgent => Self::get("/").with("User-Agent", text),
            Place::Cookie => Self::get("/").with("Cookie", format!("theme=dark; id={text}")),
            Place::XApi => Self::get("/").with("X-Api-Version", text),
            Place::Form => Self::post(
                "application/x-www-form-urlencoded",
                format!("user=x&q={}", encode::percent_reserved(text)),
            ),
            Place::Json => Self::post(
                "application/json",
                format!("{{\"user\": \"x\", \"q\": \"{}\"}}", encode::json(text)),
            ),
            Place::MultipartName => Self::post(
                "multipart/form-data; boundary=bound",
                format!(
                    "--bound\r\nContent-Disposition: form-data; name=\"a\"; filename=\"{}\"\r\n\r\nx\r\n--bound--\r\n",
                    text.replace('"', "%22")
                ),
            ),
            Place::Basic => Self::get("/").with(
                "Authorization",
                format!(
                    "Basic {}",
                    encode::base64(format!("{text}:secret").as_bytes())
                ),
            ),
            Place::Accept => Self::get("/").with("Accept", format!("text/html, {text}")),
            Place::Authorization => Self::get("/").with("Authorization", format!("Bearer {text}")),
        }
    }

    pub fn head(&self, more: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += more;
        head += "\r\n";
        head.into_bytes()
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head("");
        write!(f, "{} {}", head.escape_ascii(), self.body.escape_ascii())
    }
}
