//! A rule while its options are read.

use std::sync::Arc;

use super::ast::*;
use super::classification::Classes;
use super::lex::{Arg, Fault, Opt, Span};
use super::suggest::nearest;
use super::surroundings::Surroundings;
use super::written::Metadata;
use crate::app_layer;
use crate::buffer::{Buffer, Owner};
use crate::decode::DecodeEvents;

/// Most byte variables in one rule.
const MAX_VARIABLES: usize = 32;

/// A sticky buffer and the transforms written behind it so far.
#[derive(Clone, Debug)]
struct Sticky {
    buffer: Buffer,
    span: Span,
    transforms: Vec<Transform>,
    /// Set by the first test.
    group: Option<usize>,
}

/// Where a test stands in [`Draft::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    group: usize,
    test: usize,
}

/// What the options read so far add up to.
#[derive(Debug)]
pub(super) struct Draft<'c> {
    pub classes: &'c Classes,
    /// What lies around the file of rules.
    pub surroundings: &'c Surroundings<'c>,
    /// Of the rule's header.
    pub protocol: Proto,
    pub sid: Option<u32>,
    pub gid: Option<u32>,
    pub rev: Option<u32>,
    pub message: Option<String>,
    pub class: Option<Arc<Class>>,
    pub priority: Option<u8>,
    pub references: Vec<Box<str>>,
    pub metadata: Metadata,
    pub target: Option<Target>,
    pub flow: Option<Flow>,
    pub packet: Vec<PacketTest>,
    pub stream_sizes: Vec<StreamSize>,
    pub flow_counts: Vec<FlowCountTest>,
    pub buffers: Vec<BufferTests>,
    pub variables: Vec<String>,
    pub flowbits: Vec<Flowbit>,
    pub kept_tests: Vec<KeptTest>,
    pub kept_actions: Vec<KeptAction>,
    pub tags: Vec<Tag>,
    pub events: Vec<app_layer::Event>,
    pub numbers: Vec<NumberTest>,
    pub decode_events: DecodeEvents,
    pub protocols: Vec<ProtocolTest>,
    pub threshold: Option<Threshold>,
    pub noalert: bool,
    pub alert: bool,
    pub bypass: bool,
    pub warnings: Vec<Fault>,
    /// Where each content was written, for faults found only at the end of the rule.
    contents: Vec<(Place, Span)>,
    last_content: Option<Place>,
    /// Where the last test stands.
    last_group: Option<usize>,
    sticky: Option<Sticky>,
}

impl<'c> Draft<'c> {
    pub fn new(surroundings: &'c Surroundings<'c>, protocol: Proto) -> Self {
        Self {
            classes: surroundings.classes,
            surroundings,
            protocol,
            sid: None,
            gid: None,
            rev: None,
            message: None,
            class: None,
            priority: None,
            references: Vec::new(),
            metadata: Metadata::default(),
            target: None,
            flow: None,
            packet: Vec::new(),
            stream_sizes: Vec::new(),
            flow_counts: Vec::new(),
            buffers: Vec::new(),
            variables: Vec::new(),
            flowbits: Vec::new(),
            kept_tests: Vec::new(),
            kept_actions: Vec::new(),
            tags: Vec::new(),
            events: Vec::new(),
            numbers: Vec::new(),
            decode_events: DecodeEvents::NONE,
            protocols: Vec::new(),
            threshold: None,
            noalert: false,
            alert: false,
            bypass: false,
            warnings: Vec::new(),
            contents: Vec::new(),
            last_content: None,
            last_group: None,
            sticky: None,
        }
    }

    pub fn warn(&mut self, fault: Fault) {
        self.warnings.push(fault);
    }

    /// Makes `buffer` the one that following tests inspect.
    pub fn set_sticky(&mut self, buffer: Buffer, span: Span) -> Result<(), Fault> {
        self.close_sticky()?;
        self.sticky = Some(Sticky {
            buffer,
            span,
            transforms: Vec::new(),
            group: None,
        });
        Ok(())
    }

    /// A sticky buffer that nothing inspects is a mistake.
    pub fn close_sticky(&mut self) -> Result<(), Fault> {
        match self.sticky.take() {
            // A return to the payload is written for its own sake.
            Some(s) if s.group.is_none() && s.buffer != Buffer::Payload => Err(Fault::new(
                s.span,
                format!("nothing inspects `{}`", s.buffer.as_str()),
            )
            .help("write content, pcre or another test behind the sticky buffer")),
            Some(s) => {
                let group = s.group.and_then(|at| self.buffers.get(at));
                match group.map(|g| (g.absent, g.tests.is_empty())) {
                    Some((Some(Absent::OrElse), true)) => Err(Fault::new(
                        s.span,
                        "`absent:or_else` needs a test of the buffer behind it",
                    )
                    .help("write `absent;` where the buffer must not be there")),
                    Some((Some(Absent::Only), false)) => Err(Fault::new(
                        s.span,
                        "a buffer that is absent cannot be inspected",
                    )
                    .help("write `absent:or_else;` where either will do")),
                    _ => Ok(()),
                }
            }
            None => Ok(()),
        }
    }

