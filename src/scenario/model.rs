//! The text of a scenario, checked and with its bytes resolved.

use serde::Deserialize;
use toml::Spanned;

use super::bytes::from_hex;
use super::diagnostic::{Diagnostics, error_at, from_toml, whole_file};
use crate::direction::Direction;
use crate::signature::Diagnostic;

/// Messages in one scenario.
pub const MAX_MESSAGES: usize = 64;
/// Bytes of all messages of one scenario, repeats included.
pub const MAX_SCENARIO_BYTES: usize = 256 * 1024;
/// A UDP payload that fits one IPv6 or IPv4 datagram.
const MAX_DATAGRAM_BYTES: usize = 65_000;

/// An exchange between a client and a server.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file it was read from.
    pub name: String,
    pub title: String,
    pub transport: Transport,
    pub server_port: u16,
    pub ip_version: u8,
    /// Never empty, and no message is.
    pub messages: Vec<Message>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub from: Side,
    pub bytes: Vec<u8>,
    /// In an attack scenario: the message that must not arrive whole.
    pub attack: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    #[default]
    Tcp,
    Udp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Client,
    Server,
}

impl Side {
    /// Which way this side's bytes go.
    pub const fn sends(self) -> Direction {
        match self {
            Self::Client => Direction::ToServer,
            Self::Server => Direction::ToClient,
        }
    }
}

/// Where the `file` of a message is looked up.
pub trait ScenarioFiles {
    /// The contents of `path`, which is relative to the scenario's folder, or
    /// what is wrong with it. Must refuse a path that leads out of the folder.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScenario {
    title: Spanned<String>,
    #[serde(default)]
    transport: Transport,
    server_port: Spanned<u16>,
    ip: Option<Spanned<u8>>,
    #[serde(default)]
    message: Vec<Spanned<RawMessage>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMessage {
    from: Side,
    text: Option<Spanned<String>>,
    hex: Option<Spanned<String>>,
    file: Option<Spanned<String>>,
    repeat: Option<Spanned<u32>>,
    #[serde(default)]
    attack: bool,
}

impl Scenario {
    /// Reads the text of a scenario; `name` is its file, for errors.
    pub fn parse(name: &str, source: &str, files: &dyn ScenarioFiles) -> Result<Self, Diagnostics> {
        let raw: RawScenario =
            toml::from_str(source).map_err(|error| vec![from_toml(name, source, &error)])?;
        Reader { name, source }.check(raw, files)
    }

    /// The message that must not arrive whole when this is an attack: the one
    /// marked so, else the last.
    pub fn attacking_message(&self) -> usize {
        self.messages
            .iter()
            .position(|message| message.attack)
            .unwrap_or(self.messages.len().saturating_sub(1))
    }
}

struct Reader<'a> {
    name: &'a str,
    source: &'a str,
}

