//! Traffic written in one line, and the frames that it becomes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use etherparse::{
    IpNumber, Ipv4Header, Ipv4Options, Ipv6Header, PacketBuilder, PacketBuilderStep, TcpHeader,
    TcpOptionElement, ip_number,
};

#[derive(Debug, Default)]
pub struct Traffic {
    pub packets: Vec<Packet>,
}

#[derive(Debug)]
pub struct Packet {
    pub at: Duration,
    /// An Ethernet frame.
    pub bytes: Vec<u8>,
}

type Result<T> = std::result::Result<T, String>;

/// Names inside of names are resolved so deep.
const MAX_DEPTH: usize = 8;

/// Reads flows with `;` between them. `named` are the definitions of the file.
pub fn read(text: &str, named: &HashMap<String, String>) -> Result<Traffic> {
    let mut reader = Reader {
        now: Duration::ZERO,
        flows: 0,
        traffic: Traffic::default(),
    };
    for flow in tokens(text)?.split(|t| *t == Token::Word(";".to_owned())) {
        let flow = resolve(flow.to_vec(), named, 0)?;
        // A definition may hold several flows itself.
        for flow in flow.split(|t| *t == Token::Word(";".to_owned())) {
            reader.flow(flow)?;
        }
    }
    Ok(reader.traffic)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Bytes(Vec<u8>),
}

/// Words between spaces; bytes in double quotes, perhaps with `*TIMES` behind them.
fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (mut bytes, behind) = bytes(quoted)?;
            rest = behind;
            if let Some(times) = rest.strip_prefix('*') {
                let end = times
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(times.len());
                let (digits, behind) = times.split_at(end);
                let times: usize = digits.parse().map_err(|_| "how many times?".to_owned())?;
                bytes = bytes.repeat(times);
                rest = behind;
            }
            found.push(Token::Bytes(bytes));
        } else {
            let end = rest
                .find(|c: char| c.is_whitespace() || c == '"')
                .unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            found.push(Token::Word(word.to_owned()));
            rest = behind;
        }
        rest = rest.trim_start();
    }
    Ok(found)
}

/// Text up to the closing quote: `\r`, `\n`, `\t`, `\0`, `\\`, `\"`, `\|` and `|hex|`.
fn bytes(text: &str) -> Result<(Vec<u8>, &str)> {
    let mut found = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((found, &text[at + 1..])),
            '\\' => found.push(match chars.next() {
                Some((_, 'r')) => b'\r',
                Some((_, 'n')) => b'\n',
                Some((_, 't')) => b'\t',
                Some((_, '0')) => 0,
                Some((_, c @ ('\\' | '"' | '|'))) => c as u8,
                other => return Err(format!("unknown escape {other:?}")),
            }),
            '|' => {
                let inner = &text[at + 1..];
                let end = inner
                    .find('|')
                    .ok_or("no `|` closes the hexadecimal bytes")?;
                let digits: Vec<u8> = inner[..end].bytes().filter(|b| *b != b' ').collect();
                if digits.len() % 2 == 1 {
                    return Err(format!("`{}` lacks half a byte", &inner[..end]));
                }
                for pair in digits.chunks(2) {
                    let pair = std::str::from_utf8(pair).map_err(|e| e.to_string())?;
                    let byte = u8::from_str_radix(pair, 16).map_err(|e| format!("{pair}: {e}"))?;
                    found.push(byte);
                }
                while chars.next().is_some_and(|(to, _)| to < at + 1 + end) {}
            }
            c => found.extend(c.to_string().bytes()),
        }
    }
    Err("no closing quote".to_owned())
}