    pub fn add_transform(&mut self, opt: &Opt<'_>, transform: Transform) -> Result<(), Fault> {
        let name = opt.name;
        match &mut self.sticky {
            Some(sticky) => {
                sticky.transforms.push(transform);
                // What was tested before is not transformed.
                sticky.group = None;
                Ok(())
            }
            None => Err(name.fault(format!("`{}` needs a sticky buffer before it", name.text))),
        }
    }

    /// Lets the sticky buffer in force be absent from the transaction.
    pub fn add_absent(&mut self, opt: &Opt<'_>, absent: Absent) -> Result<(), Fault> {
        let name = opt.name;
        let Some(sticky) = &mut self.sticky else {
            return Err(name.fault("`absent` needs a sticky buffer before it"));
        };
        if sticky.group.is_some() {
            return Err(name.fault("`absent` stands right behind the sticky buffer"));
        }
        if matches!(sticky.buffer.owner(), Owner::Raw | Owner::Packet) {
            return Err(name.fault(format!(
                "`{}` is never absent: `absent` is about fields of a transaction",
                sticky.buffer.as_str()
            )));
        }
        self.buffers.push(BufferTests {
            buffer: sticky.buffer,
            transforms: sticky.transforms.clone(),
            absent: Some(absent),
            tests: Vec::new(),
        });
        sticky.group = Some(self.buffers.len() - 1);
        Ok(())
    }

    /// The buffer that the next test inspects.
    pub fn sticky_buffer(&self) -> Option<Buffer> {
        self.sticky.as_ref().map(|s| s.buffer)
    }

    /// Adds a test to the sticky buffer, or to the payload if none is set.
    pub fn add(&mut self, test: Test) {
        let group = match self.sticky.as_ref().map(|s| s.group) {
            Some(Some(group)) => group,
            Some(None) => {
                let (buffer, transforms) = match &mut self.sticky {
                    Some(s) => (s.buffer, s.transforms.clone()),
                    None => (Buffer::Payload, Vec::new()),
                };
                let group = self.group_for(buffer, transforms);
                if let Some(sticky) = &mut self.sticky {
                    sticky.group = Some(group);
                }
                group
            }
            // What counts from the match before looks where that was found.
            None => match self.last_group.filter(|_| test.is_relative()) {
                Some(group) => group,
                None => self.group_for(Buffer::Payload, Vec::new()),
            },
        };
        self.push(group, test);
    }

    /// Adds a test to `buffer` whatever the default is, as older keywords do.
    pub fn add_to(&mut self, buffer: Buffer, opt: &Opt<'_>, test: Test) -> Result<(), Fault> {
        match self.sticky_buffer() {
            None => {
                let group = self.group_for(buffer, Vec::new());
                self.push(group, test);
                Ok(())
            }
            // A response body is a file too: older words for it go on in `file.data`.
            Some(sticky)
                if sticky == buffer
                    || (sticky, buffer) == (Buffer::FileData, Buffer::HttpResponseBody) =>
            {
                self.add(test);
                Ok(())
            }
            Some(sticky) => Err(opt
                .name
                .fault(format!(
                    "this inspects `{}`, but the sticky buffer is `{}`",
                    buffer.as_str(),
                    sticky.as_str()
                ))
                .help(format!(
                    "write `{};` before it, or `pkt_data;` to leave the sticky buffer",
                    buffer.as_str()
                ))),
        }
    }

    /// Adds a test of a buffer without touching the sticky buffer.
    pub fn add_aside(&mut self, buffer: Buffer, test: Test) {
        self.add_aside_transformed(buffer, Vec::new(), test);
    }

    /// The same of a buffer that is transformed first.
    pub fn add_aside_transformed(&mut self, buffer: Buffer, by: Vec<Transform>, test: Test) {
        let group = self.group_for(buffer, by);
        self.push(group, test);
    }

    /// The group of `buffer`: one a rule, but for transformed buffers and for those of
    /// which there may be several, where each mention begins anew.
    fn group_for(&mut self, buffer: Buffer, transforms: Vec<Transform>) -> usize {
        let shared = transforms.is_empty() && !buffer.has_instances();
        let known = self.buffers.iter().position(|g| {
            shared && g.buffer == buffer && g.transforms.is_empty() && g.absent.is_none()
        });
        known.unwrap_or_else(|| {
            self.buffers.push(BufferTests {
                buffer,
                transforms,
                absent: None,
                tests: Vec::new(),
            });
            self.buffers.len() - 1
        })
    }

