//! Perl-compatible expressions in the syntax of the `regex` crate, where both mean the same.
//!
//! The crate is several times faster than a backtracking engine and cannot blow up, but reads
//! some expressions differently (`$`, `\<`, `\v`, sets in classes) and others not at all
//! (look-around, back-references). Every construct is either rewritten so that it matches the
//! same bytes, or the whole expression is left to PCRE2. What is written means the same to PCRE2 too.

/// Why an expression is left to PCRE2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    LookAround,
    BackReference,
    Possessive,
    InlineFlags,
    Group,
    Escape,
    Class,
    Anchor,
    Quantifier,
    Extended,
    Nested,
    /// Also where PCRE2 will find a mistake.
    Unfinished,
}

/// The flags that decide how an expression is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub multi_line: bool,
    pub extended: bool,
    pub anchored: bool,
    pub dollar_end_only: bool,
}

/// Deepest nesting of groups that is rewritten.
const MAX_GROUPS: usize = 100;

/// Rewrites `pattern`. The result is meant for `unicode(false)`, with the caseless, multi-line,
/// dot-all and ungreedy flags given to the crate as they are; anchoring is written out.
pub(super) fn to_regex(pattern: &str, flags: Flags) -> Result<String, Refusal> {
    if flags.extended {
        return Err(Refusal::Extended);
    }
    let mut rewriter = Rewriter {
        input: pattern.as_bytes(),
        at: 0,
        out: String::with_capacity(pattern.len() + 16),
        flags,
        groups: Vec::new(),
        consumed: false,
        last: Last::Nothing,
        ended: false,
    };
    rewriter.all()?;
    if flags.anchored {
        return Ok(format!(r"\A(?:{})", rewriter.out));
    }
    Ok(rewriter.out)
}

/// For PCRE2, which has no inline flag for it: makes each `$` mean the very end.
pub(super) fn dollars_at_the_very_end(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let (mut in_class, mut class_begins) = (false, false);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(chars.next());
                class_begins = false;
                continue;
            }
            '[' if !in_class => {
                in_class = true;
                class_begins = true;
                out.push(c);
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                continue;
            }
            ']' if in_class && !class_begins => in_class = false,
            '$' if !in_class => {
                out.push_str(r"\z");
                continue;
            }
            _ => {}
        }
        class_begins = false;
        out.push(c);
    }
    out
}

/// What was written last, to judge a quantifier.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Item,
    Assertion,
    Quantifier,
}

#[derive(Clone, Copy)]
struct Group {
    /// Whether bytes may have been consumed before the group began.
    consumed: bool,
    /// Whether an alternative ended in an end-of-subject `$`.
    ended: bool,
    /// Whether the state before the group already was behind such a `$`.
    ended_before: bool,
}

struct Rewriter<'a> {
    input: &'a [u8],
    at: usize,
    out: String,
    flags: Flags,
    groups: Vec<Group>,
    consumed: bool,
    last: Last,
    /// An end-of-subject `$` was written on this path: nothing may follow it.
    ended: bool,
}