/// Puts the definition in the place of a name that begins a flow, and its arguments into it.
fn resolve(flow: Vec<Token>, named: &HashMap<String, String>, depth: usize) -> Result<Vec<Token>> {
    let Some(Token::Word(first)) = flow.first() else {
        return Ok(flow);
    };
    let Some(definition) = named.get(first) else {
        return Ok(flow);
    };
    if depth > MAX_DEPTH {
        return Err(format!("`{first}` is defined by itself"));
    }
    let arguments: Vec<Vec<u8>> = flow[1..]
        .iter()
        .map(|token| match token {
            Token::Word(word) => word.clone().into_bytes(),
            Token::Bytes(bytes) => bytes.clone(),
        })
        .collect();
    let mut used = 0;
    let mut put = |text: &[u8]| {
        let mut out = Vec::new();
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            let digit = text
                .get(at + 1)
                .filter(|d| byte == b'$' && d.is_ascii_digit());
            match digit {
                Some(digit) => {
                    let number = usize::from(digit - b'0');
                    used = used.max(number);
                    out.extend_from_slice(arguments.get(number.wrapping_sub(1)).map_or(&[], |a| a));
                    at += 2;
                }
                None => {
                    out.push(byte);
                    at += 1;
                }
            }
        }
        out
    };
    let mut resolved = Vec::new();
    for token in tokens(definition)? {
        resolved.push(match token {
            Token::Word(word) => Token::Word(String::from_utf8(put(word.as_bytes())).unwrap()),
            Token::Bytes(bytes) => Token::Bytes(put(&bytes)),
        });
    }
    // What the definition does not ask for goes on behind it.
    resolved.extend(flow.into_iter().skip(1 + used));
    resolve(resolved, named, depth + 1)
}

/// What is said of all packets of a flow.
#[derive(Clone, Debug)]
struct Settings {
    client: IpAddr,
    server: IpAddr,
    client_port: u16,
    ttl: u8,
    tos: u8,
    id: u16,
    fragment_bits: String,
    options: Vec<u8>,
    vlan: Vec<u16>,
    flags: Option<String>,
    seq: u32,
    ack: u32,
    window: u16,
    mss: Option<u16>,
    wscale: Option<u8>,
    /// The connection has no end.
    open: bool,
    /// ICMP.
    kind: u8,
    code: u8,
    /// IANA number of the payload's protocol.
    protocol: u8,
}

struct Reader {
    now: Duration,
    flows: u16,
    traffic: Traffic,
}

impl Reader {
    fn flow(&mut self, tokens: &[Token]) -> Result<()> {
        let mut tokens = tokens.iter().peekable();
        let word = |token: Option<&Token>| match token {
            Some(Token::Word(word)) => Ok(word.clone()),
            other => Err(format!("a word was expected, not {other:?}")),
        };
        let transport = word(tokens.next())?;
        if transport == "wait" {
            let seconds = word(tokens.next())?;
            let seconds = seconds.parse().map_err(|_| format!("wait {seconds}?"))?;
            self.now += Duration::from_secs(seconds);
            return Ok(());
        }
        self.flows += 1;
        let port = match transport.as_str() {
            "tcp" | "udp" => {
                let port = word(tokens.next())?;
                port.parse().map_err(|_| format!("`{port}` is no port"))?
            }
            "icmp" | "icmp6" | "ip" | "frame" => 0,
            other => return Err(format!("`{other}` is neither a name nor a transport")),
        };
        let mut settings = Settings {
            client: "198.51.100.23".parse().unwrap(),
            server: "10.20.30.40".parse().unwrap(),
            client_port: 40_000 + self.flows,
            ttl: 64,
            tos: 0,
            id: 0x1234,
            fragment_bits: "D".to_owned(),
            options: Vec::new(),
            vlan: Vec::new(),
            flags: None,
            seq: 1_000,
            ack: 0,
            window: 60_000,
            mss: None,
            wscale: None,
            open: false,
            kind: 8,
            code: 0,
            protocol: 253,
        };
        while let Some(Token::Word(word)) = tokens.peek() {
            let word = word.clone();
            if !matches!(word.as_str(), "v6" | "open") && !word.contains('=') {
                break;
            }
            tokens.next();
            let bytes = match tokens.peek() {
                Some(Token::Bytes(bytes)) if word.ends_with('=') => {
                    let bytes = bytes.clone();
                    tokens.next();
                    Some(bytes)
                }
                _ => None,
            };
            settings.set(&word, bytes)?;
        }
        let mut steps = Vec::new();
        while let Some(token) = tokens.next() {
            let step = word(Some(token))?;
            if step == "wait" {
                let seconds = word(tokens.next())?;
                let seconds = seconds.parse().map_err(|_| format!("wait {seconds}?"))?;
                steps.push(Step::Wait(seconds));
                continue;
            }
            if !matches!(step.as_str(), ">" | "<")
                || !matches!(tokens.peek(), Some(Token::Bytes(_)))
            {
                return Err(format!(
                    "`{step}` is no step: `> \"bytes\"`, `< \"bytes\"` or `wait SECONDS`"
                ));
            }
            let mut message = Vec::new();
            // Pieces side by side are one message.
            while let Some(Token::Bytes(bytes)) = tokens.peek() {
                message.extend_from_slice(bytes);
                tokens.next();
            }
            steps.push(Step::Sent(step == "<", message));
        }
        match transport.as_str() {
            "tcp" if settings.flags.is_none() => self.connection(&settings, port, &steps),
            _ => self.datagrams(&transport, &settings, port, &steps),
        }
        Ok(())
    }

