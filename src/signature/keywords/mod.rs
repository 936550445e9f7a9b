//! The one table of keywords: parser, help, suggestions, documentation and tests read it.

mod app;
mod asn1;
mod bytes;
mod content;
mod dataset;
mod dcerpc;
mod decode;
mod dnp3;
mod examples;
mod file;
mod flow;
mod frame;
mod groups;
mod kept;
mod meta;
mod nfs;
mod number;
mod packet;
pub(super) mod pcre;
pub(super) mod rate;
pub mod refused;
pub(super) mod requires;
mod size;
mod stream;
mod tls;
mod transform;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::ast::Transform;
use super::draft::Draft;
use super::header_number::HeaderNumber;
use super::lex::{Fault, Opt};
use super::suggest::nearest;
use crate::buffer::Buffer;
use crate::number::Number;

/// One keyword of the rule language.
#[derive(Debug)]
pub struct Keyword {
    pub name: &'static str,
    /// Other spellings.
    pub aliases: &'static [&'static str],
    /// How it is written, with its semicolon.
    pub syntax: Cow<'static, str>,
    /// One sentence.
    pub help: &'static str,
    pub kind: Kind,
    parser: Parser,
}

/// The chapter a keyword belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Says something about the rule; tests nothing.
    Meta,
    /// Tests the flow, its bits or its protocol.
    Flow,
    /// Tests a number of a transaction.
    Number,
    /// Tests or changes what is kept between packets.
    Kept,
    /// Tests the packet.
    Packet,
    /// Tests bytes of the buffer in force.
    Payload,
    /// Changes the content before it.
    Modifier,
    /// Puts the content before it into another buffer.
    OldModifier,
    /// Sets the buffer in force.
    StickyBuffer,
    /// Changes the bytes of the sticky buffer before it.
    Transform,
    /// Bounds how often a rule alerts.
    Rate,
}

impl Kind {
    pub const ALL: &'static [Self] = &[
        Self::Meta,
        Self::Flow,
        Self::Kept,
        Self::Number,
        Self::Packet,
        Self::Payload,
        Self::Modifier,
        Self::StickyBuffer,
        Self::OldModifier,
        Self::Transform,
        Self::Rate,
    ];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Meta => "About the rule",
            Self::Flow => "Flow and application layer",
            Self::Number => "Numbers of transactions",
            Self::Kept => "Kept between packets: bits, numbers, reputation",
            Self::Packet => "Packet",
            Self::Payload => "Tests of bytes",
            Self::Modifier => "Modifiers of the content before",
            Self::OldModifier => "Older modifiers: the content before is looked for in this buffer",
            Self::StickyBuffer => "Sticky buffers: what the following tests inspect",
            Self::Transform => "Transforms of the sticky buffer before",
            Self::Rate => "Rate",
        }
    }
}

type ParseOption = fn(&mut Draft<'_>, &Opt<'_>) -> Result<(), Fault>;

#[derive(Clone, Debug)]
enum Parser {
    Option(ParseOption),
    Sticky(Buffer),
    MoveContent(Buffer),
    Transform(Transform),
    Number(HeaderNumber),
    TransactionNumber(Number),
}

impl Keyword {
    const fn option(
        kind: Kind,
        name: &'static str,
        syntax: &'static str,
        help: &'static str,
        parse: ParseOption,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            syntax: Cow::Borrowed(syntax),
            help,
            kind,
            parser: Parser::Option(parse),
        }
    }

    const fn moves(name: &'static str, syntax: &'static str, buffer: Buffer) -> Self {
        Self {
            name,
            aliases: &[],
            syntax: Cow::Borrowed(syntax),
            help: buffer.help(),
            kind: Kind::OldModifier,
            parser: Parser::MoveContent(buffer),
        }
    }

    /// The buffer it sets or moves a content to.
    pub const fn buffer(&self) -> Option<Buffer> {
        match self.parser {
            Parser::Sticky(buffer) | Parser::MoveContent(buffer) => Some(buffer),
            Parser::Option(_)
            | Parser::Transform(_)
            | Parser::Number(_)
            | Parser::TransactionNumber(_) => None,
        }
    }

    pub(super) fn parse(&self, draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
        let result = match &self.parser {
            Parser::Option(parse) => parse(draft, opt),
            Parser::Sticky(buffer) => opt
                .no_value()
                .and_then(|()| draft.set_sticky(*buffer, opt.span())),
            Parser::MoveContent(buffer) => opt
                .no_value()
                .and_then(|()| draft.move_content(*buffer, opt)),
            Parser::Transform(transform) => opt
                .no_value()
                .and_then(|()| draft.add_transform(opt, transform.clone())),
            Parser::Number(number) => packet::number(draft, opt, *number),
            Parser::TransactionNumber(n) => number::number(draft, opt, *n),
        };
        result.map_err(|fault| {
            if fault.help.is_some() {
                fault
            } else {
                fault.help(format!("written as `{}`", self.syntax))
            }
        })
    }
}

