//! A parsed signature: every option resolved, every number in range.

use std::net::IpAddr;
use std::sync::Arc;

use super::header_number::HeaderNumber;
use super::set::{SetContent, SetKind};
use super::written::{Metadata, Written};
use crate::app_layer;
use crate::base64::Base64Mode;
use crate::buffer::Buffer;
use crate::decode::DecodeEvents;
use crate::direction::Direction;
use crate::number::{Number, Place};
use crate::stream::StreamEvent;
use crate::verdict::{Action, Scope};

/// `gid:sid`, the stable name of a signature across reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignatureId {
    pub gid: u32,
    pub sid: u32,
}

/// Where a rule was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub file: Arc<str>,
    /// From 1; the line on which the rule begins.
    pub line: u32,
}

#[derive(Clone, Debug)]
pub struct Signature {
    pub id: SignatureId,
    pub rev: u32,
    pub action: Action,
    /// Of a firewall's rule: it belongs to tables of its own.
    pub firewall: Option<FirewallAction>,
    pub header: Header,
    pub message: String,
    pub class: Option<Arc<Class>>,
    /// From `priority`, else from the class, else 3.
    pub priority: u8,
    /// Each with its kind and a comma before it.
    pub references: Vec<Box<str>>,
    pub metadata: Metadata,
    pub target: Option<Target>,
    pub flow: Flow,
    /// Tests of the packet itself.
    pub packet: Vec<PacketTest>,
    /// `stream_size`
    pub stream_sizes: Vec<StreamSize>,
    /// `flow.age`, `flow.pkts`, `flow.bytes`
    pub flow_counts: Vec<FlowCountTest>,
    /// Tests of buffers, in the order written. The same buffer may stand more than once.
    pub buffers: Vec<BufferTests>,
    /// Names of byte variables, by [`VarIndex`].
    pub variables: Vec<String>,
    pub flowbits: Vec<Flowbit>,
    /// Other tests of what is kept between packets, and what is done to it; in the order written.
    pub kept_tests: Vec<KeptTest>,
    pub kept_actions: Vec<KeptAction>,
    pub tags: Vec<Tag>,
    pub events: Vec<app_layer::Event>,
    /// Tests of numbers of a transaction.
    pub numbers: Vec<NumberTest>,
    /// `decode-event`: all of them.
    pub decode_events: DecodeEvents,
    /// `app-layer-protocol`.
    pub protocols: Vec<ProtocolTest>,
    pub threshold: Option<Threshold>,
    pub noalert: bool,
    /// `bypass`: once it matched, the rest of the flow is not looked at.
    pub bypass: bool,
    /// `alert`: also what makes no record otherwise (`pass`, a firewall's rule) makes one.
    pub alert: bool,
    pub source: Source,
    /// The rule as written.
    pub text: Written,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    pub name: String,
    pub description: String,
    pub priority: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    SrcIp,
    DestIp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub protocol: Proto,
    /// Written behind the protocol: when the rule is asked.
    pub hook: Option<Hook>,
    pub src: Arc<Addresses>,
    pub src_ports: Arc<Ports>,
    /// `<>` instead of `->`.
    pub bidirectional: bool,
    /// `=>`: both directions of a transaction, from the client to the server.
    pub transactional: bool,
    pub dst: Arc<Addresses>,
    pub dst_ports: Arc<Ports>,
}

/// The protocol word of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proto {
    Ip,
    Ipv4,
    Ipv6,
    Tcp,
    /// `tcp-pkt`: payload of each packet only.
    TcpPacket,
    /// `tcp-stream`: reassembled bytes only.
    TcpStream,
    Udp,
    Icmp,
    Icmp4,
    Icmp6,
    /// Flows of an application protocol.
    App(app_layer::Protocol),
    /// `pkthdr`: any packet, also one whose headers cannot be read.
    PacketHeader,
}

/// What a firewall's rule does besides its action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirewallAction {
    pub scope: ActionScope,
    /// `pass` behind it: other rules are not held against so much, if it is accepted.
    pub pass: Option<Scope>,
}

/// How far an action of a firewall's rule reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionScope {
    /// What is asked at this hook; the next ones are asked too.
    Hook,
    /// The transaction.
    Tx,
    Packet,
    Flow,
}

impl ActionScope {
    pub const ALL: [(&str, Self); 4] = [
        ("hook", Self::Hook),
        ("tx", Self::Tx),
        ("packet", Self::Packet),
        ("flow", Self::Flow),
    ];
}

/// When a rule is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    Packet(PacketHook),
    App(AppHook),
}