    fn push(&mut self, settings: &Settings, datagram: Vec<u8>) {
        let version = datagram.first().map_or(0, |b| b >> 4);
        let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
        for id in &settings.vlan {
            bytes.extend([0x81, 0x00]);
            bytes.extend(id.to_be_bytes());
        }
        bytes.extend(if version == 6 {
            [0x86, 0xdd]
        } else {
            [0x08, 0x00]
        });
        bytes.extend(datagram);
        self.now += Duration::from_millis(1);
        self.traffic.packets.push(Packet {
            at: self.now,
            bytes,
        });
    }

    /// A whole connection: handshake, messages with their ACKs, FINs.
    fn connection(&mut self, settings: &Settings, port: u16, steps: &[Step]) {
        let mut next = [settings.seq, 5_000];
        let mut segment = |reader: &mut Self, from: usize, flags: &str, payload: &[u8]| {
            let ack = next[1 - from];
            let mut tcp = TcpHeader::new(0, 0, next[from], settings.window);
            set_flags(&mut tcp, flags);
            tcp.acknowledgment_number = if tcp.ack { ack } else { 0 };
            if tcp.syn {
                let mss = settings.mss.map(TcpOptionElement::MaximumSegmentSize);
                let scale = settings.wscale.map(TcpOptionElement::WindowScale);
                let options: Vec<_> = mss.into_iter().chain(scale).collect();
                tcp.set_options(&options).unwrap();
            }
            let counted = u32::from(tcp.syn) + u32::from(tcp.fin) + payload.len() as u32;
            next[from] = next[from].wrapping_add(counted);
            let datagram = settings.tcp(from == 1, port, tcp, payload);
            reader.push(settings, datagram);
        };
        segment(self, 0, "S", b"");
        segment(self, 1, "SA", b"");
        segment(self, 0, "A", b"");
        for step in steps {
            match step {
                Step::Wait(seconds) => self.now += Duration::from_secs(*seconds),
                Step::Sent(server, bytes) => {
                    let from = usize::from(*server);
                    for part in bytes.chunks(1_400) {
                        segment(self, from, "PA", part);
                        segment(self, 1 - from, "A", b"");
                    }
                }
            }
        }
        if settings.open {
            return;
        }
        segment(self, 0, "FA", b"");
        segment(self, 1, "FA", b"");
        segment(self, 0, "A", b"");
    }

    fn datagrams(&mut self, transport: &str, settings: &Settings, port: u16, steps: &[Step]) {
        for step in steps {
            let (server, payload) = match step {
                Step::Wait(seconds) => {
                    self.now += Duration::from_secs(*seconds);
                    continue;
                }
                Step::Sent(server, payload) => (*server, payload),
            };
            let datagram = match transport {
                "tcp" => {
                    let mut tcp = TcpHeader::new(0, 0, settings.seq, settings.window);
                    set_flags(&mut tcp, settings.flags.as_deref().unwrap_or(""));
                    tcp.acknowledgment_number = settings.ack;
                    settings.tcp(server, port, tcp, payload)
                }
                "udp" => settings.udp(server, port, payload),
                "frame" => {
                    self.now += Duration::from_millis(1);
                    self.traffic.packets.push(Packet {
                        at: self.now,
                        bytes: payload.clone(),
                    });
                    continue;
                }
                "icmp" => settings.icmp(server, ip_number::ICMP, payload),
                "icmp6" => settings.icmp(server, ip_number::IPV6_ICMP, payload),
                _ => settings.other(server, IpNumber(settings.protocol), payload),
            };
            self.push(settings, datagram);
        }
    }
}

#[derive(Debug)]
enum Step {
    /// Whether by the server, and what.
    Sent(bool, Vec<u8>),
    Wait(u64),
}

