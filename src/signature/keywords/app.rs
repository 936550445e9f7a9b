//! What the application layer found.

use super::size::range;
use super::{Keyword, Kind};
use crate::app_layer::{Event, Protocol};
use crate::number::{Number, Place};
use crate::signature::ast::{NumberCondition, NumberTest, ProtocolMode, ProtocolTest};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};
use crate::signature::suggest::nearest;

pub(super) fn keywords() -> Vec<Keyword> {
    let k = |name, syntax, help, parse| Keyword::option(Kind::Flow, name, syntax, help, parse);
    vec![
        k(
            "app-layer-event",
            "app-layer-event:PROTOCOL.EVENT;",
            "Something a protocol's parser found wrong, such as `tls.overflow_heartbeat_message`.",
            event,
        ),
        k(
            "ftpbounce",
            "ftpbounce;",
            "PORT or EPRT names another address than the client's own.",
            |draft, opt| {
                opt.no_value()?;
                draft.numbers.push(NumberTest {
                    number: Number::FtpPortAddress,
                    place: Place::Any,
                    condition: NumberCondition::NotClient,
                });
                Ok(())
            },
        ),
        k(
            "app-layer-protocol",
            "app-layer-protocol:[!]PROTOCOL|failed|unknown[,final|direction|original];",
            "The protocol found on the flow, whatever its port; `unknown`: not yet, `failed`: none that is read.",
            protocol,
        ),
        Keyword::option(
            Kind::Number,
            "ike.chosen_sa_attribute",
            "ike.chosen_sa_attribute:ATTRIBUTE=NUMBER; ATTRIBUTE one of alg_enc, alg_hash, alg_auth, alg_dh, alg_prf, sa_group_type, sa_life_type, sa_life_duration, sa_key_length, sa_field_size;",
            "An attribute of the security association that an IKE version 1 server chose.",
            ike_attribute,
        ),
    ]
}

const IKE_ATTRIBUTES: &[Number] = &[
    Number::IkeEncryption,
    Number::IkeHash,
    Number::IkeAuthentication,
    Number::IkeGroup,
    Number::IkePrf,
    Number::IkeGroupType,
    Number::IkeLifeType,
    Number::IkeLifeDuration,
    Number::IkeKeyLength,
    Number::IkeFieldSize,
];

fn ike_attribute(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let Some((name, wanted)) = value.split_once("=") else {
        return Err(value.fault("an attribute and its value are expected"));
    };
    let name = name.trim();
    let known = IKE_ATTRIBUTES.iter().find(|n| n.as_str() == name.text);
    let Some(&number) = known else {
        let fault = name.fault(format!("`{}` is no attribute", name.text));
        let near = nearest(name.text, IKE_ATTRIBUTES.iter().map(|n| n.as_str()));
        return Err(fault.help_if(near.map(|n| format!("did you mean `{n}`?"))));
    };
    let condition = NumberCondition::Range(range(wanted.trim(), number.max())?);
    draft.numbers.push(NumberTest {
        number,
        place: Place::Any,
        condition,
    });
    Ok(())
}

fn event(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    match Event::from_name(value.text) {
        Some(event) => {
            draft.events.push(event);
            Ok(())
        }
        None => Err(value.fault(format!("no parser raises the event `{}`", value.text))),
    }
}

fn protocol(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let (negated, value) = opt.value()?.unquoted()?.negation();
    let (word, mode) = match value.split_once(",") {
        None => (value, ProtocolMode::Final),
        Some((word, mode)) => (word, protocol_mode(mode)?),
    };
    let protocol = match word.text {
        "failed" => Protocol::Unknown,
        "unknown" => Protocol::Undetermined,
        other => Protocol::from_word(other)
            .ok_or_else(|| word.fault(format!("protocol `{other}` is not read in this version")))?,
    };
    let mut others = draft.protocols.iter().filter(|p| p.mode == mode);
    if others.any(|p| !p.negated || !negated) {
        return Err(opt
            .name
            .fault("only negated protocols may stand more than once"));
    }
    draft.protocols.push(ProtocolTest {
        protocol,
        negated,
        mode,
    });
    Ok(())
}

fn protocol_mode(word: Arg<'_>) -> Result<ProtocolMode, Fault> {
    match word.text {
        "final" | "direction" => Ok(ProtocolMode::Final),
        "original" => Ok(ProtocolMode::Original),
        "to_server" | "to_client" | "either" => Err(word
            .fault("both directions of a flow have one protocol here")
            .help("ask for `final` or `original`, and for the direction with `flow`")),
        _ => Err(word
            .fault(format!("unknown mode `{}`", word.text))
            .help("write `final`, `direction` or `original`")),
    }
}
