//! Addresses and ports: lists, negation, variables.
//!
//! A list is the union of its plain items, or everything if it has none, less its negated
//! items. A variable or a nested list stands for the set it describes.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::ast::{Addresses, IpRange, Ports};
use super::lex::{Arg, Fault};
use super::ranges::RangeSet;
use super::vars::{MAX_DEPTH, Variables, is_name_byte};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Addresses,
    Ports,
}

/// IPv4 and IPv6; or ports and nothing.
#[derive(Clone, Debug, Default)]
struct Planes([RangeSet; 2]);

impl Kind {
    const fn maxima(self) -> [u128; 2] {
        match self {
            Self::Addresses => [u32::MAX as u128, u128::MAX],
            Self::Ports => [u16::MAX as u128, 0],
        }
    }

    fn full(self) -> Planes {
        let [first, second] = self.maxima();
        Planes(match self {
            Self::Addresses => [RangeSet::full(first), RangeSet::full(second)],
            Self::Ports => [RangeSet::full(first), RangeSet::default()],
        })
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Addresses => "address",
            Self::Ports => "port",
        }
    }
}

impl Planes {
    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            mine.add(theirs);
        }
    }

    fn subtract(&self, other: &Self, kind: Kind) -> Self {
        let [a, b] = &self.0;
        let [x, y] = &other.0;
        let [first, second] = kind.maxima();
        Self([a.subtract(x, first), b.subtract(y, second)])
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(RangeSet::is_empty)
    }
}

/// A list before its negated items are taken away.
#[derive(Clone, Debug, Default)]
struct Sides {
    /// `None`: no plain item, so everything.
    include: Option<Planes>,
    exclude: Planes,
}

impl Sides {
    fn set(&self, kind: Kind) -> Planes {
        match &self.include {
            Some(include) => include.subtract(&self.exclude, kind),
            None => kind.full().subtract(&self.exclude, kind),
        }
    }
}

/// Resolves addresses and ports; remembers what it has resolved.
#[derive(Debug)]
pub(super) struct Resolver<'v> {
    variables: &'v Variables,
    known: HashMap<(Kind, String), Sides>,
    addresses: HashMap<String, Arc<Addresses>, ahash::RandomState>,
    ports: HashMap<String, Arc<Ports>, ahash::RandomState>,
    /// Variables being resolved, to find loops.
    open: Vec<String>,
}

impl<'v> Resolver<'v> {
    pub fn new(variables: &'v Variables) -> Self {
        Self {
            variables,
            known: HashMap::new(),
            addresses: HashMap::default(),
            ports: HashMap::default(),
            open: Vec::new(),
        }
    }

    pub fn addresses(&mut self, arg: Arg<'_>) -> Result<Arc<Addresses>, Fault> {
        if let Some(known) = self.addresses.get(arg.text) {
            return Ok(Arc::clone(known));
        }
        let sides = self.resolve(Kind::Addresses, arg)?;
        let addresses = Arc::new(Addresses {
            include: sides.include.as_ref().map_or_else(Vec::new, ip_ranges),
            exclude: ip_ranges(&sides.exclude),
        });
        self.addresses
            .insert(arg.text.to_owned(), Arc::clone(&addresses));
        Ok(addresses)
    }

    pub fn ports(&mut self, arg: Arg<'_>) -> Result<Arc<Ports>, Fault> {
        if let Some(known) = self.ports.get(arg.text) {
            return Ok(Arc::clone(known));
        }
        let Planes([set, _]) = self.resolve(Kind::Ports, arg)?.set(Kind::Ports);
        let port = |n: u128| u16::try_from(n).unwrap_or(u16::MAX);
        let ranges = set.ranges().iter().map(|&(a, b)| (port(a), port(b)));
        let ports = Arc::new(Ports(ranges.collect()));
        self.ports.insert(arg.text.to_owned(), Arc::clone(&ports));
        Ok(ports)
    }

    fn resolve(&mut self, kind: Kind, arg: Arg<'_>) -> Result<Sides, Fault> {
        self.open.clear();
        let sides = self.item(kind, arg, 0)?;
        if sides.set(kind).is_empty() {
            return Err(arg.fault(format!("no {} is left after the negations", kind.what())));
        }
        Ok(sides)
    }

