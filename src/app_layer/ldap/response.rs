//! What servers answer (RFC 4511 section 4).

use super::Event;
use super::message::{Fields, Message};
use super::operation::Operation;
use crate::app_layer::Limits;
use crate::app_layer::message::{Fact, Transaction};
use crate::buffer::Buffer;
use crate::direction::Direction::ToClient;
use crate::number::Number;

/// RFC 4511 section 4.1.9.
pub(super) const SUCCESS: u64 = 0;

/// Where a record shows a result.
struct Paths {
    code: &'static str,
    dn: &'static str,
    message: &'static str,
}

macro_rules! paths {
    ($name:literal) => {
        Some(Paths {
            code: concat!("responses[-1].", $name, ".result_code"),
            dn: concat!("responses[-1].", $name, ".matched_dn"),
            message: concat!("responses[-1].", $name, ".message"),
        })
    };
}

/// Of responses that are results, or begin with one (RFC 4511 section 4.1.9).
const fn paths(operation: Operation) -> Option<Paths> {
    match operation {
        Operation::BindResponse => paths!("bind_response"),
        Operation::SearchResultDone => paths!("search_result_done"),
        Operation::ModifyResponse => paths!("modify_response"),
        Operation::AddResponse => paths!("add_response"),
        Operation::DelResponse => paths!("del_response"),
        Operation::ModDnResponse => paths!("mod_dn_response"),
        Operation::CompareResponse => paths!("compare_response"),
        Operation::ExtendedResponse => paths!("extended_response"),
        _ => None,
    }
}

/// The result that a response tells.
pub(super) fn result_code(message: &Message<'_>) -> Option<u64> {
    let mut fields = message.fields;
    paths(message.operation).and_then(|_| fields.enumerated().ok())
}

/// Puts a response into its transaction, as much of it as can be read. Every response has a code, a
/// name and a text, if only an empty one, so that their places are the same.
pub(super) fn read(
    tx: &mut Transaction,
    message: &Message<'_>,
    limits: &Limits,
) -> Result<(), Event> {
    let operation = message.operation as u64;
    tx.put_number(Number::LdapResponsesOperation, ToClient, operation);
    if let Some(word) = Number::LdapResponsesOperation.word(operation) {
        tx.tell("responses[].operation", Fact::Text(word.as_bytes()));
    }
    tx.tell("responses[-1].message_id", Fact::Number(message.id.into()));
    match result_code(message) {
        Some(code) => tx.put_number(Number::LdapResponsesResultCode, ToClient, code),
        None => tx.put_no_number(Number::LdapResponsesResultCode, ToClient),
    }
    let mut texts = Texts::default();
    let read = match (message.operation, paths(message.operation)) {
        (Operation::SearchResultEntry, _) => entry(tx, message.fields, &mut texts, limits),
        (Operation::IntermediateResponse, _) => {
            let mut fields = message.fields;
            if let Some(name) = fields.tagged(0) {
                let path = "responses[-1].intermediate_response.name";
                tx.tell(path, Fact::Text(name));
            }
            Ok(())
        }
        (_, Some(paths)) => result(tx, message, &paths, &mut texts),
        (_, None) => Ok(()),
    };
    tx.put(Buffer::LdapResponsesDn, ToClient, texts.dn);
    tx.put(Buffer::LdapResponsesMessage, ToClient, texts.message);
    read
}

#[derive(Default)]
struct Texts<'a> {
    dn: &'a [u8],
    message: &'a [u8],
}

fn result<'a>(
    tx: &mut Transaction,
    message: &Message<'a>,
    paths: &Paths,
    texts: &mut Texts<'a>,
) -> Result<(), Event> {
    let mut fields = message.fields;
    let code = fields.enumerated()?;
    let word = Number::LdapResponsesResultCode.word(code);
    let fact = word.map_or(Fact::Number(code), |word| Fact::Text(word.as_bytes()));
    tx.tell(paths.code, fact);
    texts.dn = fields.text()?;
    tx.tell(paths.dn, Fact::Text(texts.dn));
    texts.message = fields.text()?;
    tx.tell(paths.message, Fact::Text(texts.message));
    if message.operation == Operation::ExtendedResponse {
        // The referral.
        fields.tagged(3);
        if let Some(name) = fields.tagged(10) {
            tx.tell("responses[-1].extended_response.name", Fact::Text(name));
        }
        if let Some(value) = fields.tagged(11) {
            tx.tell("responses[-1].extended_response.value", Fact::Text(value));
        }
    }
    Ok(())
}

fn entry<'a>(
    tx: &mut Transaction,
    mut fields: Fields<'a>,
    texts: &mut Texts<'a>,
    limits: &Limits,
) -> Result<(), Event> {
    texts.dn = fields.text()?;
    let path = "responses[-1].search_result_entry.base_object";
    tx.tell(path, Fact::Text(texts.dn));
    let mut attributes = fields.sequence()?;
    let mut left = limits.ldap_attributes;
    while !attributes.is_empty() {
        left = left.checked_sub(1).ok_or(Event::TooManyAttributes)?;
        let mut attribute = attributes.sequence()?;
        let name = attribute.text()?;
        tx.put(Buffer::LdapResponsesAttributeType, ToClient, name);
        let path = "responses[-1].search_result_entry.attributes[].type";
        tx.tell(path, Fact::Text(name));
        let mut values = attribute.set()?;
        while !values.is_empty() {
            let path = "responses[-1].search_result_entry.attributes[-1].values[]";
            tx.tell(path, Fact::Text(values.text()?));
        }
    }
    Ok(())
}
