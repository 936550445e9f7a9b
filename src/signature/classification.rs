//! Classes of rules: what `classtype` names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::Class;
use super::suggest::nearest;

/// Priority of a rule that has neither a priority nor a known class.
pub const DEFAULT_PRIORITY: u8 = 3;

/// Names, priorities and descriptions.
#[derive(Clone, Debug)]
pub struct Classes(BTreeMap<String, Arc<Class>>);

/// Name, priority, description: those in common use, since consoles sort alerts by them.
const BUILT_IN: &[(&str, u8, &str)] = &[
    (
        "attempted-admin",
        1,
        "Attempted Administrator Privilege Gain",
    ),
    ("attempted-dos", 2, "Attempted Denial of Service"),
    ("attempted-recon", 2, "Attempted Information Leak"),
    ("attempted-user", 1, "Attempted User Privilege Gain"),
    ("bad-unknown", 2, "Potentially Bad Traffic"),
    ("client-side-exploit", 1, "Exploit of a client program"),
    ("coin-mining", 2, "Crypto Currency Mining Activity Detected"),
    (
        "command-and-control",
        1,
        "Malware Command and Control Activity Detected",
    ),
    (
        "credential-theft",
        1,
        "Successful Credential Theft Detected",
    ),
    (
        "default-login-attempt",
        2,
        "Attempt to login by a default username and password",
    ),
    (
        "denial-of-service",
        2,
        "Detection of a Denial of Service Attack",
    ),
    ("domain-c2", 1, "Domain Observed Used for C2 Detected"),
    ("exploit-kit", 1, "Exploit Kit Activity Detected"),
    (
        "external-ip-check",
        2,
        "Device Retrieving External IP Address Detected",
    ),
    ("file-format", 1, "Known exploit in a file"),
    ("icmp-event", 3, "Generic ICMP event"),
    ("inappropriate-content", 1, "Unsuitable content"),
    ("malware-cnc", 1, "Known malware's control traffic"),
    ("misc-activity", 3, "Misc activity"),
    ("misc-attack", 2, "Misc Attack"),
    ("network-scan", 3, "Detection of a Network Scan"),
    (
        "non-standard-protocol",
        2,
        "Detection of a non-standard protocol or event",
    ),
    ("not-suspicious", 3, "Not Suspicious Traffic"),
    (
        "policy-violation",
        1,
        "Potential Corporate Privacy Violation",
    ),
    (
        "protocol-command-decode",
        3,
        "Generic Protocol Command Decode",
    ),
    ("pup-activity", 2, "Possibly Unwanted Program Detected"),
    ("rpc-portmap-decode", 2, "Decode of an RPC Query"),
    ("sdf", 2, "Sensitive data"),
    ("shellcode-detect", 1, "Executable code was detected"),
    (
        "social-engineering",
        2,
        "Possible Social Engineering Attempted",
    ),
    ("string-detect", 3, "A suspicious string was detected"),
    (
        "successful-admin",
        1,
        "Successful Administrator Privilege Gain",
    ),
    ("successful-dos", 2, "Denial of Service"),
    (
        "successful-recon-largescale",
        2,
        "Large Scale Information Leak",
    ),
    ("successful-recon-limited", 2, "Information Leak"),
    ("successful-user", 1, "Successful User Privilege Gain"),
    (
        "suspicious-filename-detect",
        2,
        "A suspicious filename was detected",
    ),
    (
        "suspicious-login",
        2,
        "An attempted login using a suspicious username was detected",
    ),
    ("system-call-detect", 2, "A system call was detected"),
    (
        "targeted-activity",
        1,
        "Targeted Malicious Activity was Detected",
    ),
    ("tcp-connection", 4, "A TCP connection was detected"),
    ("trojan-activity", 1, "A Network Trojan was detected"),
    ("unknown", 3, "Unknown Traffic"),
    ("unsuccessful-user", 1, "Unsuccessful User Privilege Gain"),
    (
        "unusual-client-port-connection",
        2,
        "A client was using an unusual port",
    ),
    (
        "web-application-activity",
        2,
        "access to a potentially vulnerable web application",
    ),
    ("web-application-attack", 1, "Web Application Attack"),
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
                    (name.to_owned(), Arc::new(class))
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
            self.0.insert(class.name.clone(), Arc::new(class));
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Class>> {
        self.0.get(&name.to_ascii_lowercase())
    }

    /// The class, or one made up with the default priority, and whether it is known.
    pub(super) fn get_or_unknown(&self, name: &str) -> (Arc<Class>, bool) {
        match self.get(name) {
            Some(class) => (Arc::clone(class), true),
            None => (
                Arc::new(Class {
                    name: name.to_owned(),
                    description: name.to_owned(),
                    priority: DEFAULT_PRIORITY,
                }),
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