impl Reader<'_> {
    fn check(&self, raw: RawScenario, files: &dyn ScenarioFiles) -> Result<Scenario, Diagnostics> {
        let mut errors = Vec::new();
        if raw.title.get_ref().trim().is_empty() {
            errors.push(self.error(&raw.title, "the title is empty"));
        }
        if *raw.server_port.get_ref() == 0 {
            errors.push(self.error(&raw.server_port, "port 0 cannot be served"));
        }
        let ip_version = raw.ip.as_ref().map_or(4, |ip| *ip.get_ref());
        if let Some(ip) = raw.ip.as_ref().filter(|_| !matches!(ip_version, 4 | 6)) {
            errors.push(self.error(ip, "`ip` is 4 or 6"));
        }
        if raw.message.is_empty() || raw.message.len() > MAX_MESSAGES {
            let message = format!("a scenario has 1 to {MAX_MESSAGES} `[[message]]`s");
            errors.push(whole_file(self.name, message));
            return Err(errors);
        }
        let mut budget = MAX_SCENARIO_BYTES;
        let mut messages = Vec::with_capacity(raw.message.len());
        for message in &raw.message {
            match self.message(message, raw.transport, files, &mut budget) {
                Ok(message) => messages.push(message),
                Err(error) => errors.push(error),
            }
        }
        if messages.iter().filter(|message| message.attack).count() > 1 {
            let message = "more than one message says `attack = true`";
            errors.push(whole_file(self.name, message));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Scenario {
            name: self.name.to_owned(),
            title: raw.title.into_inner(),
            transport: raw.transport,
            server_port: raw.server_port.into_inner(),
            ip_version,
            messages,
        })
    }

    fn message(
        &self,
        raw: &Spanned<RawMessage>,
        transport: Transport,
        files: &dyn ScenarioFiles,
        budget: &mut usize,
    ) -> Result<Message, Diagnostic> {
        let message = raw.get_ref();
        let (place, once) = match (&message.text, &message.hex, &message.file) {
            (Some(text), None, None) => (text, text.get_ref().clone().into_bytes()),
            (None, Some(hex), None) => (hex, self.hex(hex)?),
            (None, None, Some(path)) => {
                let read = files.read(path.get_ref());
                (path, read.map_err(|error| self.error(path, error))?)
            }
            _ => {
                return Err(self.error(raw, "a message has one of `text`, `hex` and `file`"));
            }
        };
        if once.is_empty() {
            return Err(self.error(place, "the message is empty"));
        }
        let repeat = match &message.repeat {
            None => 1,
            Some(repeat) if *repeat.get_ref() == 0 => {
                return Err(self.error(repeat, "`repeat` is at least 1"));
            }
            Some(repeat) => *repeat.get_ref() as usize,
        };
        let total = once.len().checked_mul(repeat);
        let Some((total, left)) = total.and_then(|n| Some((n, budget.checked_sub(n)?))) else {
            let message = format!("a scenario holds at most {MAX_SCENARIO_BYTES} bytes");
            return Err(self.error(place, message));
        };
        *budget = left;
        if transport == Transport::Udp && total > MAX_DATAGRAM_BYTES {
            let message = format!("a UDP message holds at most {MAX_DATAGRAM_BYTES} bytes");
            return Err(self.error(place, message));
        }
        Ok(Message {
            from: message.from,
            bytes: once.repeat(repeat),
            attack: message.attack,
        })
    }

    fn hex(&self, hex: &Spanned<String>) -> Result<Vec<u8>, Diagnostic> {
        from_hex(hex.get_ref()).map_err(|error| {
            // The TOML value has no escapes that hexadecimal text would need, so that
            // the source holds the same characters behind the opening quotes.
            let written = self.source.get(hex.span()).unwrap_or_default();
            let opening = written.find(hex.get_ref().as_str()).unwrap_or(0);
            let start = hex.span().start + opening + error.offset;
            error_at(self.name, self.source, start..start + 1, error.message)
        })
    }

    fn error<T>(&self, place: &Spanned<T>, message: impl Into<String>) -> Diagnostic {
        error_at(self.name, self.source, place.span(), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OneFile;

    impl ScenarioFiles for OneFile {
        fn read(&self, path: &str) -> Result<Vec<u8>, String> {
            match path {
                "body.bin" => Ok(vec![1, 2, 3]),
                _ => Err(format!("no file `{path}`")),
            }
        }
    }

    fn parse(source: &str) -> Result<Scenario, Diagnostics> {
        Scenario::parse("a.toml", source, &OneFile)
    }

    fn only_error(source: &str) -> Diagnostic {
        let mut errors = parse(source).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.remove(0)
    }

    const HEAD: &str = "title = \"t\"\nserver_port = 80\n";

    #[test]
    fn bytes_come_from_text_hex_and_files() {
        let source = format!(
            "{HEAD}ip = 6\n\
             [[message]]\nfrom = \"client\"\ntext = \"GET /\\r\\n\"\n\
             [[message]]\nfrom = \"server\"\nhex = \"\"\"\n01 02 # two\n\"\"\"\nrepeat = 2\nattack = true\n\
             [[message]]\nfrom = \"client\"\nfile = \"body.bin\"\n"
        );
        let scenario = parse(&source).unwrap();
        let bytes: Vec<&[u8]> = scenario.messages.iter().map(|m| &m.bytes[..]).collect();
        assert_eq!(bytes, [&b"GET /\r\n"[..], &[1, 2, 1, 2], &[1, 2, 3]]);
        assert_eq!(scenario.ip_version, 6);
        assert_eq!(scenario.attacking_message(), 1);
    }

    #[test]
    fn the_last_message_is_the_attack_unless_said() {
        let source = format!(
            "{HEAD}[[message]]\nfrom = \"client\"\ntext = \"a\"\n[[message]]\nfrom = \"server\"\ntext = \"b\"\n"
        );
        assert_eq!(parse(&source).unwrap().attacking_message(), 1);
    }

    #[test]
    fn errors_name_line_and_column() {
        let wrong_digit =
            format!("{HEAD}[[message]]\nfrom = \"client\"\nhex = \"\"\"\n00\n0x\n\"\"\"\n");
        let error = only_error(&wrong_digit);
        assert_eq!((error.line, error.column), (7, 2), "{error}");
        assert!(error.render(false).contains("0x"));

        let typo = format!("{HEAD}[[message]]\nfrom = \"client\"\nhexx = \"00\"\n");
        let error = only_error(&typo);
        assert_eq!((error.line, error.column), (5, 1), "{error}");
        assert_eq!(error.help.as_deref(), Some("did you mean `hex`?"));

        let two = format!("{HEAD}[[message]]\nfrom = \"client\"\nhex = \"00\"\ntext = \"a\"\n");
        assert_eq!(only_error(&two).line, 3);

        let missing = format!("{HEAD}[[message]]\nfrom = \"client\"\nfile = \"other.bin\"\n");
        assert_eq!(only_error(&missing).line, 5);
    }

    #[test]
    fn sizes_are_bounded_before_anything_is_allocated() {
        let huge =
            format!("{HEAD}[[message]]\nfrom = \"client\"\ntext = \"abcd\"\nrepeat = 4294967295\n");
        assert!(only_error(&huge).message.contains("at most"));
        let datagram = format!(
            "transport = \"udp\"\n{HEAD}[[message]]\nfrom = \"client\"\ntext = \"a\"\nrepeat = 70000\n"
        );
        assert!(only_error(&datagram).message.contains("UDP"));
        for nothing in ["repeat = 0\ntext = \"a\"", "text = \"\""] {
            only_error(&format!(
                "{HEAD}[[message]]\nfrom = \"client\"\n{nothing}\n"
            ));
        }
        assert!(only_error(HEAD).message.contains("[[message]]"));
    }

    #[test]
    fn every_error_is_told_at_once() {
        let source = "title = \" \"\nserver_port = 0\nip = 5\n[[message]]\nfrom = \"client\"\n";
        assert_eq!(parse(source).unwrap_err().len(), 4);
    }
}