/// When a packet is held against a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketHook {
    All,
    /// The first of each direction of a flow.
    FlowStart,
    /// Before its flow is looked up.
    PreFlow,
    /// Before its stream is told of it.
    PreStream,
}

impl PacketHook {
    pub const ALL: [(&str, Self); 4] = [
        ("all", Self::All),
        ("flow_start", Self::FlowStart),
        ("pre_flow", Self::PreFlow),
        ("pre_stream", Self::PreStream),
    ];
}

/// A state of a transaction, of those of [`app_layer::hooks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppHook {
    pub direction: crate::direction::Direction,
    /// Its place among the states of its direction.
    pub place: u8,
    /// The progress of the transaction that it waits for.
    pub progress: u8,
    /// `<`: a firewall accepts the states before it as well.
    pub and_before: bool,
}

/// Addresses with variables resolved. Empty `include` means any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Addresses {
    pub include: Vec<IpRange>,
    pub exclude: Vec<IpRange>,
}

impl Addresses {
    pub fn contains(&self, address: IpAddr) -> bool {
        let inside = |ranges: &[IpRange]| ranges.iter().any(|r| r.contains(address));
        (self.include.is_empty() || inside(&self.include)) && !inside(&self.exclude)
    }
}

/// An inclusive range; both ends of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpRange {
    pub first: IpAddr,
    pub last: IpAddr,
}

impl IpRange {
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }
}

/// Sorted, disjoint, inclusive ranges; negation already applied. The full range means any.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ports(pub Vec<(u16, u16)>);

/// `flow`, with nothing set meaning any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    pub direction: Option<Direction>,
    pub established: Option<bool>,
    pub stateless: bool,
    /// `only_stream` (true) or `no_stream` (false).
    pub stream: Option<bool>,
    pub only_frag: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PacketTest {
    /// `dsize`
    PayloadLength(Range),
    /// `ttl`, `seq`, `itype` and the like.
    Number(HeaderNumber, Range),
    /// `tcp.flags`
    TcpFlags(BitsTest),
    /// `fragbits`, of the upper three bits of the byte that holds them.
    FragmentBits(BitsTest),
    /// `vlan.id`
    VlanId(VlanTest),
    /// `sameip`
    SameAddress,
    /// `ipopts`: the IPv4 header has an option of this type; `None`: of any.
    IpOption(Option<u8>),
    /// `stream-event`
    StreamEvent(StreamEvent),
}

/// A test of the ids of a packet's VLAN tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanTest {
    pub range: Range,
    pub layers: VlanLayers,
}

/// Of which tags; the outermost comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VlanLayers {
    Any,
    All,
    One(u8),
    /// From the innermost.
    FromLast(u8),
}

/// A test of flag bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitsTest {
    pub bits: u8,
    /// Taken out before the test.
    pub ignored: u8,
    pub mode: BitsMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitsMode {
    /// These bits and no others.
    Exactly,
    /// `+`: these bits, and perhaps others.
    All,
    /// `*`
    Any,
    /// `!`: not all of these bits.
    NotAll,
}

impl BitsTest {
    pub const fn matches(&self, value: u8) -> bool {
        let value = value & !self.ignored;
        match self.mode {
            BitsMode::Exactly => value == self.bits,
            BitsMode::All => value & self.bits == self.bits,
            BitsMode::Any => value & self.bits != 0,
            BitsMode::NotAll => value & self.bits != self.bits,
        }
    }
}

/// A test of a number that a parser read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberTest {
    pub number: Number,
    pub place: Place,
    pub condition: NumberCondition,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberCondition {
    Range(Range),
    /// Within one of these, both ends included.
    OneOf(Box<[(u64, u64)]>),
    /// Of the bits of `mask`: these and no others (or, `negated`, anything else).
    Bits {
        mask: u64,
        value: u64,
        negated: bool,
    },
    /// An IPv4 address that is not the client's.
    NotClient,
    /// Seconds since 1970 that are over.
    Past {
        negated: bool,
    },
    /// Seconds since 1970 that are to come.
    Future {
        negated: bool,
    },
}

impl NumberCondition {
    /// `now`: seconds since 1970. `client`: of the flow.
    pub fn matches(&self, n: u64, now: u64, client: IpAddr) -> bool {
        match self {
            Self::NotClient => match client {
                IpAddr::V4(client) => n != u64::from(client.to_bits()),
                IpAddr::V6(_) => true,
            },
            Self::Past { negated } => (n < now) != *negated,
            Self::Future { negated } => (n > now) != *negated,
            Self::Range(range) => range.contains(n),
            Self::OneOf(ranges) => ranges
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&n)),
            Self::Bits {
                mask,
                value,
                negated,
            } => (n & mask == *value) != *negated,
        }
    }
}

