//! How often a rule alerts.

use super::{Keyword, Kind};
use crate::signature::ast::{Threshold, ThresholdKind, Track};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};

pub(super) fn keywords() -> Vec<Keyword> {
    vec![Keyword::option(
        Kind::Rate,
        "threshold",
        "threshold:type threshold|limit|both, track by_src|by_dst|by_both|by_rule|by_flow, count NUMBER, seconds NUMBER;",
        "Alerts on every count-th match (threshold), the first ones (limit) or once after count matches (both) within the time.",
        threshold,
    )]
}

fn threshold(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    if draft.threshold.is_some() {
        return Err(opt.name.fault("`threshold` stands twice"));
    }
    let value = opt.value()?.unquoted()?;
    let (mut kind, mut track, mut count, mut seconds) = (None, None, None, None);
    for part in value.split(',') {
        let Some((key, word)) = part.split_once(" ") else {
            return Err(part.fault("expected a word and its value"));
        };
        let twice = match key.text {
            "type" => kind.replace(threshold_kind(word)?).is_some(),
            "track" => track.replace(threshold_track(word)?).is_some(),
            "count" => count.replace(at_least_one(word)?).is_some(),
            "seconds" => seconds.replace(at_least_one(word)?).is_some(),
            other => {
                return Err(key.fault(format!("`{other}` is not type, track, count or seconds")));
            }
        };
        if twice {
            return Err(key.fault(format!("`{}` stands twice", key.text)));
        }
    }
    match (kind, track, count, seconds) {
        (Some(kind), Some(track), Some(count), Some(seconds)) => {
            draft.threshold = Some(Threshold {
                kind,
                track,
                count,
                seconds,
            });
            Ok(())
        }
        _ => Err(value.fault("type, track, count and seconds are all needed")),
    }
}

fn threshold_kind(word: Arg<'_>) -> Result<ThresholdKind, Fault> {
    Ok(match word.text {
        "threshold" => ThresholdKind::Threshold,
        "limit" => ThresholdKind::Limit,
        "both" => ThresholdKind::Both,
        "backoff" => return Err(word.fault("`backoff` is not read in this version")),
        other => return Err(word.fault(format!("`{other}` is not threshold, limit or both"))),
    })
}

fn threshold_track(word: Arg<'_>) -> Result<Track, Fault> {
    Ok(match word.text {
        "by_src" => Track::BySrc,
        "by_dst" => Track::ByDst,
        "by_both" => Track::ByBoth,
        "by_rule" => Track::ByRule,
        "by_flow" => Track::ByFlow,
        other => {
            return Err(word.fault(format!(
                "`{other}` is not by_src, by_dst, by_both, by_rule or by_flow"
            )));
        }
    })
}

fn at_least_one(word: Arg<'_>) -> Result<u32, Fault> {
    match word.u32()? {
        0 => Err(word.fault("at least 1")),
        number => Ok(number),
    }
}
