//! What clients ask for (RFC 4511 section 4).

use super::Event;
use super::message::{Fields, Message};
use super::operation::Operation;
use crate::app_layer::Limits;
use crate::app_layer::ber::number;
use crate::app_layer::message::{Fact, Transaction};
use crate::buffer::Buffer;
use crate::direction::Direction::ToServer;
use crate::number::Number;

/// The name of StartTLS (RFC 4511 section 4.14.1).
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// The choice of a password in a bind (RFC 4511 section 4.2).
const SIMPLE: u32 = 0;
const SASL: u32 = 3;

/// RFC 4511 section 4.5.1.
const SCOPES: [&str; 3] = ["base_object", "single_level", "whole_subtree"];
const ALIASES: [&str; 4] = [
    "never_deref_aliases",
    "deref_in_searching",
    "deref_finding_base_obj",
    "deref_always",
];
/// RFC 4511 section 4.6, RFC 4525 section 2.
const CHANGES: [&str; 4] = ["add", "delete", "replace", "increment"];

/// What becomes of the connection, or of another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Other,
    StartTls,
    /// A bind by which a security layer may be agreed on.
    Negotiation,
    /// The request with this ID is of no interest any more.
    Abandon(u32),
}

impl Purpose {
    pub fn of(message: &Message<'_>) -> Self {
        Self::read(message).unwrap_or(Self::Other)
    }

    fn read(message: &Message<'_>) -> Option<Self> {
        let mut fields = message.fields;
        match message.operation {
            Operation::BindRequest => {
                fields.number().ok()?;
                fields.text().ok()?;
                let choice = fields.next().ok()?.tag;
                (choice != SIMPLE).then_some(Self::Negotiation)
            }
            Operation::ExtendedRequest => {
                (fields.tagged(0)? == START_TLS).then_some(Self::StartTls)
            }
            Operation::AbandonRequest => {
                let id = number(message.contents)?;
                u32::try_from(id).ok().map(Self::Abandon)
            }
            _ => None,
        }
    }
}

/// Puts a request into its transaction, as much of it as can be read.
pub(super) fn read(
    tx: &mut Transaction,
    message: &Message<'_>,
    limits: &Limits,
) -> Result<(), Event> {
    let operation = message.operation as u64;
    tx.put_number(Number::LdapRequestOperation, ToServer, operation);
    if let Some(word) = Number::LdapRequestOperation.word(operation) {
        tx.tell("request.operation", Fact::Text(word.as_bytes()));
    }
    tx.tell("request.message_id", Fact::Number(message.id.into()));
    let mut request = Request {
        tx,
        fields: message.fields,
        attributes_left: limits.ldap_attributes,
    };
    match message.operation {
        Operation::BindRequest => request.bind(),
        Operation::SearchRequest => request.search(),
        Operation::ModifyRequest => request.modify(),
        Operation::AddRequest => request.add(),
        Operation::DelRequest => {
            request
                .tx
                .put(Buffer::LdapRequestDn, ToServer, message.contents);
            let dn = Fact::Text(message.contents);
            request.tx.tell("request.del_request.dn", dn);
            Ok(())
        }
        Operation::ModDnRequest => request.modify_dn(),
        Operation::CompareRequest => request.compare(),
        Operation::AbandonRequest => {
            let id = number(message.contents).ok_or(Event::InvalidData)?;
            request
                .tx
                .tell("request.abandon_request.message_id", Fact::Number(id));
            Ok(())
        }
        Operation::ExtendedRequest => request.extended(),
        _ => Ok(()),
    }
}

struct Request<'a, 't> {
    tx: &'t mut Transaction,
    fields: Fields<'a>,
    attributes_left: usize,
}

impl Request<'_, '_> {
    fn bind(&mut self) -> Result<(), Event> {
        let version = self.fields.number()?;
        self.tx
            .tell("request.bind_request.version", Fact::Number(version));
        self.dn("request.bind_request.name")?;
        let choice = self.fields.next()?;
        if choice.tag == SASL {
            let mechanism = self.fields.within(choice).text()?;
            let path = "request.bind_request.sasl.mechanism";
            self.tx.tell(path, Fact::Text(mechanism));
        }
        Ok(())
    }

