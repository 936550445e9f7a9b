//! What a rule's parts say about each other: faults, and what is odd.

use super::ast::{BufferTests, Content, Header, Hook, PacketTest, Proto, Test, Transform};
use super::draft::Draft;
use super::lex::{Arg, Fault, Statement};
use crate::buffer::{Buffer, Owner};
use crate::direction::Direction;
use crate::protocol::Protocol;

/// Shortest content that is worth looking for first, in bytes.
const USABLE_PATTERN: usize = 2;

/// Checks a rule after its last option: a fault if it cannot be meant, warnings otherwise.
pub(super) fn check(
    draft: &mut Draft<'_>,
    header: &Header,
    statement: &Statement<'_>,
) -> Result<(), Fault> {
    protocol_has_buffers(draft, header, statement)?;
    oddities_stand_alone(draft, header, statement)?;
    packet_and_transaction(draft, statement)?;
    hook_has_what_is_asked(draft, header, statement)?;
    whole_transaction(draft, header, statement)?;
    frames_stand_alone(draft, header, statement)?;
    base64_belongs_together(draft, statement)?;
    let found = [
        lacks_fast_pattern(draft, statement),
        contradicts_direction(draft, statement),
        (!header.transactional)
            .then(|| mixes_directions(draft, statement))
            .flatten(),
        contents_outgrow_payload(draft),
        acts_on_nothing(draft, statement),
        lacks_message(draft, statement),
    ];
    for fault in found.into_iter().flatten() {
        draft.warn(fault);
    }
    for fault in contents_that_cannot_be(draft) {
        draft.warn(fault);
    }
    Ok(())
}

/// What a firewall cannot ask when it has to decide.
pub(super) fn firewall(
    draft: &Draft<'_>,
    header: &Header,
    statement: &Statement<'_>,
) -> Result<(), Fault> {
    if draft.bypass {
        return Err(at(statement, &["bypass"])
            .fault("a firewall's rule says how far it reaches by its action")
            .help("write `accept:flow,pass:flow`"));
    }
    let of_segment = |t: &&PacketTest| matches!(t, PacketTest::StreamEvent(_));
    if draft.packet.iter().any(|t| of_segment(&t)) {
        return Err(at(statement, &["stream-event"])
            .fault("a firewall is asked before the stream is told of its packet"));
    }
    if !draft.decode_events.is_empty() {
        return Err(at(statement, &["decode-event"])
            .fault("a firewall is asked about packets that were decoded"));
    }
    let raw = draft
        .buffers
        .iter()
        .find(|g| g.buffer.owner() == Owner::Raw);
    match (header.hook, raw) {
        (Some(Hook::App(_)), Some(_)) => Err(at(statement, &["content", "pcre", "pkt_data"])
            .fault("at a state of a transaction there is no raw payload")
            .help("look into one of its buffers, such as `http.uri`")),
        _ => Ok(()),
    }
}

/// `=>` asks for something of either direction, and each buffer must tell of which.
fn whole_transaction(
    draft: &Draft<'_>,
    header: &Header,
    statement: &Statement<'_>,
) -> Result<(), Fault> {
    if !header.transactional {
        return Ok(());
    }
    if let Some(group) = draft
        .buffers
        .iter()
        .find(|g| g.buffer.direction().is_none())
    {
        return Err(written(statement, group.buffer)
            .fault("a rule with `=>` does not tell of which direction this is")
            .help("look into a buffer of one direction, such as `http.request_body`"));
    }
    if draft.flow.is_some_and(|flow| flow.direction.is_some()) {
        return Err(at(statement, &["flow"]).fault("`=>` is about both directions"));
    }
    let has = |direction| {
        draft
            .buffers
            .iter()
            .any(|g| g.buffer.direction() == Some(direction))
    };
    if Direction::BOTH.into_iter().all(has) {
        return Ok(());
    }
    Err(statement
        .header
        .fault("a rule with `=>` looks into buffers of both directions")
        .help("write `->` for a rule about one of them"))
}