    fn item(&mut self, kind: Kind, arg: Arg<'_>, depth: usize) -> Result<Sides, Fault> {
        let (negated, rest) = arg.negation();
        if depth > MAX_DEPTH {
            return Err(arg.fault(format!("nested more than {MAX_DEPTH} deep")));
        }
        let sides = if let Some(name) = rest.strip_prefix("$") {
            self.variable(kind, rest, name.text, depth)?
        } else if rest.text.starts_with('[') {
            self.list(kind, rest, depth)?
        } else if rest.text == "any" {
            Sides::default()
        } else if rest.text.is_empty() {
            return Err(arg.fault(format!("expected {} or `any`", article(kind))));
        } else {
            Sides {
                include: Some(match kind {
                    Kind::Addresses => address_range(rest)?,
                    Kind::Ports => port_range(rest)?,
                }),
                exclude: Planes::default(),
            }
        };
        if !negated {
            return Ok(sides);
        }
        let exclude = sides.set(kind);
        if kind.full().subtract(&exclude, kind).is_empty() {
            return Err(arg.fault(format!("this excludes every {}", kind.what())));
        }
        Ok(Sides {
            include: None,
            exclude,
        })
    }

    fn list(&mut self, kind: Kind, arg: Arg<'_>, depth: usize) -> Result<Sides, Fault> {
        let inner = arg
            .strip_prefix("[")
            .and_then(|i| i.text.strip_suffix(']').map(|text| Arg { text, ..i }))
            .ok_or_else(|| arg.fault("no `]` closes this list"))?;
        let mut sides = Sides::default();
        let mut any = false;
        for element in elements(inner)? {
            if element.text.is_empty() {
                return Err(arg.fault("the list has an empty element"));
            }
            let negated = element.text.starts_with('!');
            let one = self.item(kind, element, depth + 1)?;
            if negated {
                sides.exclude.add(&one.exclude);
            } else if one.include.is_none() && one.exclude.is_empty() {
                any = true;
            } else {
                sides.include.get_or_insert_default().add(&one.set(kind));
            }
        }
        if any {
            sides.include = None;
        }
        Ok(sides)
    }

    fn variable(
        &mut self,
        kind: Kind,
        whole: Arg<'_>,
        name: &str,
        depth: usize,
    ) -> Result<Sides, Fault> {
        if name.is_empty() || !name.bytes().all(is_name_byte) {
            return Err(whole.fault("expected the name of a variable after `$`"));
        }
        let key = (kind, name.to_owned());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        if self.open.iter().any(|n| n == name) {
            return Err(whole.fault(format!("variable `${name}` is defined by itself")));
        }
        let variables = self.variables;
        let Some(value) = variables.get(name) else {
            let near = crate::signature::suggest::nearest(name, variables.names());
            return Err(whole
                .fault(format!("unknown variable `${name}`"))
                .help_if(near.map(|n| format!("did you mean `${n}`?"))));
        };
        self.open.push(name.to_owned());
        let value = Arg {
            text: value,
            start: 0,
        };
        let sides = self.item(kind, value.trim(), depth + 1);
        self.open.pop();
        let sides = sides.map_err(|inner| {
            whole
                .fault(format!("in variable `${name}`: {}", inner.message))
                .help_if(inner.help)
        })?;
        self.known.insert(key, sides.clone());
        Ok(sides)
    }
}

const fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::Addresses => "an address",
        Kind::Ports => "a port",
    }
}