    fn search(&mut self) -> Result<(), Event> {
        self.dn("request.search_request.base_object")?;
        let scope = self.fields.enumerated()?;
        self.word("request.search_request.scope", &SCOPES, scope);
        let aliases = self.fields.enumerated()?;
        self.word("request.search_request.deref_alias", &ALIASES, aliases);
        for path in [
            "request.search_request.size_limit",
            "request.search_request.time_limit",
        ] {
            let limit = self.fields.number()?;
            self.tx.tell(path, Fact::Number(limit));
        }
        let types_only = self.fields.flag()?;
        let path = "request.search_request.types_only";
        self.tx.tell(path, Fact::Flag(types_only));
        // The filter.
        self.fields.next()?;
        let mut names = self.fields.sequence()?;
        while !names.is_empty() {
            let name = names.text()?;
            self.attribute("request.search_request.attributes[]", name)?;
        }
        Ok(())
    }

    fn modify(&mut self) -> Result<(), Event> {
        self.dn("request.modify_request.object")?;
        let mut changes = self.fields.sequence()?;
        while !changes.is_empty() {
            let mut change = changes.sequence()?;
            let kind = change.enumerated()?;
            self.word("request.modify_request.changes[].operation", &CHANGES, kind);
            let mut attribute = change.sequence()?;
            let path = "request.modify_request.changes[-1].modification.attribute_type";
            self.attribute(path, attribute.text()?)?;
            let path = "request.modify_request.changes[-1].modification.attribute_values[]";
            self.values(path, attribute)?;
        }
        Ok(())
    }

    fn add(&mut self) -> Result<(), Event> {
        self.dn("request.add_request.entry")?;
        let mut attributes = self.fields.sequence()?;
        while !attributes.is_empty() {
            let mut attribute = attributes.sequence()?;
            self.attribute("request.add_request.attributes[].name", attribute.text()?)?;
            self.values("request.add_request.attributes[-1].values[]", attribute)?;
        }
        Ok(())
    }

    fn modify_dn(&mut self) -> Result<(), Event> {
        self.dn("request.mod_dn_request.entry")?;
        let name = self.fields.text()?;
        self.tx
            .tell("request.mod_dn_request.new_rdn", Fact::Text(name));
        let delete = self.fields.flag()?;
        let path = "request.mod_dn_request.delete_old_rdn";
        self.tx.tell(path, Fact::Flag(delete));
        if let Some(superior) = self.fields.tagged(0) {
            let path = "request.mod_dn_request.new_superior";
            self.tx.tell(path, Fact::Text(superior));
        }
        Ok(())
    }

    fn compare(&mut self) -> Result<(), Event> {
        self.dn("request.compare_request.entry")?;
        let mut assertion = self.fields.sequence()?;
        let path = "request.compare_request.attribute_value_assertion.description";
        self.attribute(path, assertion.text()?)?;
        let value = assertion.text()?;
        let path = "request.compare_request.attribute_value_assertion.value";
        self.tx.tell(path, Fact::Text(value));
        Ok(())
    }

    fn extended(&mut self) -> Result<(), Event> {
        let name = self.fields.tagged(0).ok_or(Event::InvalidData)?;
        self.tx
            .tell("request.extended_request.name", Fact::Text(name));
        if let Some(value) = self.fields.tagged(1) {
            self.tx
                .tell("request.extended_request.value", Fact::Text(value));
        }
        Ok(())
    }

    fn dn(&mut self, path: &'static str) -> Result<(), Event> {
        let dn = self.fields.text()?;
        self.tx.put(Buffer::LdapRequestDn, ToServer, dn);
        self.tx.tell(path, Fact::Text(dn));
        Ok(())
    }

    fn attribute(&mut self, path: &'static str, name: &[u8]) -> Result<(), Event> {
        let left = self.attributes_left.checked_sub(1);
        self.attributes_left = left.ok_or(Event::TooManyAttributes)?;
        self.tx
            .put(Buffer::LdapRequestAttributeType, ToServer, name);
        self.tx.tell(path, Fact::Text(name));
        Ok(())
    }

    fn values(&mut self, path: &'static str, mut attribute: Fields<'_>) -> Result<(), Event> {
        let mut values = attribute.set()?;
        while !values.is_empty() {
            self.tx.tell(path, Fact::Text(values.text()?));
        }
        Ok(())
    }

    fn word(&mut self, path: &'static str, words: &[&str], number: u64) {
        let word = usize::try_from(number).ok().and_then(|n| words.get(n));
        let fact = word.map_or(Fact::Number(number), |word| Fact::Text(word.as_bytes()));
        self.tx.tell(path, fact);
    }
}