/// A packet is held against a rule at its hook before a parser has read it.
fn hook_has_what_is_asked(
    draft: &Draft<'_>,
    header: &Header,
    statement: &Statement<'_>,
) -> Result<(), Fault> {
    if !matches!(header.hook, Some(Hook::Packet(_))) {
        return Ok(());
    }
    let of_transaction = |g: &&BufferTests| !matches!(g.buffer.owner(), Owner::Raw | Owner::Packet);
    if let Some(group) = draft.buffers.iter().find(of_transaction) {
        return Err(written(statement, group.buffer)
            .fault("a hook of packets comes before transactions are known"));
    }
    if !draft.events.is_empty() || !draft.numbers.is_empty() {
        return Err(statement
            .header
            .fault("a hook of packets comes before transactions are known"));
    }
    Ok(())
}

/// Frames are looked at as they come, apart from the transactions that they make up.
fn frames_stand_alone(
    draft: &Draft<'_>,
    header: &Header,
    statement: &Statement<'_>,
) -> Result<(), Fault> {
    if !draft.buffers.iter().any(|g| g.buffer.is_frame()) {
        return Ok(());
    }
    let other = draft.buffers.iter().find(|g| !g.buffer.is_frame());
    let asks_of_transaction = !draft.events.is_empty() || !draft.numbers.is_empty();
    let hooked = matches!(header.hook, Some(Hook::App(_)));
    if other.is_none() && !asks_of_transaction && !hooked {
        return Ok(());
    }
    let place = match other {
        Some(group) => written(statement, group.buffer),
        None => at(statement, &["frame"]),
    };
    Err(place
        .fault("a frame cannot be asked for together with payload or with a transaction")
        .help("make it two rules with a flowbit between them"))
}

/// Where a keyword stands, or the header if it does not.
fn at<'a>(statement: &Statement<'a>, names: &[&str]) -> Arg<'a> {
    statement
        .options
        .iter()
        .find(|o| names.contains(&o.name.text))
        .map_or(statement.header, |o| o.name)
}

fn written<'a>(statement: &Statement<'a>, buffer: Buffer) -> Arg<'a> {
    let names_it = |name: &str| match super::keywords::find(name) {
        Some(keyword) if buffer.is_frame() => keyword.name == "frame",
        known => known.and_then(|k| k.buffer()) == Some(buffer),
    };
    statement
        .options
        .iter()
        .find(|o| names_it(o.name.text))
        .map_or(statement.header, |o| o.name)
}

/// `decode-event` is asked of a packet before anything else is known of it, and `pkthdr` is for
/// nothing else.
fn oddities_stand_alone(
    draft: &Draft<'_>,
    header: &Header,
    statement: &Statement<'_>,
) -> Result<(), Fault> {
    if draft.decode_events.is_empty() {
        return match header.protocol {
            Proto::PacketHeader => Err(statement
                .header
                .fault("a rule for `pkthdr` needs a `decode-event`")
                .help("write `ip` for a rule about all packets")),
            _ => Ok(()),
        };
    }
    let keyword = at(statement, &["decode-event"]);
    let alone = draft.flow.is_none()
        && draft.packet.is_empty()
        && draft.stream_sizes.is_empty()
        && draft.flow_counts.is_empty()
        && draft.buffers.is_empty()
        && draft.flowbits.is_empty()
        && draft.kept_tests.is_empty()
        && draft.kept_actions.is_empty()
        && draft.events.is_empty()
        && draft.numbers.is_empty()
        && draft.protocols.is_empty();
    if !alone {
        return Err(keyword.fault("`decode-event` stands with no test but the rule's header"));
    }
    match header.protocol {
        Proto::App(_) | Proto::TcpStream => {
            Err(keyword.fault("`decode-event` is about packets, not about streams"))
        }
        _ => Ok(()),
    }
}