/// Pieces between the commas that stand in no inner bracket.
fn elements(list: Arg<'_>) -> Result<Vec<Arg<'_>>, Fault> {
    let mut found = Vec::new();
    let (mut depth, mut from) = (0_usize, 0);
    for (at, byte) in list.text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => {
                depth = depth
                    .checked_sub(1)
                    .ok_or_else(|| list.slice(at, at + 1).fault("`]` without its `[`"))?;
            }
            b',' if depth == 0 => {
                found.push(list.slice(from, at).trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(list.fault("no `]` closes the inner list"));
    }
    found.push(list.slice(from, list.text.len()).trim());
    Ok(found)
}

fn port_range(arg: Arg<'_>) -> Result<Planes, Fault> {
    let number = |piece: Arg<'_>, missing: i64| match piece.text {
        "" => Ok(missing),
        text if text.bytes().all(|b| b.is_ascii_digit()) => piece.integer_in(0..=65535),
        text => Err(piece.fault(format!("`{text}` is not a port"))),
    };
    let (first, last) = match arg.split_once(":") {
        Some((low, high)) if !(low.text.is_empty() && high.text.is_empty()) => {
            (number(low, 0)?, number(high, 65535)?)
        }
        Some(_) => return Err(arg.fault("a range of ports needs at least one end")),
        None => {
            let port = number(arg, 0)?;
            (port, port)
        }
    };
    if first > last {
        return Err(arg.fault("the range of ports ends before it begins"));
    }
    let bound = |n: i64| u128::from(n.unsigned_abs());
    Ok(Planes([
        RangeSet::one(bound(first), bound(last)),
        RangeSet::default(),
    ]))
}

fn address_range(arg: Arg<'_>) -> Result<Planes, Fault> {
    let bad = || {
        arg.fault(format!("`{}` is not an address", arg.text))
            .help("an address, ADDRESS/PREFIX, FIRST-LAST, `any`, a `$VARIABLE` or a `[list]`")
    };
    if let Some((network, prefix)) = arg.split_once("/") {
        let network: IpAddr = network.text.parse().map_err(|_| bad())?;
        return match network {
            IpAddr::V4(network) => {
                let mask = ipv4_mask(prefix)?;
                let first = u32::from(network) & mask;
                Ok(span_of(
                    IpAddr::V4(first.into()),
                    IpAddr::V4((first | !mask).into()),
                ))
            }
            IpAddr::V6(network) => {
                let length = prefix_length(prefix, 128)?;
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                let first = u128::from(network) & mask;
                Ok(span_of(
                    IpAddr::V6(first.into()),
                    IpAddr::V6((first | !mask).into()),
                ))
            }
        };
    }
    if let Some((first, last)) = arg.split_once("-") {
        let first: IpAddr = first.text.parse().map_err(|_| bad())?;
        let last: IpAddr = last.text.parse().map_err(|_| bad())?;
        if first.is_ipv4() != last.is_ipv4() {
            return Err(arg.fault("both ends of a range are of one family"));
        }
        if first > last {
            return Err(arg.fault("the range of addresses ends before it begins"));
        }
        return Ok(span_of(first, last));
    }
    let one: IpAddr = arg.text.parse().map_err(|_| bad())?;
    Ok(span_of(one, one))
}

fn prefix_length(prefix: Arg<'_>, bits: u32) -> Result<u32, Fault> {
    let number = prefix.integer_in(0..=i64::from(bits))?;
    Ok(u32::try_from(number).unwrap_or(bits))
}

/// A prefix length, or a mask such as 255.255.0.0.
fn ipv4_mask(prefix: Arg<'_>) -> Result<u32, Fault> {
    if prefix.text.contains('.') {
        let mask = prefix.text.parse::<Ipv4Addr>().map_or(1, u32::from);
        return if mask.leading_ones() + mask.trailing_zeros() >= 32 {
            Ok(mask)
        } else {
            Err(prefix.fault(format!("`{}` is not a network mask", prefix.text)))
        };
    }
    let length = prefix_length(prefix, 32)?;
    Ok(u32::MAX.checked_shl(32 - length).unwrap_or(0))
}

fn span_of(first: IpAddr, last: IpAddr) -> Planes {
    match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Planes([
            RangeSet::one(u32::from(a).into(), u32::from(b).into()),
            RangeSet::default(),
        ]),
        (a, b) => Planes([RangeSet::default(), RangeSet::one(as_v6(a), as_v6(b))]),
    }
}