/// `stream_size`: sequence numbers that an end has used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSize {
    pub whose: StreamSide,
    pub size: Range,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamSide {
    Client,
    Server,
    Both,
    Either,
}

impl StreamSize {
    /// `sizes`: of what the client and what the server sent.
    pub const fn matches(&self, [client, server]: [u64; 2]) -> bool {
        let (client, server) = (self.size.contains(client), self.size.contains(server));
        match self.whose {
            StreamSide::Client => client,
            StreamSide::Server => server,
            StreamSide::Both => client && server,
            StreamSide::Either => client || server,
        }
    }
}

/// `flow.age`, `flow.pkts`, `flow.bytes`: what was counted of the flow, the packet in hand included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowCountTest {
    pub count: FlowCount,
    pub range: Range,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowCount {
    /// Seconds since the first packet.
    Age,
    Packets(FlowEnds),
    /// Of IP datagrams, with their headers.
    Bytes(FlowEnds),
}

/// Which of the two directions of a flow must fulfil a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowEnds {
    One(Direction),
    Either,
    Both,
}

/// An inclusive or exclusive numeric condition, normalised to an inclusive range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub min: u64,
    pub max: u64,
    pub negated: bool,
}

impl Range {
    pub const fn contains(&self, n: u64) -> bool {
        (self.min <= n && n <= self.max) != self.negated
    }
}

/// The tests written behind one sticky buffer.
#[derive(Clone, Debug)]
pub struct BufferTests {
    pub buffer: Buffer,
    /// Applied to the buffer's bytes, in order, before the tests.
    pub transforms: Vec<Transform>,
    pub absent: Option<Absent>,
    pub tests: Vec<Test>,
}

/// `absent`: what it means that a transaction does not have the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// That alone fulfils the rule, and there are no tests.
    Only,
    /// It fulfils the rule as the tests do.
    OrElse,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transform {
    ToLowercase,
    ToUppercase,
    StripWhitespace,
    CompressWhitespace,
    UrlDecode,
    DotPrefix,
    HeaderLowercase,
    StripPseudoHeaders,
    Domain,
    Tld,
    ToMd5,
    ToSha1,
    ToSha256,
    /// With these bytes, over and over; never empty.
    Xor(Vec<u8>),
    FromBase64 {
        /// Encoded bytes to read at most.
        bytes: Option<u32>,
        offset: u32,
        mode: Base64Mode,
    },
    /// Up to so many bytes.
    Gunzip(u32),
    ZlibDeflate(u32),
    Subslice {
        /// From the end where negative.
        offset: i32,
        /// From the end where negative; `None`: all that is left.
        length: Option<i32>,
        /// What is not there is left out; else nothing is left where not all is there.
        truncate: bool,
    },
    /// What the first group of the expression takes.
    Capture(Pcre),
    Reveal(Disguise),
}

/// What hides a text from a filter and not from the program that it is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disguise {
    Escapes,
    Base64Runs,
    Lookups,
    Sql,
    Shell,
    Xml,
}

impl Disguise {
    pub const ALL: [Self; 6] = [
        Self::Escapes,
        Self::Base64Runs,
        Self::Lookups,
        Self::Sql,
        Self::Shell,
        Self::Xml,
    ];
}

#[derive(Clone, Debug)]
pub enum Test {
    Content(Content),
    Pcre(Pcre),
    ByteTest(ByteTest),
    ByteJump(ByteJump),
    ByteExtract(ByteExtract),
    ByteMath(ByteMath),
    IsDataAt(IsDataAt),
    Base64Decode(Base64Decode),
    Entropy(Entropy),
    Asn1(Asn1),
    Dataset(DatasetTest),
    /// `bsize`, and `urilen` on its buffer: length of the whole buffer.
    Size(Range),
}

impl Test {
    /// Whether it counts from the match before it.
    pub const fn is_relative(&self) -> bool {
        match self {
            Self::Content(c) => c.is_relative(),
            Self::Pcre(p) => p.relative,
            Self::ByteTest(t) => t.format.relative,
            Self::ByteJump(j) => j.format.relative,
            Self::ByteExtract(x) => x.format.relative,
            Self::ByteMath(m) => m.format.relative,
            Self::IsDataAt(d) => d.relative,
            Self::Base64Decode(d) => d.relative,
            Self::Asn1(a) => a.relative,
            Self::Size(_) | Self::Entropy(_) | Self::Dataset(_) => false,
        }
    }
}