/// A buffer of a protocol that the header excludes can never be there.
fn protocol_has_buffers(
    draft: &Draft<'_>,
    header: &Header,
    statement: &Statement<'_>,
) -> Result<(), Fault> {
    let may_be = |protocol: &Protocol| match header.protocol {
        Proto::Ip | Proto::Ipv4 | Proto::Ipv6 => true,
        Proto::Tcp | Proto::TcpStream => protocol.carrier().has_streams(),
        Proto::Udp => protocol.carrier().has_datagrams(),
        Proto::App(app) => app.covers(*protocol),
        _ => false,
    };
    let some = |has: &dyn Fn(Protocol) -> bool| Protocol::ALL.iter().any(|p| may_be(p) && has(*p));
    for test in &draft.numbers {
        let number = test.number;
        if !some(&|p| number.protocol().covers(p)) {
            return Err(at(statement, &[number.as_str()]).fault(format!(
                "the protocol of this rule has no `{}`",
                number.as_str()
            )));
        }
    }
    for group in &draft.buffers {
        let owner = group.buffer.owner();
        if !matches!(owner, Owner::Raw | Owner::Packet) && !some(&|p| owner.has(p)) {
            return Err(written(statement, group.buffer).fault(format!(
                "the protocol of this rule has no `{}`",
                group.buffer.as_str()
            )));
        }
    }
    let owners = draft.buffers.iter().map(|g| (g.buffer, g.buffer.owner()));
    let owners: Vec<_> = owners
        .filter(|(_, owner)| !matches!(owner, Owner::Raw | Owner::Packet))
        .collect();
    for (at, (buffer, _)) in owners.iter().enumerate() {
        let so_far = owners.get(..=at).unwrap_or(&owners);
        if !some(&|p| so_far.iter().all(|(_, owner)| owner.has(p))) {
            let before = so_far.first().map_or("", |(b, _)| b.as_str());
            return Err(written(statement, *buffer)
                .fault(format!(
                    "no protocol has both `{before}` and `{}`",
                    buffer.as_str()
                ))
                .help("make it two rules with a flowbit between them"));
        }
    }
    Ok(())
}

/// A packet's headers are gone by the time a transaction is looked at.
fn packet_and_transaction(draft: &Draft<'_>, statement: &Statement<'_>) -> Result<(), Fault> {
    let owner = |group: &BufferTests| group.buffer.owner();
    let transaction = !draft.events.is_empty()
        || !draft.numbers.is_empty()
        || draft
            .buffers
            .iter()
            .any(|g| !matches!(owner(g), Owner::Raw | Owner::Packet));
    let header = draft
        .buffers
        .iter()
        .find(|g| owner(g) == Owner::Packet && !g.buffer.is_address());
    let of_packet = |test: &PacketTest| !matches!(test, PacketTest::PayloadLength(_));
    if !transaction || (header.is_none() && !draft.packet.iter().any(of_packet)) {
        return Ok(());
    }
    let place = header.map_or(statement.header, |g| written(statement, g.buffer));
    Err(place
        .fault("a packet's headers and a transaction cannot be asked for together in this version")
        .help("make it two rules with a flowbit between them"))
}

/// `base64_data` is what `base64_decode` gives, and nothing else.
fn base64_belongs_together(draft: &Draft<'_>, statement: &Statement<'_>) -> Result<(), Fault> {
    let decodes = draft
        .buffers
        .iter()
        .flat_map(|g| &g.tests)
        .any(|t| matches!(t, Test::Base64Decode(_)));
    for group in &draft.buffers {
        if group.buffer != Buffer::Base64Data {
            continue;
        }
        let place = written(statement, group.buffer);
        if !decodes {
            return Err(place.fault("nothing is decoded: `base64_decode` is missing"));
        }
        if !group.transforms.is_empty() {
            return Err(place.fault("transforms of `base64_data` are not read in this version"));
        }
    }
    Ok(())
}

fn lacks_fast_pattern(draft: &Draft<'_>, statement: &Statement<'_>) -> Option<Fault> {
    let expensive = draft
        .buffers
        .iter()
        .flat_map(|g| &g.tests)
        .any(|t| matches!(t, Test::Content(_) | Test::Pcre(_)));
    let usable = draft
        .contents()
        .any(|(_, c, _)| !c.negated && c.pattern.len() >= USABLE_PATTERN);
    // These are seldom fulfilled, and cheap.
    let bounded = !draft.packet.is_empty() || !draft.events.is_empty();
    if !expensive || usable || bounded {
        return None;
    }
    Some(
        at(statement, &["content", "pcre"])
            .fault("nothing to look for first: the rule is tried on all traffic of its kind")
            .help(format!(
                "add a content of {USABLE_PATTERN} bytes or more that is not negated"
            )),
    )
}

