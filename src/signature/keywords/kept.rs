//! What is kept between packets: bits of hosts, numbers and texts of flows, reputation.

use super::content;
use super::{Keyword, Kind};
use crate::signature::ast::{
    BitCommand, BitTrack, CaptureScope, IntComparison, IntOperator, IntValue, KeptAction, KeptTest,
    ReputationCondition, ReputationOf,
};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};
use crate::signature::suggest::nearest;

/// Seconds that a bit of a host lasts where the rule does not say.
const XBIT_EXPIRE: u32 = 30;
const HOSTBIT_EXPIRE: u32 = 300;
/// Longest life of a bit: a year.
const MAX_EXPIRE: i64 = 31_536_000;
/// Most names in one `isset,a|b`.
const MAX_NAMES: usize = 256;
/// Longest name, in bytes.
const MAX_NAME: usize = 256;
/// Highest score of a reputation.
const MAX_SCORE: i64 = 127;

pub(super) fn keywords() -> Vec<Keyword> {
    let k = |name, syntax, help, parse| Keyword::option(Kind::Kept, name, syntax, help, parse);
    vec![
        k(
            "xbits",
            "xbits:set|unset|toggle|isset|isnotset,NAME,track ip_src|ip_dst|ip_pair|tx[,expire SECONDS]; xbits:noalert;",
            "Sets or tests a named bit of a host, of a pair of hosts or of a transaction; a host's bit lasts 30 seconds unless said otherwise.",
            xbits,
        ),
        k(
            "hostbits",
            "hostbits:set|unset|toggle|isset|isnotset,NAME[,src|dst]; hostbits:noalert;",
            "Sets or tests a named bit of the sender or the receiver, as `xbits` does; it lasts 300 seconds. `isset` and `isnotset` take several names with `|` between them.",
            hostbits,
        ),
        k(
            "flowint",
            "flowint:NAME,<|>|<=|>=|==|!=|=|+|-,NUMBER|NAME; flowint:NAME,isset|isnotset;",
            "Compares, sets (=), raises (+) or lowers (-) a named number of the flow; a number never set counts as 0 where it is raised, and fulfils no comparison.",
            flowint,
        ),
        k(
            "flowvar",
            "flowvar:NAME,\"BYTES\";",
            "The text that a `pcre` has kept with the flow holds these bytes.",
            |draft, opt| text(draft, opt, CaptureScope::Flow),
        ),
        k(
            "pktvar",
            "pktvar:NAME,\"BYTES\";",
            "The text that a `pcre` has kept with the packet is these bytes.",
            |draft, opt| text(draft, opt, CaptureScope::Packet),
        ),
        k(
            "iprep",
            "iprep:any|src|dst|both,CATEGORY,<|>|<=|>=|=,SCORE; iprep:any|src|dst|both,CATEGORY,isset|isnotset;",
            "Compares the score of an address in a category of `[reputation]`; `any` and `both` look at both ends.",
            iprep,
        ),
    ]
}

/// What a keyword for bits is asked to do.
enum Command {
    Act(BitCommand),
    Ask(bool),
}

fn command(word: Arg<'_>) -> Result<Command, Fault> {
    Ok(match word.text {
        "set" => Command::Act(BitCommand::Set),
        "unset" => Command::Act(BitCommand::Unset),
        "toggle" => Command::Act(BitCommand::Toggle),
        "isset" => Command::Ask(true),
        "isnotset" => Command::Ask(false),
        other => {
            let known = ["set", "unset", "toggle", "isset", "isnotset", "noalert"];
            return Err(word
                .fault(format!("`{other}` is no command for bits"))
                .help_if(nearest(other, known).map(|n| format!("did you mean `{n}`?"))));
        }
    })
}

fn names(arg: Arg<'_>, command: &Command) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    for word in arg.split('|') {
        found.push(name(word)?);
        if found.len() > 1 && matches!(command, Command::Act(_)) {
            return Err(arg.fault("only `isset` and `isnotset` take several names"));
        }
        if found.len() > MAX_NAMES {
            return Err(arg.fault(format!("more than {MAX_NAMES} names")));
        }
    }
    Ok(found)
}

fn name(word: Arg<'_>) -> Result<String, Fault> {
    if word.text.is_empty() || word.text.len() > MAX_NAME || word.text.contains(char::is_whitespace)
    {
        return Err(word.fault("a name has no spaces and is not empty"));
    }
    Ok(word.text.to_owned())
}

fn keep(
    draft: &mut Draft<'_>,
    command: &Command,
    names: Vec<String>,
    track: BitTrack,
    expire: u32,
) {
    match command {
        Command::Ask(set) => draft.kept_tests.push(KeptTest::Bit {
            names,
            track,
            set: *set,
        }),
        Command::Act(command) => {
            draft
                .kept_actions
                .extend(names.into_iter().map(|name| KeptAction::Bit {
                    name,
                    track,
                    command: *command,
                    expire,
                }));
        }
    }
}

fn xbits(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    if value.text == "noalert" {
        draft.noalert = true;
        return Ok(());
    }
    let mut words = value.split(',');
    let whole = || value.fault("expected a command, a name and `track`, with commas");
    let command = command(words.next().ok_or_else(whole)?)?;
    let names = names(words.next().ok_or_else(whole)?, &command)?;
    let (mut track, mut expire) = (None, XBIT_EXPIRE);
    for word in words {
        match word.split_once(" ") {
            Some((key, whose)) if key.text == "track" => {
                track = Some(match whose.text {
                    "ip_src" => BitTrack::Source,
                    "ip_dst" => BitTrack::Destination,
                    "ip_pair" => BitTrack::Pair,
                    "tx" => BitTrack::Transaction,
                    _ => return Err(whose.fault("expected ip_src, ip_dst, ip_pair or tx")),
                });
            }
            Some((key, seconds)) if key.text == "expire" => {
                expire = u32::try_from(seconds.integer_in(1..=MAX_EXPIRE)?).unwrap_or(XBIT_EXPIRE);
            }
            _ => return Err(word.fault("expected `track` or `expire` with a value")),
        }
    }
    let track = track.ok_or_else(|| value.fault("`track` is missing: whose bit is it?"))?;
    keep(draft, &command, names, track, expire);
    Ok(())
}

