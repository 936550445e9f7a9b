//! Classes of rules: what `classtype` names.

use std::collections::BTreeMap;

use super::ast::Class;
use super::suggest::nearest;

/// Priority of a rule that has neither a priority nor a known class.
pub const DEFAULT_PRIORITY: u8 = 3;

/// Names, priorities and descriptions.
#[derive(Clone, Debug)]
pub struct Classes(BTreeMap<String, Class>);

/// Name, priority, description. The names and priorities are those in common use.
const BUILT_IN: &[(&str, u8, &str)] = &[
    ("attempted-admin", 1, "Attempt to gain administrator rights"),
    ("attempted-dos", 2, "Attempt to deny service"),
    ("attempted-recon", 2, "Attempt to gather information"),
    ("attempted-user", 1, "Attempt to gain a user's rights"),
    ("bad-unknown", 2, "Probably harmful traffic"),
    ("client-side-exploit", 1, "Exploit of a client program"),
    ("coin-mining", 2, "Mining of crypto currency"),
    (
        "command-and-control",
        1,
        "Malware talking to its controller",
    ),
    ("credential-theft", 1, "Theft of credentials succeeded"),
    (
        "default-login-attempt",
        2,
        "Login with a default name and password",
    ),
    ("denial-of-service", 2, "Denial of service"),
    ("domain-c2", 1, "Domain used to control malware"),
    ("exploit-kit", 1, "Exploit kit at work"),
    (
        "external-ip-check",
        2,
        "A device asks for its outer address",
    ),
    ("file-format", 1, "Known exploit in a file"),
    ("icmp-event", 3, "ICMP"),
    ("inappropriate-content", 1, "Unsuitable content"),
    ("malware-cnc", 1, "Known malware's control traffic"),
    ("misc-activity", 3, "Other activity"),
    ("misc-attack", 2, "Other attack"),
    ("network-scan", 3, "Scan of the network"),
    ("non-standard-protocol", 2, "Unusual protocol or use of one"),
    ("not-suspicious", 3, "Nothing suspicious"),
    ("policy-violation", 1, "Breach of policy"),
    ("protocol-command-decode", 3, "Command of a protocol"),
    ("pup-activity", 2, "Unwanted program"),
    ("rpc-portmap-decode", 2, "RPC query"),
    ("sdf", 2, "Sensitive data"),
    ("shellcode-detect", 1, "Machine code in data"),
    ("social-engineering", 2, "Deception of a person"),
    ("string-detect", 3, "Suspicious text"),
    ("successful-admin", 1, "Administrator rights gained"),
    ("successful-dos", 2, "Service denied"),
    ("successful-recon-largescale", 2, "Much information leaked"),
    ("successful-recon-limited", 2, "Information leaked"),
    ("successful-user", 1, "A user's rights gained"),
    ("suspicious-filename-detect", 2, "Suspicious name of a file"),
    ("suspicious-login", 2, "Login with a suspicious name"),
    ("system-call-detect", 2, "System call in data"),
    ("targeted-activity", 1, "Malice aimed at this network"),
    ("tcp-connection", 4, "TCP connection"),
    ("trojan-activity", 1, "Trojan horse at work"),
    ("unknown", 3, "Unknown traffic"),
    ("unsuccessful-user", 1, "A user's rights sought in vain"),
    (
        "unusual-client-port-connection",
        2,
        "Client on an unusual port",
    ),
    (
        "web-application-activity",
        2,
        "Use of a web application that may be vulnerable",
    ),
    ("web-application-attack", 1, "Attack on a web application"),
];

impl Default for Classes {
    fn default() -> Self {
        Self(
            BUILT_IN
                .iter()
                .map(|&(name, priority, description)| {
                    let class = Class {
                        name: name.to_owned(),
                        description: description.to_owned(),
                        priority,
                    };
                    (name.to_owned(), class)
                })
                .collect(),
        )
    }
}

impl Classes {
    /// Adds or replaces classes from lines of
    /// `config classification: NAME,DESCRIPTION,PRIORITY`.
    ///
    /// # Errors
    /// The number (from 1) of the first line that is neither this, a comment nor blank, and
    /// what is wrong with it. Lines before it are taken.
    pub fn read(&mut self, text: &str) -> Result<(), (u32, String)> {
        for (number, line) in (1_u32..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let class = class(line).map_err(|message| (number, message))?;
            self.0.insert(class.name.clone(), class);
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&Class> {
        self.0.get(&name.to_ascii_lowercase())
    }

    /// The class, or one made up with the default priority, and whether it is known.
    pub(super) fn get_or_unknown(&self, name: &str) -> (Class, bool) {
        match self.get(name) {
            Some(class) => (class.clone(), true),
            None => (
                Class {
                    name: name.to_owned(),
                    description: name.to_owned(),
                    priority: DEFAULT_PRIORITY,
                },
                false,
            ),
        }
    }

    pub(super) fn suggestion(&self, name: &str) -> Option<&str> {
        nearest(name, self.0.keys().map(String::as_str))
    }
}

fn class(line: &str) -> Result<Class, String> {
    let form = || "expected `config classification: NAME,DESCRIPTION,PRIORITY`".to_owned();
    let rest = line
        .strip_prefix("config")
        .map(str::trim_start)
        .and_then(|l| l.strip_prefix("classification:"))
        .ok_or_else(form)?;
    let (name, rest) = rest.split_once(',').ok_or_else(form)?;
    let (description, priority) = rest.rsplit_once(',').ok_or_else(form)?;
    let name = name.trim().to_ascii_lowercase();
    if name.is_empty() {
        return Err(form());
    }
    let priority: u8 = priority
        .trim()
        .parse()
        .ok()
        .filter(|p| *p > 0)
        .ok_or_else(|| format!("`{}` is no priority from 1 to 255", priority.trim()))?;
    Ok(Class {
        name,
        description: description.trim().to_owned(),
        priority,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_overrides_and_adds() {
        let mut classes = Classes::default();
        classes
            .read("# comment\n\nconfig classification: misc-attack,Mine, with a comma, 1\nconfig classification: own,Own,7\n")
            .unwrap();
        let class = classes.get("misc-attack").unwrap();
        assert_eq!(
            (class.priority, class.description.as_str()),
            (1, "Mine, with a comma")
        );
        assert_eq!(classes.get("OWN").unwrap().priority, 7);
        assert_eq!(classes.get("trojan-activity").unwrap().priority, 1);
    }

    #[test]
    fn a_bad_line_is_named() {
        let mut classes = Classes::default();
        assert_eq!(
            classes
                .read("\nconfig classification: a,b,0")
                .unwrap_err()
                .0,
            2
        );
        assert_eq!(classes.read("classification: a,b,1").unwrap_err().0, 1);
        assert_eq!(classes.read("config classification: a").unwrap_err().0, 1);
    }

    #[test]
    fn an_unknown_class_is_made_up() {
        let classes = Classes::default();
        let (class, known) = classes.get_or_unknown("trojan-activty");
        assert!(!known);
        assert_eq!(class.priority, DEFAULT_PRIORITY);
        assert_eq!(
            classes.suggestion("trojan-activty"),
            Some("trojan-activity")
        );
    }
}