/// An index into [`Signature::variables`].
pub type VarIndex = u8;

/// A number written in the rule, or a byte variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    Const(i64),
    Var(VarIndex),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub pattern: Vec<u8>,
    pub negated: bool,
    pub nocase: bool,
    /// From the start of the buffer.
    pub offset: Option<Value>,
    pub depth: Option<Value>,
    /// From the end of the match before.
    pub distance: Option<Value>,
    pub within: Option<Value>,
    pub startswith: bool,
    pub endswith: bool,
    pub fast_pattern: FastPattern,
}

impl Content {
    pub const fn is_relative(&self) -> bool {
        self.distance.is_some() || self.within.is_some()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FastPattern {
    #[default]
    Auto,
    /// `fast_pattern`
    Chosen,
    /// `fast_pattern:only`
    Only,
    /// `fast_pattern:OFFSET,LENGTH`
    Chop { offset: u16, length: u16 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pcre {
    /// Written for the engine that runs it, complete in itself: caseless, multi-line, dot-all,
    /// extended, ungreedy, anchoring and the meaning of `$` are all in the text, so that setting
    /// them again does no harm. For `regex`, to be compiled with `unicode(false)`; PCRE2 reads
    /// that text the same way.
    pub pattern: String,
    pub negated: bool,
    pub relative: bool,
    pub caseless: bool,
    pub multi_line: bool,
    pub dot_all: bool,
    pub extended: bool,
    pub anchored: bool,
    pub dollar_end_only: bool,
    pub ungreedy: bool,
    /// `regex` does not read it, reads it differently, or would need a huge automaton; `pcre2`
    /// takes it. Known since the parser has tried.
    pub needs_pcre2: bool,
    /// Groups that set variables.
    pub captures: Vec<PcreCapture>,
}

/// What becomes of what a group of an expression takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcreCapture {
    /// From 1.
    pub group: u8,
    pub scope: CaptureScope,
    pub name: String,
}

/// How long a captured text is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CaptureScope {
    /// `flow:`: with the flow; `flowvar` asks for it.
    Flow,
    /// `pkt:`: while the packet is inspected; `pktvar` asks for it.
    Packet,
    /// `alert:`: in the record of this match alone.
    Alert,
}

impl CaptureScope {
    pub const ALL: [Self; 3] = [Self::Flow, Self::Packet, Self::Alert];

    /// As rules write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Packet => "pkt",
            Self::Alert => "alert",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    Big,
    Little,
    /// `dce`: as the sender of a DCE/RPC message writes.
    Sender,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberBase {
    Hex,
    Decimal,
    Octal,
}

/// How a number is read out of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    /// 0 if a variable tells; with `string`, 0 means as many digits as there are.
    pub bytes: u8,
    pub endian: Endian,
    /// Digits in this base (`string`), else binary.
    pub string: Option<NumberBase>,
    pub relative: bool,
    /// `bitmask`, with the result shifted down by its trailing zeros.
    pub mask: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Less,
    Greater,
    Equal,
    LessOrEqual,
    GreaterOrEqual,
    /// `&`
    BitAnd,
    /// `^`: as in Suricata, whether the exclusive or with the value is not zero.
    BitOr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteTest {
    pub format: NumberFormat,
    /// Bytes to read may come from a variable.
    pub bytes: Value,
    pub negated: bool,
    pub comparison: Comparison,
    pub value: Value,
    pub offset: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteJump {
    pub format: NumberFormat,
    pub bytes: Value,
    pub offset: Value,
    pub multiplier: u32,
    pub post_offset: Value,
    pub align: bool,
    pub from_beginning: bool,
    pub from_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteExtract {
    pub format: NumberFormat,
    pub offset: i32,
    pub variable: VarIndex,
    pub multiplier: u32,
    /// 2 or 4.
    pub align: Option<u8>,
}

/// `byte_math`: a number in the buffer and another one give a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteMath {
    pub format: NumberFormat,
    pub bytes: Value,
    pub offset: Value,
    pub operator: MathOperator,
    pub operand: Value,
    pub variable: VarIndex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MathOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
    ShiftLeft,
    ShiftRight,
}

/// `asn1`: what is wrong about an encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asn1 {
    pub bit_string_overflow: bool,
    pub double_overflow: bool,
    pub oversize_length: Option<u32>,
    pub offset: i32,
    pub relative: bool,
}

/// `entropy`: how evenly byte values are spread, from 0 to 8 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entropy {
    pub offset: u32,
    /// `None`: all that are there.
    pub bytes: Option<u32>,
    pub comparison: EntropyComparison,
    pub value: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntropyComparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsDataAt {
    pub position: Value,
    pub negated: bool,
    pub relative: bool,
}

/// `base64_decode`; what it decodes is looked at by the tests behind [`Buffer::Base64Data`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base64Decode {
    /// Encoded bytes to read at most.
    pub bytes: Option<u32>,
    pub offset: u32,
    pub relative: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flowbit {
    pub command: FlowbitCommand,
    /// More than one for `isset,a|b`: any of them.
    pub names: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowbitCommand {
    Set,
    Unset,
    Toggle,
    IsSet,
    IsNotSet,
}

/// Asks for what is kept of flows, hosts and transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptTest {
    /// `xbits:isset` and `hostbits:isset`: any of them.
    Bit {
        names: Vec<String>,
        track: BitTrack,
        set: bool,
    },
    /// `flowint` with a comparison; a number that was never set fulfils none.
    Number {
        name: String,
        comparison: IntComparison,
        value: IntValue,
    },
    NumberIsSet {
        name: String,
        set: bool,
    },
    /// `flowvar`: the text holds these bytes. `pktvar`: it is these bytes.
    Text {
        scope: CaptureScope,
        name: String,
        bytes: Vec<u8>,
    },
    /// `iprep`
    Reputation {
        who: ReputationOf,
        category: u8,
        condition: ReputationCondition,
    },
}

/// What a rule that matches does to what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptAction {
    Bit {
        name: String,
        track: BitTrack,
        command: BitCommand,
        /// Seconds; a bit of a transaction goes with it.
        expire: u32,
    },
    Number {
        name: String,
        operator: IntOperator,
        value: IntValue,
    },
}

/// Whose bit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BitTrack {
    Source,
    Destination,
    Pair,
    Transaction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitCommand {
    Set,
    Unset,
    Toggle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntComparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl IntComparison {
    pub const fn holds(self, a: u64, b: u64) -> bool {
        match self {
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
            Self::Equal => a == b,
            Self::NotEqual => a != b,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntOperator {
    Set,
    Add,
    Subtract,
}

/// A number, or another number of the flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntValue {
    Const(u32),
    Named(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReputationOf {
    Any,
    Source,
    Destination,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReputationCondition {
    Is(IntComparison, u8),
    IsSet(bool),
}

/// `tag`: which packets are logged from a match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    pub of: TagOf,
    pub until: TagUntil,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagOf {
    Flow,
    Source,
    Destination,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagUntil {
    Packets(u32),
    Bytes(u32),
    Seconds(u32),
}

/// `dataset` and `datarep`: the whole buffer, looked up in a set.
#[derive(Clone, Debug)]
pub struct DatasetTest {
    pub set: SetDefinition,
    pub command: SetCommand,
    /// The name under which what the set knows of the value is shown in the alert.
    pub context: Option<String>,
}

/// A set, as far as one rule says.
#[derive(Clone, Debug)]
pub struct SetDefinition {
    pub name: String,
    pub kind: SetKind,
    /// What it holds at first; `None`: this rule does not say, or nothing.
    pub content: Option<Arc<SetContent>>,
    /// Most bytes of memory that it may take.
    pub memory_bytes: usize,
    /// The file that it is kept in, by its name in the folder for such files.
    pub kept_in: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetCommand {
    /// Matches where the value was not there before.
    Set,
    /// Matches where the value was there before.
    Unset,
    IsSet,
    IsNotSet,
    Score(IntComparison, u16),
}

impl SetCommand {
    /// Whether the set changes.
    pub const fn changes(self) -> bool {
        matches!(self, Self::Set | Self::Unset)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolTest {
    pub protocol: app_layer::Protocol,
    pub negated: bool,
    pub mode: ProtocolMode,
}

/// Which protocol of a flow is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolMode {
    /// The one spoken.
    Final,
    /// The one spoken before another took over, as HTTP/1 before WebSocket.
    Original,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    pub kind: ThresholdKind,
    pub track: Track,
    pub count: u32,
    /// Zero where `multiplier` bounds the alerts.
    pub seconds: u32,
    /// `backoff`: the next alert comes at so many times the count of the last.
    pub multiplier: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThresholdKind {
    /// Alert on every `count`-th match within the window.
    Threshold,
    /// Alert on the first `count` matches within the window.
    Limit,
    /// Once per window, after `count` matches.
    Both,
    /// On match `count`, and then each time the count has grown `multiplier` times.
    Backoff,
    /// `detection_filter`: on each match after `count` of them within the window.
    Filter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    BySrc,
    ByDst,
    ByBoth,
    ByRule,
    ByFlow,
}
