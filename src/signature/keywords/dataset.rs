//! Sets of values: `dataset` and `datarep`.

use std::sync::Arc;

use super::kept::int_comparison;
use super::{Keyword, Kind};
use crate::buffer::Buffer;
use crate::signature::ast::{DatasetTest, SetCommand, SetDefinition, Test};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};
use crate::signature::set::{JsonFormat, SetContent, SetFormat, SetKind};
use crate::signature::suggest::nearest;

/// Longest name of a set, in bytes.
const MAX_NAME: usize = 64;

pub(super) fn keywords() -> Vec<Keyword> {
    vec![
        Keyword::option(
            Kind::Payload,
            "dataset",
            "dataset:set|unset|isset|isnotset,NAME[,type string|md5|sha1|sha256|ipv4|ip][,load FILE|state FILE|save FILE][,memcap BYTES][,format json|jsonline,value_key KEY,context_key NAME[,array_key PATH][,remove_key]];",
            "Looks the whole buffer up in a set. `set` and `unset` change it, and match where that made a difference. `load` reads a file beside the rules, `state` a file that is kept; with JSON, what the file says of the value is shown in the alert.",
            dataset,
        ),
        Keyword::option(
            Kind::Payload,
            "datarep",
            "datarep:NAME,<|>|<=|>=|=,SCORE[,load FILE,type string|md5|sha1|sha256|ipv4|ip][,memcap BYTES];",
            "The whole buffer is in the set, and its score there compares so.",
            datarep,
        ),
    ]
}

/// What is written behind the name.
#[derive(Default)]
struct Options<'a> {
    kind: Option<SetKind>,
    load: Option<Arg<'a>>,
    save: Option<Arg<'a>>,
    state: Option<Arg<'a>>,
    memory: Option<usize>,
    json: Option<JsonFormat>,
    context: Option<Arg<'a>>,
}

fn options<'a>(
    draft: &Draft<'_>,
    words: impl Iterator<Item = Arg<'a>>,
) -> Result<Options<'a>, Fault> {
    let mut options = Options::default();
    let mut json = JsonFormat {
        lines: false,
        value_key: String::new(),
        array_key: Vec::new(),
        remove_key: false,
    };
    let (mut format, mut json_words) = (None, None);
    for word in words {
        let (key, value) = match word.split_once(" ") {
            Some((key, value)) => (key, Some(value)),
            None => (word, None),
        };
        let value = || value.ok_or_else(|| key.fault(format!("`{}` needs a value", key.text)));
        match key.text {
            "type" => {
                let name = value()?;
                let kind = SetKind::from_name(name.text);
                options.kind = Some(kind.ok_or_else(|| {
                    let known = SetKind::ALL.map(SetKind::as_str);
                    name.fault(format!("a set holds {}", known.join(", ")))
                })?);
            }
            "load" => options.load = Some(value()?),
            "save" => options.save = Some(value()?),
            "state" => options.state = Some(value()?),
            "memcap" => options.memory = Some(memory(draft, value()?)?),
            // Our tables grow as they need.
            "hashsize" => {
                value()?.u32()?;
            }
            "format" => {
                let written = value()?;
                format = Some(match written.text {
                    "csv" => None,
                    "json" => Some(false),
                    "jsonline" | "ndjson" => Some(true),
                    _ => return Err(written.fault("expected csv, json or jsonline")),
                });
            }
            "value_key" => {
                json.value_key = value()?.text.to_owned();
                json_words = Some(key);
            }
            "array_key" => {
                json.array_key = value()?.split('.').map(|k| k.text.to_owned()).collect();
                json_words = Some(key);
            }
            "context_key" | "enrichment_key" => {
                options.context = Some(value()?);
                json_words = Some(key);
            }
            "remove_key" => {
                json.remove_key = true;
                json_words = Some(key);
            }
            other => {
                let known = [
                    "type",
                    "load",
                    "save",
                    "state",
                    "memcap",
                    "hashsize",
                    "format",
                    "value_key",
                    "array_key",
                    "context_key",
                    "remove_key",
                ];
                return Err(key
                    .fault(format!("`{other}` is no option of a set"))
                    .help_if(nearest(other, known).map(|n| format!("did you mean `{n}`?"))));
            }
        }
    }
    match (format.flatten(), json_words) {
        (Some(lines), _) => {
            if json.value_key.is_empty() {
                return Err(Fault::new(
                    options.load.unwrap_or(Arg { text: "", start: 0 }).span(),
                    "`value_key` is missing: which member is the value?",
                ));
            }
            json.lines = lines;
            options.json = Some(json);
        }
        (None, Some(word)) if options.load.is_some() => {
            return Err(word.fault(format!("`{}` goes with `format json`", word.text)));
        }
        (None, _) => {}
    }
    Ok(options)
}

fn memory(draft: &Draft<'_>, arg: Arg<'_>) -> Result<usize, Fault> {
    let lower = arg.text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match lower.get(digits.len()..).unwrap_or("") {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(arg.fault("expected a size such as 100mb")),
    };
    let number = digits.parse::<usize>().ok();
    let bytes = number.and_then(|n| n.checked_mul(1 << shift));
    let most = draft.surroundings.set_limits.most_bytes;
    match bytes {
        Some(bytes) if (1..=most).contains(&bytes) => Ok(bytes),
        Some(_) => Err(arg
            .fault(format!("a set takes 1 to {most} bytes"))
            .help("`max_set_bytes` of `[datasets]` says how much a rule may ask for")),
        None => Err(arg.fault("expected a size such as 100mb")),
    }
}