fn hostbits(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    if value.text == "noalert" {
        draft.noalert = true;
        return Ok(());
    }
    let mut words = value.split(',');
    let whole = || value.fault("expected a command, a comma and a name");
    let command = command(words.next().ok_or_else(whole)?)?;
    let names = names(words.next().ok_or_else(whole)?, &command)?;
    let track = match words.next() {
        None => BitTrack::Source,
        Some(word) => match word.text {
            "src" => BitTrack::Source,
            "dst" => BitTrack::Destination,
            "both" => {
                return Err(word
                    .fault("a bit belongs to one host")
                    .help("write `xbits` with `track ip_pair` for both"));
            }
            _ => return Err(word.fault("expected src or dst")),
        },
    };
    if let Some(extra) = words.next() {
        return Err(extra.fault("expected nothing more"));
    }
    keep(draft, &command, names, track, HOSTBIT_EXPIRE);
    Ok(())
}

fn flowint(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let mut words = value.split(',');
    let whole = || value.fault("expected a name, a comparison or change and a number");
    let name = name(words.next().ok_or_else(whole)?)?;
    let operator = words.next().ok_or_else(whole)?;
    let operand = words.next();
    if let Some(extra) = words.next() {
        return Err(extra.fault("expected nothing more"));
    }
    let set = match operator.text {
        "isset" => Some(true),
        "isnotset" | "notset" => Some(false),
        _ => None,
    };
    if let Some(set) = set {
        if let Some(extra) = operand {
            return Err(extra.fault("expected nothing more"));
        }
        draft.kept_tests.push(KeptTest::NumberIsSet { name, set });
        return Ok(());
    }
    let value = operand.map(int_value).ok_or_else(whole)??;
    let change = match operator.text {
        "=" => Some(IntOperator::Set),
        "+" => Some(IntOperator::Add),
        "-" => Some(IntOperator::Subtract),
        _ => None,
    };
    if let Some(operator) = change {
        draft.kept_actions.push(KeptAction::Number {
            name,
            operator,
            value,
        });
        return Ok(());
    }
    let Some(comparison) = int_comparison(operator.text).filter(|_| operator.text != "=") else {
        return Err(operator.fault("expected <, >, <=, >=, ==, !=, =, +, -, isset or isnotset"));
    };
    draft.kept_tests.push(KeptTest::Number {
        name,
        comparison,
        value,
    });
    Ok(())
}

pub(super) fn int_comparison(text: &str) -> Option<IntComparison> {
    Some(match text {
        "<" => IntComparison::Less,
        "<=" => IntComparison::LessOrEqual,
        ">" => IntComparison::Greater,
        ">=" => IntComparison::GreaterOrEqual,
        "==" | "=" => IntComparison::Equal,
        "!=" => IntComparison::NotEqual,
        _ => return None,
    })
}

fn int_value(arg: Arg<'_>) -> Result<IntValue, Fault> {
    if arg.text.starts_with(|c: char| c.is_ascii_digit()) {
        return arg.u32().map(IntValue::Const);
    }
    name(arg).map(IntValue::Named)
}

fn text(draft: &mut Draft<'_>, opt: &Opt<'_>, scope: CaptureScope) -> Result<(), Fault> {
    let value = opt.value()?;
    let Some((variable, bytes)) = value.split_once(",") else {
        return Err(value.fault("expected a name, a comma and bytes"));
    };
    let bytes = content::bytes(bytes.unquoted()?)?;
    if bytes.is_empty() {
        return Err(value.fault("the bytes are empty"));
    }
    draft.kept_tests.push(KeptTest::Text {
        scope,
        name: name(variable)?,
        bytes,
    });
    Ok(())
}

fn iprep(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let words: Vec<Arg<'_>> = value.split(',').collect();
    let (who, category, condition) = match words[..] {
        [who, category, condition] => {
            let set = match condition.text {
                "isset" => true,
                "isnotset" => false,
                _ => return Err(condition.fault("expected isset, isnotset or a comparison")),
            };
            (who, category, ReputationCondition::IsSet(set))
        }
        [who, category, operator, score] => {
            let comparison = int_comparison(operator.text)
                .ok_or_else(|| operator.fault("expected <, >, <=, >= or ="))?;
            let score = score.integer_in(0..=MAX_SCORE)?;
            let score = u8::try_from(score).unwrap_or(0);
            (who, category, ReputationCondition::Is(comparison, score))
        }
        _ => return Err(value.fault("expected an end, a category, a comparison and a score")),
    };
    let who = match who.text {
        "any" => ReputationOf::Any,
        "src" => ReputationOf::Source,
        "dst" => ReputationOf::Destination,
        "both" => ReputationOf::Both,
        _ => return Err(who.fault("expected any, src, dst or both")),
    };
    let categories = draft.surroundings.categories;
    let Some(&number) = categories.get(category.text) else {
        let near = nearest(category.text, categories.keys().map(String::as_str));
        return Err(category
            .fault(format!("no category `{}` is known", category.text))
            .help(near.map_or_else(
                || "categories are read from `categories_file` of `[reputation]`".to_owned(),
                |n| format!("did you mean `{n}`?"),
            )));
    };
    draft.kept_tests.push(KeptTest::Reputation {
        who,
        category: number,
        condition,
    });
    Ok(())
}