fn old_modifiers() -> [Keyword; 13] {
    [
        Keyword::moves("http_method", "http_method;", Buffer::HttpMethod),
        Keyword::moves("http_uri", "http_uri;", Buffer::HttpUri),
        Keyword::moves("http_raw_uri", "http_raw_uri;", Buffer::HttpUriRaw),
        Keyword::moves("http_header", "http_header;", Buffer::HttpHeader),
        Keyword::moves("http_raw_header", "http_raw_header;", Buffer::HttpHeaderRaw),
        Keyword::moves("http_cookie", "http_cookie;", Buffer::HttpCookie),
        Keyword::moves("http_host", "http_host;", Buffer::HttpHost),
        Keyword::moves("http_raw_host", "http_raw_host;", Buffer::HttpHostRaw),
        Keyword::moves("http_user_agent", "http_user_agent;", Buffer::HttpUserAgent),
        Keyword::moves(
            "http_client_body",
            "http_client_body;",
            Buffer::HttpRequestBody,
        ),
        Keyword::moves(
            "http_server_body",
            "http_server_body;",
            Buffer::HttpResponseBody,
        ),
        Keyword::moves("http_stat_code", "http_stat_code;", Buffer::HttpStatusCode),
        Keyword::moves("http_stat_msg", "http_stat_msg;", Buffer::HttpStatusMessage),
    ]
}

/// The payload is a sticky buffer by the name `pkt_data`; `dcerpc.iface` takes a value, and frames are
/// values of `frame`.
const fn sticky_by_own_name(buffer: Buffer) -> bool {
    !matches!(buffer, Buffer::Payload | Buffer::DcerpcInterface) && !buffer.is_frame()
}

fn sticky_buffers() -> impl Iterator<Item = Keyword> {
    let own = Buffer::ALL.iter().filter(|b| sticky_by_own_name(**b));
    own.map(|&buffer| sticky(buffer.as_str(), buffer.aliases(), buffer))
        .chain([sticky("pkt_data", &[], Buffer::Payload)])
}

fn sticky(name: &'static str, aliases: &'static [&'static str], buffer: Buffer) -> Keyword {
    Keyword {
        name,
        aliases,
        syntax: Cow::Owned(format!("{name};")),
        help: buffer.help(),
        kind: Kind::StickyBuffer,
        parser: Parser::Sticky(buffer),
    }
}

/// All keywords, in the order of the reference.
pub static KEYWORDS: LazyLock<Vec<Keyword>> = LazyLock::new(|| {
    [
        meta::keywords(),
        flow::keywords(),
        kept::keywords(),
        dataset::keywords(),
        app::keywords(),
        number::keywords(),
        dcerpc::keywords(),
        dnp3::keywords(),
        nfs::keywords(),
        size::keywords(),
        file::keywords(),
        decode::keywords(),
        packet::keywords(),
        stream::keywords(),
        tls::keywords(),
        content::keywords(),
        pcre::keywords(),
        bytes::keywords(),
        asn1::keywords(),
        rate::keywords(),
    ]
    .into_iter()
    .flatten()
    .chain(sticky_buffers())
    .chain([frame::keyword()])
    .chain(old_modifiers())
    .chain(transform::keywords())
    .collect()
});

type ByName = HashMap<&'static str, &'static Keyword, ahash::RandomState>;
static BY_NAME: LazyLock<ByName> = LazyLock::new(|| {
    let mut by_name = ByName::default();
    for keyword in KEYWORDS.iter() {
        by_name.insert(keyword.name, keyword);
        by_name.extend(keyword.aliases.iter().map(|alias| (*alias, keyword)));
    }
    by_name
});

/// Looks a keyword up by its name or another spelling.
pub fn find(name: &str) -> Option<&'static Keyword> {
    BY_NAME.get(name).copied()
}

/// The keyword most like `name`.
pub fn suggestion(name: &str) -> Option<&'static str> {
    nearest(name, BY_NAME.keys().copied())
}

#[cfg(test)]
mod tests;