fn dataset(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let mut words = value.split(',');
    let whole = || value.fault("expected a command, a comma and the name of a set");
    let command_word = words.next().ok_or_else(whole)?;
    let command = match command_word.text {
        "set" => SetCommand::Set,
        "unset" => SetCommand::Unset,
        "isset" => SetCommand::IsSet,
        "isnotset" => SetCommand::IsNotSet,
        _ => return Err(command_word.fault("expected set, unset, isset or isnotset")),
    };
    let name = set_name(words.next().ok_or_else(whole)?)?;
    let options = options(draft, words)?;
    if let Some(json) = options.context.filter(|_| command != SetCommand::IsSet) {
        return Err(json.fault("only `isset` finds what can be shown"));
    }
    let format = match options.json.clone() {
        Some(json) => SetFormat::Json(json),
        None => SetFormat::Lines,
    };
    add(draft, opt, name, command, &options, &format)
}

fn datarep(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let value = opt.value()?.unquoted()?;
    let mut words = value.split(',');
    let whole = || value.fault("expected the name of a set, a comparison and a score");
    let name = set_name(words.next().ok_or_else(whole)?)?;
    let operator = words.next().ok_or_else(whole)?;
    let comparison = int_comparison(operator.text)
        .ok_or_else(|| operator.fault("expected <, >, <=, >= or ="))?;
    let score = words.next().ok_or_else(whole)?;
    let score = score.integer_in(0..=i64::from(u16::MAX))?;
    let score = u16::try_from(score).unwrap_or(u16::MAX);
    let options = options(draft, words)?;
    let command = SetCommand::Score(comparison, score);
    add(draft, opt, name, command, &options, &SetFormat::Scores)
}

fn set_name(arg: Arg<'_>) -> Result<Arg<'_>, Fault> {
    let good = |b: u8| b.is_ascii_graphic();
    if arg.text.is_empty() || arg.text.len() > MAX_NAME || !arg.text.bytes().all(good) {
        return Err(arg.fault(format!(
            "the name of a set has 1 to {MAX_NAME} printable characters"
        )));
    }
    Ok(arg)
}

fn add(
    draft: &mut Draft<'_>,
    opt: &Opt<'_>,
    name: Arg<'_>,
    command: SetCommand,
    options: &Options<'_>,
    format: &SetFormat,
) -> Result<(), Fault> {
    if matches!(draft.sticky_buffer(), None | Some(Buffer::Payload)) {
        return Err(opt.name.fault(format!(
            "`{}` needs a sticky buffer before it",
            opt.name.text
        )));
    }
    let surroundings = draft.surroundings;
    let Some(kind) = options.kind.or_else(|| surroundings.kind_of(name.text)) else {
        return Err(name
            .fault(format!("no rule before says what `{}` holds", name.text))
            .help("write `type string`, md5, sha1, sha256, ipv4 or ip behind the name"));
    };
    if let Err(before) = surroundings.note_kind(name.text, kind) {
        return Err(name.fault(format!(
            "a rule before says that `{}` holds {}",
            name.text,
            before.as_str()
        )));
    }
    let limit = options
        .memory
        .unwrap_or(surroundings.set_limits.default_bytes);
    let (content, kept_in) = content(draft, options, kind, format)?;
    if let Some(content) = &content
        && content.bytes() > limit
    {
        return Err(name.fault(format!(
            "the set takes {} bytes, and may take {limit}",
            content.bytes()
        )));
    }
    draft.add(Test::Dataset(DatasetTest {
        set: SetDefinition {
            name: name.text.to_owned(),
            kind,
            content,
            memory_bytes: limit,
            kept_in,
        },
        command,
        context: options.context.map(|c| c.text.to_owned()),
    }));
    Ok(())
}

type Content = (Option<Arc<SetContent>>, Option<String>);

fn content(
    draft: &Draft<'_>,
    options: &Options<'_>,
    kind: SetKind,
    format: &SetFormat,
) -> Result<Content, Fault> {
    let surroundings = draft.surroundings;
    let kept_name = |file: Arg<'_>| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if file.text.starts_with('.') || !file.text.bytes().all(plain) {
            return Err(file
                .fault("a file that is kept is named by letters, digits, `.`, `_` and `-` alone")
                .help("it lies in `state_dir` of `[datasets]`"));
        }
        Ok(file.text.to_owned())
    };
    if let (Some(state), Some(other)) = (options.state, options.load.or(options.save)) {
        let _ = state;
        return Err(other.fault("`state` stands for both `load` and `save`"));
    }
    if let Some(state) = options.state {
        let name = kept_name(state)?;
        let content = surroundings
            .kept(&name, kind)
            .map_err(|why| state.fault(format!("{}: {why}", state.text)))?;
        return Ok((Some(content), Some(name)));
    }
    let kept_in = options.save.map(kept_name).transpose()?;
    let content = options.load.map(|file| {
        surroundings
            .load(file.text, kind, format)
            .map_err(|why| file.fault(format!("{}: {why}", file.text)))
    });
    Ok((content.transpose()?, kept_in))
}