fn set_flags(tcp: &mut TcpHeader, flags: &str) {
    for flag in flags.chars() {
        match flag {
            'F' => tcp.fin = true,
            'S' => tcp.syn = true,
            'R' => tcp.rst = true,
            'P' => tcp.psh = true,
            'A' => tcp.ack = true,
            'U' => tcp.urg = true,
            'E' => tcp.ece = true,
            'C' => tcp.cwr = true,
            other => panic!("`{other}` is no flag of TCP"),
        }
    }
}

impl Settings {
    fn set(&mut self, word: &str, bytes: Option<Vec<u8>>) -> Result<()> {
        if word == "v6" {
            self.client = "2001:db8:1::23".parse().unwrap();
            self.server = "2001:db8:2::40".parse().unwrap();
            return Ok(());
        }
        if word == "open" {
            self.open = true;
            return Ok(());
        }
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let wrong = |e: &dyn std::fmt::Display| format!("{word}: {e}");
        macro_rules! number {
            () => {
                value.parse().map_err(|e| wrong(&e))?
            };
        }
        match key {
            "from" => self.client = number!(),
            "to" => self.server = number!(),
            "port" => self.client_port = number!(),
            "ttl" => self.ttl = number!(),
            "tos" => self.tos = number!(),
            "id" => self.id = number!(),
            "bits" => self.fragment_bits = value.to_owned(),
            "options" => self.options = bytes.ok_or_else(|| wrong(&"bytes are missing"))?,
            "vlan" => {
                let ids = value.split(',').map(str::parse);
                self.vlan = ids
                    .collect::<std::result::Result<_, _>>()
                    .map_err(|e| wrong(&e))?;
            }
            "flags" => self.flags = Some(value.to_owned()),
            "seq" => self.seq = number!(),
            "ack" => self.ack = number!(),
            "window" => self.window = number!(),
            "mss" => self.mss = Some(number!()),
            "wscale" => self.wscale = Some(number!()),
            "type" => self.kind = number!(),
            "code" => self.code = number!(),
            "proto" => self.protocol = number!(),
            _ => return Err(wrong(&"no such setting")),
        }
        Ok(())
    }

    fn ip(&self, server: bool) -> PacketBuilderStep<etherparse::IpHeaders> {
        let (src, dst) = if server {
            (self.server, self.client)
        } else {
            (self.client, self.server)
        };
        let headers = match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let mut header = Ipv4Header {
                    time_to_live: self.ttl,
                    identification: self.id,
                    dont_fragment: self.fragment_bits.contains('D'),
                    more_fragments: self.fragment_bits.contains('M'),
                    source: src.octets(),
                    destination: dst.octets(),
                    options: Ipv4Options::try_from(self.options.as_slice()).unwrap(),
                    ..Ipv4Header::default()
                };
                header.dscp = (self.tos >> 2).try_into().unwrap();
                header.ecn = (self.tos & 3).try_into().unwrap();
                etherparse::IpHeaders::Ipv4(header, Default::default())
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => etherparse::IpHeaders::Ipv6(
                Ipv6Header {
                    traffic_class: self.tos,
                    hop_limit: self.ttl,
                    source: src.octets(),
                    destination: dst.octets(),
                    ..Ipv6Header::default()
                },
                Default::default(),
            ),
            _ => panic!("both ends are of one IP version"),
        };
        PacketBuilder::ip(headers)
    }

    fn ports(&self, server: bool, port: u16) -> (u16, u16) {
        if server {
            (port, self.client_port)
        } else {
            (self.client_port, port)
        }
    }

    fn tcp(&self, server: bool, port: u16, mut tcp: TcpHeader, payload: &[u8]) -> Vec<u8> {
        (tcp.source_port, tcp.destination_port) = self.ports(server, port);
        let mut out = Vec::new();
        self.ip(server)
            .tcp_header(tcp)
            .write(&mut out, payload)
            .unwrap();
        out
    }

    fn udp(&self, server: bool, port: u16, payload: &[u8]) -> Vec<u8> {
        let (src, dst) = self.ports(server, port);
        let mut out = Vec::new();
        self.ip(server)
            .udp(src, dst)
            .write(&mut out, payload)
            .unwrap();
        out
    }

    /// Type and code before the payload, which begins with the header's other bytes.
    fn icmp(&self, server: bool, protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
        let mut message = vec![self.kind, self.code, 0, 0];
        message.extend(payload);
        self.other(server, protocol, &message)
    }

    fn other(&self, server: bool, protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.ip(server).write(&mut out, protocol, payload).unwrap();
        out
    }
}