    fn push(&mut self, group: usize, mut test: Test) {
        let is_content = matches!(test, Test::Content(_));
        if let Some(tests) = self.buffers.get_mut(group) {
            if let Test::Content(content) = &mut test {
                content.nocase |= tests.buffer.is_hexadecimal();
            }
            tests.tests.push(test);
            self.last_group = Some(group);
            if is_content {
                self.last_content = Some(Place {
                    group,
                    test: tests.tests.len() - 1,
                });
            }
        }
    }

    /// Remembers where the content just added was written.
    pub fn content_written_at(&mut self, span: Span) {
        if let Some(place) = self.last_content {
            self.contents.push((place, span));
        }
    }

    /// The content that a modifier speaks of.
    pub fn content_before(&mut self, opt: &Opt<'_>) -> Result<&mut Content, Fault> {
        let found = self
            .last_content
            .and_then(|p| self.buffers.get_mut(p.group)?.tests.get_mut(p.test));
        match found {
            Some(Test::Content(content)) => Ok(content),
            _ => Err(opt
                .name
                .fault(format!("`{}` needs a content before it", opt.name.text))),
        }
    }

    /// Moves the content before an older modifier such as `http_uri` to its buffer.
    pub fn move_content(&mut self, buffer: Buffer, opt: &Opt<'_>) -> Result<(), Fault> {
        if let Some(sticky) = self.sticky_buffer() {
            return Err(opt
                .name
                .fault(format!(
                    "`{}` cannot stand under the sticky buffer `{}`",
                    opt.name.text,
                    sticky.as_str()
                ))
                .help(format!("use the sticky buffer `{}`", buffer.as_str())));
        }
        self.content_before(opt)?;
        let Some(from) = self.last_content else {
            return Ok(());
        };
        if self.buffers.get(from.group).map(|g| g.buffer) != Some(Buffer::Payload) {
            return Err(opt
                .name
                .fault("the content before it already belongs to another buffer"));
        }
        let Some(source) = self.buffers.get_mut(from.group) else {
            return Ok(());
        };
        let test = source.tests.remove(from.test);
        let emptied = source.tests.is_empty();
        if emptied {
            self.buffers.remove(from.group);
        }
        let written = self.contents.pop();
        for (place, _) in &mut self.contents {
            if emptied && place.group > from.group {
                place.group -= 1;
            }
        }
        let target = self.group_for(buffer, Vec::new());
        self.push(target, test);
        if let Some((_, span)) = written {
            self.content_written_at(span);
        }
        Ok(())
    }

    /// Every content with its buffer and where it was written.
    pub fn contents(&self) -> impl Iterator<Item = (Buffer, &Content, Span)> {
        self.contents.iter().filter_map(|(place, span)| {
            let group = self.buffers.get(place.group)?;
            match group.tests.get(place.test)? {
                Test::Content(content) => Some((group.buffer, content, *span)),
                _ => None,
            }
        })
    }

    pub fn define_variable(&mut self, name: Arg<'_>) -> Result<VarIndex, Fault> {
        let good = name
            .text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if !good
            || !name
                .text
                .starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        {
            return Err(name.fault(format!("`{}` is no name of a variable", name.text)));
        }
        if self.variables.iter().any(|v| v == name.text) {
            return Err(name.fault(format!("variable `{}` is already defined", name.text)));
        }
        if self.variables.len() >= MAX_VARIABLES {
            return Err(name.fault(format!("more than {MAX_VARIABLES} variables in one rule")));
        }
        self.variables.push(name.text.to_owned());
        VarIndex::try_from(self.variables.len() - 1)
            .map_err(|_| name.fault("too many variables in one rule"))
    }

    /// A number within `range`, or a variable defined before.
    pub fn value(
        &self,
        arg: Arg<'_>,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<Value, Fault> {
        let numeric = arg
            .text
            .starts_with(|c: char| c.is_ascii_digit() || "-+".contains(c));
        if arg.text.is_empty() {
            return Err(arg.fault("expected a number or a variable"));
        }
        if numeric {
            return arg.integer_in(range).map(Value::Const);
        }
        let index = self.variables.iter().position(|v| v == arg.text);
        match index.and_then(|i| VarIndex::try_from(i).ok()) {
            Some(index) => Ok(Value::Var(index)),
            None => {
                let near = nearest(arg.text, self.variables.iter().map(String::as_str));
                Err(arg
                    .fault(format!("`{}` is neither a number nor a variable", arg.text))
                    .help(near.map_or_else(
                        || "variables are defined before their use, by `byte_extract`".to_owned(),
                        |n| format!("did you mean `{n}`?"),
                    )))
            }
        }
    }
}
