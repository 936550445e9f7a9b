//! Variables for addresses and ports, with the defaults Suricata ships.

use std::collections::BTreeMap;

/// How deep variables and lists may be nested.
pub const MAX_DEPTH: usize = 16;

/// Longest value of a variable, in bytes.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// Names and the text they stand for. Whether a value is read as addresses or as ports is
/// decided by where it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

const SHIPPED: &[(&str, &str)] = &[
    ("HOME_NET", "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"),
    ("EXTERNAL_NET", "!$HOME_NET"),
    ("HTTP_SERVERS", "$HOME_NET"),
    ("SMTP_SERVERS", "$HOME_NET"),
    ("SQL_SERVERS", "$HOME_NET"),
    ("DNS_SERVERS", "$HOME_NET"),
    ("TELNET_SERVERS", "$HOME_NET"),
    ("AIM_SERVERS", "$EXTERNAL_NET"),
    ("DC_SERVERS", "$HOME_NET"),
    ("DNP3_SERVER", "$HOME_NET"),
    ("DNP3_CLIENT", "$HOME_NET"),
    ("MODBUS_CLIENT", "$HOME_NET"),
    ("MODBUS_SERVER", "$HOME_NET"),
    ("ENIP_CLIENT", "$HOME_NET"),
    ("ENIP_SERVER", "$HOME_NET"),
    ("HTTP_PORTS", "80"),
    ("SHELLCODE_PORTS", "!80"),
    ("ORACLE_PORTS", "1521"),
    ("SSH_PORTS", "22"),
    ("DNP3_PORTS", "20000"),
    ("MODBUS_PORTS", "502"),
    ("FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"),
    ("FTP_PORTS", "21"),
    ("GENEVE_PORTS", "6081"),
    ("VXLAN_PORTS", "4789"),
    ("TEREDO_PORTS", "3544"),
    ("SIP_PORTS", "[5060, 5061]"),
];

impl Default for Variables {
    fn default() -> Self {
        Self(
            SHIPPED
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }
}

impl Variables {
    /// No variable at all.
    pub const fn empty() -> Self {
        Self(BTreeMap::new())
    }

    /// Sets or replaces a variable; `name` without its `$`.
    ///
    /// # Errors
    /// A name with other characters than letters, digits, `_` and `-`, an empty or over-long
    /// value. The value itself is read where a rule uses it, since it may name variables that
    /// are set later.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        if name.is_empty() || !name.bytes().all(is_name_byte) {
            return Err(format!(
                "`{name}` is no name of a variable: letters, digits, `_` and `-`"
            ));
        }
        let value = value.trim();
        if value.is_empty() {
            return Err(format!("variable `{name}` has no value"));
        }
        if value.len() > MAX_VALUE_BYTES {
            return Err(format!(
                "the value of `{name}` is longer than {MAX_VALUE_BYTES} bytes"
            ));
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

pub(super) const fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ships_defaults_that_can_be_replaced() {
        let mut vars = Variables::default();
        assert_eq!(vars.get("EXTERNAL_NET"), Some("!$HOME_NET"));
        vars.set("HOME_NET", "any").unwrap();
        assert_eq!(vars.get("HOME_NET"), Some("any"));
    }

    #[test]
    fn refuses_bad_names_and_values() {
        let mut vars = Variables::empty();
        assert!(vars.set("A B", "1").is_err());
        assert!(vars.set("", "1").is_err());
        assert!(vars.set("A", "  ").is_err());
        assert!(vars.set("A", &"1".repeat(MAX_VALUE_BYTES + 1)).is_err());
        assert_eq!(vars.names().count(), 0);
    }
}