fn contradicts_direction(draft: &Draft<'_>, statement: &Statement<'_>) -> Option<Fault> {
    let asked = draft.flow?.direction?;
    let group = draft
        .buffers
        .iter()
        .find(|g| g.buffer.direction().is_some_and(|d| d != asked))?;
    Some(written(statement, group.buffer).fault(format!(
        "never matches: `{}` is not in the direction `{}`",
        group.buffer.as_str(),
        asked.as_str()
    )))
}

fn mixes_directions(draft: &Draft<'_>, statement: &Statement<'_>) -> Option<Fault> {
    let mut sided = draft
        .buffers
        .iter()
        .filter_map(|g| Some((g.buffer, g.buffer.direction()?)));
    let (first, direction) = sided.next()?;
    let (second, _) = sided.find(|(_, d)| *d != direction)?;
    Some(written(statement, second).fault(format!(
        "never matches: `{}` and `{}` belong to different directions",
        first.as_str(),
        second.as_str()
    )))
}

/// `dsize` below what the contents of the payload need.
fn contents_outgrow_payload(draft: &Draft<'_>) -> Option<Fault> {
    let most = draft.packet.iter().find_map(|t| match t {
        PacketTest::PayloadLength(r) if !r.negated => Some(r.max),
        _ => None,
    })?;
    draft
        .contents()
        .find(|(buffer, content, _)| {
            *buffer == Buffer::Payload && !content.negated && longer(content, most)
        })
        .map(|(_, _, span)| {
            Fault::new(
                span,
                format!(
                    "never matches: the content is longer than the {most} bytes that `dsize` allows"
                ),
            )
        })
}

fn longer(content: &Content, most: u64) -> bool {
    u64::try_from(content.pattern.len()).unwrap_or(u64::MAX) > most
}

/// Contents that their own buffer can never hold.
fn contents_that_cannot_be(draft: &Draft<'_>) -> Vec<Fault> {
    let positive = draft.contents().filter(|(_, c, _)| !c.negated);
    let mut found = Vec::new();
    for (buffer, content, span) in positive {
        let groups = || draft.buffers.iter().filter(move |g| g.buffer == buffer);
        let mut groups_of_one = groups();
        let (Some(group), None) = (groups_of_one.next(), groups_of_one.next()) else {
            continue;
        };
        let most = group.tests.iter().find_map(|t| match t {
            Test::Size(r) if !r.negated => Some(r.max),
            _ => None,
        });
        if let Some(most) = most
            && group.transforms.is_empty()
            && longer(content, most)
        {
            found.push(Fault::new(
                span,
                format!("never matches: the content is longer than the {most} bytes that the buffer may have"),
            ));
        }
        let lower = (buffer == Buffer::HttpHost && group.transforms.is_empty())
            || group.transforms.last() == Some(&Transform::ToLowercase);
        if lower && !content.nocase && content.pattern.iter().any(u8::is_ascii_uppercase) {
            found.push(
                Fault::new(span, "never matches: this buffer has no capital letters")
                    .help("write the content in small letters"),
            );
        }
    }
    found
}

fn acts_on_nothing(draft: &Draft<'_>, statement: &Statement<'_>) -> Option<Fault> {
    use super::ast::FlowbitCommand::{Set, Toggle, Unset};
    let acts = draft
        .flowbits
        .iter()
        .any(|f| matches!(f.command, Set | Unset | Toggle));
    let acts = acts
        || !draft.kept_actions.is_empty()
        || !draft.tags.is_empty()
        || draft.bypass
        || draft
            .buffers
            .iter()
            .flat_map(|g| &g.tests)
            .any(|t| match t {
                Test::Dataset(d) => d.command.changes(),
                Test::Pcre(p) => !p.captures.is_empty(),
                _ => false,
            });
    (draft.noalert && !acts).then(|| {
        at(statement, &["noalert", "flowbits", "xbits", "hostbits"])
            .fault("the rule neither alerts nor sets anything")
    })
}

fn lacks_message(draft: &Draft<'_>, statement: &Statement<'_>) -> Option<Fault> {
    draft
        .message
        .is_none()
        .then(|| statement.header.fault("the rule has no `msg`"))
}
