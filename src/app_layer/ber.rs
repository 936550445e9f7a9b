//! Elements of ASN.1 in the basic encoding rules (X.690), as SNMP, Kerberos and LDAP send them.

use x509_parser::asn1_rs::{Any, Class, FromBer, Header};

/// A series of elements. A read that does not find what it wants gives `None`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a>(pub &'a [u8]);

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub class: Class,
    pub tag: u32,
    pub contents: &'a [u8],
}

pub(super) const BOOLEAN: u32 = 1;
pub(super) const INTEGER: u32 = 2;
pub(super) const OCTET_STRING: u32 = 4;
pub(super) const OBJECT_IDENTIFIER: u32 = 6;
pub(super) const ENUMERATED: u32 = 10;
pub(super) const SEQUENCE: u32 = 16;
pub(super) const SET: u32 = 17;

impl<'a> Elements<'a> {
    /// The next element, whatever it is.
    pub fn next(&mut self) -> Option<Element<'a>> {
        if let Some((element, rest)) = self.short() {
            self.0 = rest;
            return Some(element);
        }
        let (rest, any) = Any::from_ber(self.0).ok()?;
        self.0 = rest;
        Some(Element {
            class: any.header.class(),
            tag: any.header.tag().0,
            contents: any.data,
        })
    }

    /// The next element and what is behind it, if its tag and its length have a byte each (X.690
    /// sections 8.1.2.3 and 8.1.3.4), as most have.
    fn short(self) -> Option<(Element<'a>, &'a [u8])> {
        let [identifier, length, rest @ ..] = self.0 else {
            return None;
        };
        let tag = identifier & 0x1f;
        if tag == 0x1f || *length >= 0x80 {
            return None;
        }
        let (contents, rest) = rest.split_at_checked(usize::from(*length))?;
        let element = Element {
            class: Class::try_from(identifier >> 6).ok()?,
            tag: u32::from(tag),
            contents,
        };
        Some((element, rest))
    }

    /// The next element as far as it is there: its end may be missing.
    pub fn next_part(&mut self) -> Option<Element<'a>> {
        let (rest, header) = Header::from_ber(self.0).ok()?;
        let length = header.length().definite().ok()?.min(rest.len());
        let (contents, rest) = rest.split_at(length);
        self.0 = rest;
        Some(Element {
            class: header.class(),
            tag: header.tag().0,
            contents,
        })
    }

    /// The next element, which has to be of this universal type: its contents.
    pub fn universal(&mut self, tag: u32) -> Option<&'a [u8]> {
        let element = self.next()?;
        (element.class == Class::Universal && element.tag == tag).then_some(element.contents)
    }

    pub fn sequence(&mut self) -> Option<Self> {
        self.universal(SEQUENCE).map(Self)
    }

    /// A number that is not negative.
    pub fn number(&mut self) -> Option<u64> {
        number(self.universal(INTEGER)?)
    }

    /// The field of a sequence whose fields have numbers of their own: what is in it.
    pub fn field(self, tag: u32) -> Option<Self> {
        let mut rest = self;
        while let Some(element) = rest.next() {
            if element.class == Class::ContextSpecific && element.tag == tag {
                return Some(Self(element.contents));
            }
        }
        None
    }

    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// The contents of an integer that is not negative and has eight bytes at most.
pub(super) fn number(contents: &[u8]) -> Option<u64> {
    let (first, _) = contents.split_first()?;
    if first & 0x80 != 0 || contents.len() > 9 || (contents.len() == 9 && *first != 0) {
        return None;
    }
    let add = |sum: u64, b: &u8| sum << 8 | u64::from(*b);
    Some(contents.iter().fold(0, add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (contents, expected) in [
            (&[5][..], Some(5)),
            (&[0, 0x80], Some(128)),
            (&[0, 255, 255, 255, 255, 255, 255, 255, 255], Some(u64::MAX)),
            (&[1, 0, 0, 0, 0, 0, 0, 0, 0], None),
            (&[0x80], None),
            (&[], None),
        ] {
            assert_eq!(number(contents), expected, "{contents:?}");
        }
    }

    #[test]
    fn short_elements_are_what_the_library_reads() {
        for identifier in 0..=u8::MAX {
            for length in [0, 2, 3, 4, 0x7f, 0x80, 0x81, 0xff] {
                let bytes = [identifier, length, 3, 0, 0];
                let mut elements = Elements(&bytes);
                let expected = Any::from_ber(&bytes).ok().map(|(rest, any)| {
                    let (class, tag) = (any.header.class(), any.header.tag().0);
                    let contents = any.data;
                    (
                        Element {
                            class,
                            tag,
                            contents,
                        },
                        rest,
                    )
                });
                let read = elements.next().map(|element| (element, elements.0));
                assert_eq!(read, expected, "{bytes:x?}");
            }
        }
    }

    #[test]
    fn fields_are_found_by_their_number() {
        let mut outer = Elements(&[0x30, 10, 0xa1, 3, 2, 1, 5, 0xa3, 3, 2, 1, 6, 0xff]);
        let fields = outer.sequence().unwrap();
        assert_eq!(fields.field(3).and_then(|mut f| f.number()), Some(6));
        assert_eq!(fields.field(1).and_then(|mut f| f.number()), Some(5));
        assert!(fields.field(2).is_none());
        assert_eq!(outer.0, [0xff]);
        assert!(outer.next().is_none(), "its length is missing");
    }

    #[test]
    fn an_element_without_its_end_is_there_in_part() {
        let mut cut = Elements(&[0x04, 5, 1, 2]);
        assert!(cut.next().is_none());
        assert_eq!(cut.next_part().map(|e| e.contents), Some(&[1, 2][..]));
        assert!(cut.is_empty() && cut.next_part().is_none());
    }
}