fn as_v6(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

fn ip_ranges(planes: &Planes) -> Vec<IpRange> {
    let Planes([v4, v6]) = planes;
    let v4 = v4.ranges().iter().map(|&(a, b)| {
        let end = |n: u128| IpAddr::V4(u32::try_from(n).unwrap_or(u32::MAX).into());
        (end(a), end(b))
    });
    let v6 = v6
        .ranges()
        .iter()
        .map(|&(a, b)| (IpAddr::V6(Ipv6Addr::from(a)), IpAddr::V6(Ipv6Addr::from(b))));
    v4.chain(v6)
        .map(|(first, last)| IpRange { first, last })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn addresses(text: &str, vars: &Variables) -> Result<Arc<Addresses>, Fault> {
        Resolver::new(vars).addresses(Arg { text, start: 0 })
    }

    fn shown(ranges: &[IpRange]) -> Vec<String> {
        ranges
            .iter()
            .map(|r| format!("{}-{}", r.first, r.last))
            .collect()
    }

    fn ports(text: &str) -> Result<Vec<(u16, u16)>, Fault> {
        let vars = Variables::default();
        let arg = Arg { text, start: 0 };
        Resolver::new(&vars).ports(arg).map(|p| p.0.clone())
    }

    #[test]
    fn addresses_of_every_form() {
        let vars = Variables::default();
        for (text, include, exclude) in [
            ("any", vec![], vec![]),
            ("1.2.3.4", vec!["1.2.3.4-1.2.3.4"], vec![]),
            ("1.2.3.4/24", vec!["1.2.3.0-1.2.3.255"], vec![]),
            ("1.2.3.4/255.255.0.0", vec!["1.2.0.0-1.2.255.255"], vec![]),
            ("0.0.0.0/0", vec!["0.0.0.0-255.255.255.255"], vec![]),
            ("1.0.0.9 - 1.0.1.3", vec!["1.0.0.9-1.0.1.3"], vec![]),
            ("2001:db8::/127", vec!["2001:db8::-2001:db8::1"], vec![]),
            ("!1.2.3.4", vec![], vec!["1.2.3.4-1.2.3.4"]),
            (
                "[10.0.0.0/8, !10.1.0.0/16, ::1]",
                vec!["10.0.0.0-10.255.255.255", "::1-::1"],
                vec!["10.1.0.0-10.1.255.255"],
            ),
            ("![1.1.1.0/31,!1.1.1.1]", vec![], vec!["1.1.1.0-1.1.1.0"]),
            ("[any,!1.1.1.1]", vec![], vec!["1.1.1.1-1.1.1.1"]),
            (
                "$EXTERNAL_NET",
                vec![],
                vec![
                    "10.0.0.0-10.255.255.255",
                    "172.16.0.0-172.31.255.255",
                    "192.168.0.0-192.168.255.255",
                ],
            ),
        ] {
            let found = addresses(text, &vars).unwrap_or_else(|f| panic!("{text}: {f:?}"));
            assert_eq!(shown(&found.include), include, "{text}");
            assert_eq!(shown(&found.exclude), exclude, "{text}");
        }
    }

    #[test]
    fn refuses_addresses_with_the_span_at_fault() {
        let vars = Variables::default();
        for (text, span, needle) in [
            ("1.2.3", 0..5, "not an address"),
            ("[1.2.3.4,1.2.3.256]", 9..18, "not an address"),
            ("1.2.3.4/33", 8..10, "not between"),
            ("1.2.3.4/255.0.255.0", 8..19, "network mask"),
            ("1.2.3.4-1.2.3.3", 0..15, "before it begins"),
            ("[1.2.3.4", 0..8, "no `]`"),
            ("[1.2.3.4,]", 0..10, "empty element"),
            ("!any", 0..4, "excludes every"),
            ("[1.1.1.1,!1.1.1.1]", 0..18, "no address is left"),
            ("$HOM_NET", 0..8, "unknown variable"),
            ("1.1.1.1-::1", 0..11, "one family"),
        ] {
            let fault = addresses(text, &vars).unwrap_err();
            assert!(fault.message.contains(needle), "{text}: {}", fault.message);
            assert_eq!(fault.span.start..fault.span.end, span, "{text}");
        }
        let fault = addresses("$HOM_NET", &vars).unwrap_err();
        assert_eq!(fault.help.as_deref(), Some("did you mean `$HOME_NET`?"));
    }

    #[test]
    fn ports_of_every_form() {
        for (text, expected) in [
            ("any", vec![(0, 65535)]),
            ("80", vec![(80, 80)]),
            ("1024:", vec![(1024, 65535)]),
            (":1023", vec![(0, 1023)]),
            ("!80", vec![(0, 79), (81, 65535)]),
            ("[80,81,90:100,!95]", vec![(80, 81), (90, 94), (96, 100)]),
            ("$FILE_DATA_PORTS", vec![(80, 80), (110, 110), (143, 143)]),
            (
                "[!$HTTP_PORTS,!443]",
                vec![(0, 79), (81, 442), (444, 65535)],
            ),
            ("$SIP_PORTS", vec![(5060, 5061)]),
        ] {
            assert_eq!(ports(text).unwrap(), expected, "{text}");
        }
        for bad in [
            "65536", "a", "-1", ":", "90:80", "!any", "[80,!80]", "0x50", "[]",
        ] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loops_and_deep_nests_end() {
        let mut vars = Variables::empty();
        vars.set("A", "$B").unwrap();
        vars.set("B", "[$A]").unwrap();
        let fault = addresses("$A", &vars).unwrap_err();
        assert!(
            fault.message.contains("defined by itself"),
            "{}",
            fault.message
        );

        let deep = format!("{}1.1.1.1{}", "[".repeat(40), "]".repeat(40));
        assert!(
            addresses(&deep, &vars)
                .unwrap_err()
                .message
                .contains("deep")
        );

        // Each variable twice the one before: quick, since each is resolved once.
        vars.set("V0", "10.0.0.0/8").unwrap();
        for i in 1..14 {
            let before = i - 1;
            vars.set(&format!("V{i}"), &format!("$V{before}")).unwrap();
        }
        assert!(addresses("$V13", &vars).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_resolves_or_fails_within_bounds(text in "[0-9.:/,!\\[\\]$A-Zany -]{0,40}") {
            let vars = Variables::default();
            for result in [
                addresses(&text, &vars).map(|_| ()),
                Resolver::new(&vars).ports(Arg { text: &text, start: 0 }).map(|_| ()),
            ] {
                if let Err(fault) = result {
                    prop_assert!(fault.span.start <= fault.span.end);
                    prop_assert!(fault.span.end <= text.len());
                }
            }
        }
    }
}
