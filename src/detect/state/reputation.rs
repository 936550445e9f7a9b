//! Scores of addresses in categories: `iprep`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Highest score.
pub const MAX_SCORE: u8 = 127;
/// Highest number of a category.
const MAX_CATEGORY: u8 = 60;

/// Category and score; a network's, or one address's.
type Scores = Vec<(u8, u8)>;

/// Immutable: read anew as a whole.
#[derive(Debug, Default)]
pub struct Reputation {
    categories: HashMap<String, u8>,
    /// By prefix length in bits of an IPv6 address, the longest first.
    networks: Vec<(u8, HashMap<u128, Scores>)>,
}

impl Reputation {
    /// Reads the file of categories (`NUMBER,NAME,DESCRIPTION`) and files of scores
    /// (`ADDRESS[/PREFIX],CATEGORY,SCORE`), each with its name.
    ///
    /// # Errors
    /// The file and line at fault.
    pub fn parse(categories: (&str, &str), scores: &[(String, String)]) -> Result<Self, String> {
        let mut reputation = Self {
            categories: parse_categories(categories.0, categories.1)?,
            networks: Vec::new(),
        };
        let mut by_length: HashMap<u8, HashMap<u128, Scores>> = HashMap::new();
        for (name, text) in scores {
            for (number, line) in lines(text) {
                let (address, length, category, score) =
                    parse_score(line).ok_or_else(|| fault(name, number, line))?;
                let network = by_length.entry(length).or_default();
                let known = network.entry(masked(address, length)).or_default();
                known.retain(|(c, _)| *c != category);
                known.push((category, score));
            }
        }
        reputation.networks = by_length.into_iter().collect();
        reputation
            .networks
            .sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        Ok(reputation)
    }

    pub fn categories(&self) -> &HashMap<String, u8> {
        &self.categories
    }

    /// The score of the address, or of the smallest network around it that has one.
    pub(crate) fn score(&self, address: IpAddr, category: u8) -> Option<u8> {
        let address = bits(address);
        self.networks.iter().find_map(|(length, networks)| {
            let scores = networks.get(&masked(address, *length))?;
            let found = scores.iter().find(|(c, _)| *c == category)?;
            Some(found.1)
        })
    }
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .map(str::trim)
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(at, line)| (at + 1, line))
}

fn fault(name: &str, number: usize, line: &str) -> String {
    format!("{name}:{number}: `{}` is not read", line.escape_default())
}

fn parse_categories(name: &str, text: &str) -> Result<HashMap<String, u8>, String> {
    lines(text)
        .map(|(number, line)| {
            let mut words = line.split(',').map(str::trim);
            let id = words.next().and_then(|w| w.parse().ok());
            match (id, words.next()) {
                (Some(id @ 1..=MAX_CATEGORY), Some(word)) if !word.is_empty() => {
                    Ok((word.to_owned(), id))
                }
                _ => Err(fault(name, number, line)),
            }
        })
        .collect()
}

fn parse_score(line: &str) -> Option<(u128, u8, u8, u8)> {
    let mut words = line.split(',').map(str::trim);
    let network = words.next()?;
    let category = words
        .next()?
        .parse()
        .ok()
        .filter(|c| (1..=MAX_CATEGORY).contains(c))?;
    let score = words.next()?.parse().ok().filter(|s| *s <= MAX_SCORE)?;
    let (address, prefix) = match network.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (network, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width: u8 = if address.is_ipv4() { 32 } else { 128 };
    let prefix: u8 = match prefix {
        Some(prefix) => prefix.parse().ok().filter(|p| *p <= width)?,
        None => width,
    };
    Some((bits(address), 128 - width + prefix, category, score))
}

/// IPv4 in its mapped form (RFC 4291 section 2.5.5.2), so that one table has both.
fn bits(address: IpAddr) -> u128 {
    let address: Ipv6Addr = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    address.into()
}

fn masked(address: u128, length: u8) -> u128 {
    let host = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
    address & !host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_network_with_a_score_counts() {
        let categories = ("c", "1,Bad,x\n# comment\n2,Good,y\n");
        let scores = "192.0.2.0/24,1,10\n192.0.2.7,1,100\n192.0.2.7,2,3\n2001:db8::/32,2,5";
        let reputation = Reputation::parse(categories, &[("s".into(), scores.into())]).unwrap();
        let score = |address: &str, category| reputation.score(address.parse().unwrap(), category);
        assert_eq!(score("192.0.2.7", 1), Some(100));
        assert_eq!(score("192.0.2.8", 1), Some(10));
        assert_eq!(score("192.0.2.8", 2), None);
        assert_eq!(score("192.0.3.7", 1), None);
        assert_eq!(score("2001:db8::1", 2), Some(5));
        assert_eq!(reputation.categories().get("Good"), Some(&2));
    }

    #[test]
    fn lines_at_fault_are_named() {
        let scores = |text: &str| Reputation::parse(("c", ""), &[("s".into(), text.into())]);
        for bad in [
            "192.0.2.1",
            "192.0.2.1,1,128",
            "192.0.2.1,0,1",
            "192.0.2.0/33,1,1",
            "x,1,1",
        ] {
            let error = scores(&format!("\n{bad}")).unwrap_err();
            assert!(error.starts_with("s:2:"), "{error}");
        }
        assert!(Reputation::parse(("c", "0,Bad"), &[]).is_err());
        assert!(Reputation::parse(("c", "1"), &[]).is_err());
    }
}