/// A member of a character class.
enum Member {
    Byte(u8),
    Set(&'static str),
}

impl Rewriter<'_> {
    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self
            .input
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(text.as_bytes()));
        if found {
            self.at += text.len();
        }
        found
    }

    fn all(&mut self) -> Result<(), Refusal> {
        while let Some(byte) = self.next() {
            match byte {
                b'\\' => self.escape()?,
                b'[' => self.class()?,
                b'(' => self.open()?,
                b')' => self.close()?,
                b'|' => self.alternative(),
                b'^' => self.start()?,
                b'$' => self.end()?,
                b'.' => self.item(".")?,
                b'*' | b'+' | b'?' => {
                    let sign = char::from(byte).to_string();
                    self.quantifier(&sign)?;
                }
                b'{' => self.brace()?,
                literal => self.byte(literal)?,
            }
        }
        if self.groups.is_empty() {
            Ok(())
        } else {
            Err(Refusal::Unfinished)
        }
    }

    /// Something that consumes bytes.
    fn item(&mut self, text: &str) -> Result<(), Refusal> {
        self.nothing_behind_the_end()?;
        self.out.push_str(text);
        self.consumed = true;
        self.last = Last::Item;
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<(), Refusal> {
        self.nothing_behind_the_end()?;
        write_byte(&mut self.out, byte);
        self.consumed = true;
        self.last = Last::Item;
        Ok(())
    }

    fn assertion(&mut self, text: &str) -> Result<(), Refusal> {
        self.nothing_behind_the_end()?;
        self.out.push_str(text);
        self.last = Last::Assertion;
        Ok(())
    }

    /// `$` is rewritten as something that takes the last line feed: that is the same only
    /// if nothing follows.
    fn nothing_behind_the_end(&self) -> Result<(), Refusal> {
        if self.ended {
            Err(Refusal::Anchor)
        } else {
            Ok(())
        }
    }

    fn alternative(&mut self) {
        let (consumed, ended_before) = match self.groups.last_mut() {
            Some(group) => {
                group.ended |= self.ended;
                (group.consumed, group.ended_before)
            }
            None => (false, false),
        };
        self.out.push('|');
        self.consumed = consumed;
        self.ended = ended_before;
        self.last = Last::Nothing;
    }

    fn open(&mut self) -> Result<(), Refusal> {
        self.nothing_behind_the_end()?;
        if self.groups.len() >= MAX_GROUPS {
            return Err(Refusal::Nested);
        }
        if self.eat("*") {
            return Err(Refusal::Group);
        }
        self.out.push('(');
        if self.eat("?") {
            self.special_group()?;
            if self.last == Last::Quantifier {
                return Ok(());
            }
        }
        self.groups.push(Group {
            consumed: self.consumed,
            ended: false,
            ended_before: self.ended,
        });
        self.last = Last::Nothing;
        Ok(())
    }

    /// What stands behind `(?`. Leaves `Last::Quantifier` if no group was opened.
    fn special_group(&mut self) -> Result<(), Refusal> {
        let begin = self.at == 2;
        self.last = Last::Nothing;
        for look in ["=", "!", "<=", "<!"] {
            if self.eat(look) {
                return Err(Refusal::LookAround);
            }
        }
        if self.eat("P<") || self.eat("<") {
            self.out.push_str("?P<");
            loop {
                match self.next() {
                    Some(b'>') => break,
                    Some(b) if b.is_ascii_alphanumeric() || b == b'_' => {
                        self.out.push(char::from(b));
                    }
                    _ => return Err(Refusal::Group),
                }
            }
            self.out.push('>');
            return Ok(());
        }
        if self.eat("P=") || self.eat("P>") {
            return Err(Refusal::BackReference);
        }
        // Caseless and dot-all mean the same to both; other flags change how we read on.
        let from = self.at;
        while matches!(self.peek(), Some(b'i' | b's' | b'-')) {
            self.at += 1;
        }
        let flags = self.input.get(from..self.at).unwrap_or_default();
        let good = flags.iter().filter(|b| **b == b'-').count() <= 1 && flags.last() != Some(&b'-');
        if !good {
            return Err(Refusal::InlineFlags);
        }
        let letters: String = flags.iter().map(|b| char::from(*b)).collect();
        match self.next() {
            Some(b':') => {
                self.out.push('?');
                self.out.push_str(&letters);
                self.out.push(':');
                Ok(())
            }
            // In the middle the two differ on the alternatives that follow.
            Some(b')') if begin && !letters.is_empty() => {
                self.out.push('?');
                self.out.push_str(&letters);
                self.out.push(')');
                self.last = Last::Quantifier;
                Ok(())
            }
            Some(_) => Err(Refusal::InlineFlags),
            None => Err(Refusal::Unfinished),
        }
    }

    fn close(&mut self) -> Result<(), Refusal> {
        let Some(group) = self.groups.pop() else {
            return Err(Refusal::Unfinished);
        };
        self.ended |= group.ended;
        self.out.push(')');
        self.consumed = true;
        self.last = Last::Item;
        Ok(())
    }

    /// `^`. Among many lines PCRE has no line begin behind a last line feed, the crate has. The
    /// difference shows only where nothing was consumed behind it.
    fn start(&mut self) -> Result<(), Refusal> {
        if self.flags.multi_line && self.consumed {
            return Err(Refusal::Anchor);
        }
        self.assertion("^")
    }

    fn end(&mut self) -> Result<(), Refusal> {
        if self.flags.multi_line {
            return self.assertion("$");
        }
        if self.flags.dollar_end_only {
            return self.assertion(r"\z");
        }
        self.end_or_last_line_feed()
    }

    fn end_or_last_line_feed(&mut self) -> Result<(), Refusal> {
        self.assertion(r"(?:\n?\z)")?;
        self.ended = true;
        Ok(())
    }

    fn quantifier(&mut self, sign: &str) -> Result<(), Refusal> {
        if self.last != Last::Item || self.ended {
            return Err(Refusal::Quantifier);
        }
        self.out.push_str(sign);
        if self.eat("+") {
            return Err(Refusal::Possessive);
        }
        if self.eat("?") {
            self.out.push('?');
        }
        self.last = Last::Quantifier;
        Ok(())
    }

    /// A quantifier, or a brace that means itself.
    fn brace(&mut self) -> Result<(), Refusal> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let close = rest.iter().take(16).position(|b| *b == b'}');
        let inside = close.and_then(|n| rest.get(..n)).unwrap_or_default();
        let counts: Vec<&[u8]> = inside.split(|b| *b == b',').collect();
        let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        let quantifies = match counts.as_slice() {
            [one] => digits(one),
            [low, high] => digits(low) && (high.is_empty() || digits(high)),
            _ => false,
        };
        if quantifies {
            let text: String = inside.iter().map(|b| char::from(*b)).collect();
            self.at += inside.len() + 1;
            return self.quantifier(&format!("{{{text}}}"));
        }
        // `{,3}` and `{ 1, 3 }` quantify in newer versions of PCRE2 and not in older ones.
        let maybe = |b: &u8| b.is_ascii_digit() || matches!(b, b',' | b' ' | b'\t');
        if close.is_some() && inside.iter().any(u8::is_ascii_digit) && inside.iter().all(maybe) {
            return Err(Refusal::Quantifier);
        }
        self.byte(b'{')
    }

    fn escape(&mut self) -> Result<(), Refusal> {
        let Some(byte) = self.next() else {
            return Err(Refusal::Unfinished);
        };
        match byte {
            b'A' => self.assertion(r"\A"),
            b'z' => self.assertion(r"\z"),
            b'Z' => self.end_or_last_line_feed(),
            // The crate reads `\b{start}` as something else.
            b'b' if self.peek() != Some(b'{') => self.assertion(r"\b"),
            b'B' if self.peek() != Some(b'{') => self.assertion(r"\B"),
            b'b' | b'B' => Err(Refusal::Escape),
            b'N' if self.peek() != Some(b'{') => self.item(r"[^\n]"),
            b'1'..=b'9' | b'g' | b'k' => Err(Refusal::BackReference),
            _ => match set(byte) {
                Some(set) => self.item(&format!("[{set}]")),
                None => {
                    let byte = self.escaped_byte(byte)?;
                    self.byte(byte)
                }
            },
        }
    }

    /// The byte that an escape stands for, its letter having been read.
    fn escaped_byte(&mut self, letter: u8) -> Result<u8, Refusal> {
        Ok(match letter {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'f' => 0x0c,
            b'a' => 0x07,
            b'e' => 0x1b,
            b'x' => self.hex()?,
            b'0' => self.octal(0)?,
            b'c' => match self.next() {
                Some(control @ b' '..=b'~') => control.to_ascii_uppercase() ^ 0x40,
                _ => return Err(Refusal::Escape),
            },
            other if other.is_ascii_alphanumeric() => return Err(Refusal::Escape),
            other => other,
        })
    }

    /// Up to two digits, or any number of them in braces.
    fn hex(&mut self) -> Result<u8, Refusal> {
        if self.peek() == Some(b'{') {
            self.at += 1;
            let mut value = 0_u8;
            let mut any = false;
            loop {
                match self.next() {
                    Some(b'}') if any => return Ok(value),
                    Some(digit) => {
                        let digit = hex_digit(digit).ok_or(Refusal::Escape)?;
                        value = value
                            .checked_mul(16)
                            .and_then(|v| v.checked_add(digit))
                            .ok_or(Refusal::Escape)?;
                        any = true;
                    }
                    None => return Err(Refusal::Unfinished),
                }
            }
        }
        let mut value = 0_u8;
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(hex_digit) else {
                break;
            };
            self.at += 1;
            value = value << 4 | digit;
        }
        Ok(value)
    }

    /// Up to two more octal digits.
    fn octal(&mut self, first: u8) -> Result<u8, Refusal> {
        let mut value = u16::from(first);
        for _ in 0..2 {
            match self.peek() {
                Some(digit @ b'0'..=b'7') => {
                    self.at += 1;
                    value = value * 8 + u16::from(digit - b'0');
                }
                _ => break,
            }
        }
        u8::try_from(value).map_err(|_| Refusal::Escape)
    }

    fn class(&mut self) -> Result<(), Refusal> {
        self.nothing_behind_the_end()?;
        self.out.push('[');
        if self.eat("^") {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            // A closing bracket that comes first means itself.
            if !first && self.eat("]") {
                break;
            }
            first = false;
            let member = self.member()?;
            let range = self.peek() == Some(b'-')
                && self.input.get(self.at + 1).is_some_and(|b| *b != b']');
            match member {
                Member::Set(_) if range => return Err(Refusal::Class),
                Member::Set(set) => self.out.push_str(set),
                Member::Byte(low) if range => {
                    self.at += 1;
                    match self.member()? {
                        Member::Byte(high) if low <= high => {
                            write_byte(&mut self.out, low);
                            self.out.push('-');
                            write_byte(&mut self.out, high);
                        }
                        _ => return Err(Refusal::Class),
                    }
                }
                Member::Byte(byte) => write_byte(&mut self.out, byte),
            }
        }
        self.out.push(']');
        self.consumed = true;
        self.last = Last::Item;
        Ok(())
    }

    fn member(&mut self) -> Result<Member, Refusal> {
        let Some(byte) = self.next() else {
            return Err(Refusal::Unfinished);
        };
        match byte {
            b'[' if matches!(self.peek(), Some(b':' | b'.' | b'=')) => self.posix(),
            b'\\' => {
                let Some(letter) = self.next() else {
                    return Err(Refusal::Unfinished);
                };
                if let Some(set) = set(letter) {
                    return Ok(Member::Set(set));
                }
                let byte = match letter {
                    b'b' => 0x08,
                    first @ b'1'..=b'7' => self.octal(first - b'0')?,
                    other => self.escaped_byte(other)?,
                };
                Ok(Member::Byte(byte))
            }
            byte => Ok(Member::Byte(byte)),
        }
    }

    /// `[:name:]`; a bracket and a colon that are no such name mean themselves.
    fn posix(&mut self) -> Result<Member, Refusal> {
        const NAMES: &[(&str, &str)] = &[
            (":alnum:]", "[:alnum:]"),
            (":alpha:]", "[:alpha:]"),
            (":ascii:]", "[:ascii:]"),
            (":blank:]", "[:blank:]"),
            (":cntrl:]", "[:cntrl:]"),
            (":digit:]", "[:digit:]"),
            (":graph:]", "[:graph:]"),
            (":lower:]", "[:lower:]"),
            (":print:]", "[:print:]"),
            (":punct:]", "[:punct:]"),
            (":space:]", "[:space:]"),
            (":upper:]", "[:upper:]"),
            (":word:]", "[:word:]"),
            (":xdigit:]", "[:xdigit:]"),
        ];
        for (written, set) in NAMES {
            if self.eat(written) {
                return Ok(Member::Set(set));
            }
        }
        Err(Refusal::Class)
    }
}

/// The bytes of a class escape, as members of a class.
const fn set(letter: u8) -> Option<&'static str> {
    Some(match letter {
        b'd' => r"\d",
        b'D' => r"\D",
        b's' => r"\s",
        b'S' => r"\S",
        b'w' => r"\w",
        b'W' => r"\W",
        b'h' => r"\t \xA0",
        b'H' => r"\x00-\x08\x0A-\x1F\x21-\x9F\xA1-\xFF",
        b'v' => r"\n\x0B\f\r\x85",
        b'V' => r"\x00-\x09\x0E-\x84\x86-\xFF",
        _ => return None,
    })
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// A byte that means itself, inside and outside of classes.
fn write_byte(out: &mut String, byte: u8) {
    use std::fmt::Write;
    if byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b' ' | b'/' | b'_' | b'=' | b':' | b',' | b'<' | b'>' | b'"' | b'\'' | b';' | b'%'
        )
    {
        out.push(char::from(byte));
    } else {
        // Writing to a string cannot fail.
        let _ = write!(out, "\\x{byte:02X}");
    }
}

#[cfg(test)]
mod tests;
