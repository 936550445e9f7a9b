//! How often a rule alerts.

use super::{Keyword, Kind};
use crate::signature::ast::{Threshold, ThresholdKind, Track};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt};

pub(super) fn keywords() -> Vec<Keyword> {
    vec![
        Keyword::option(
            Kind::Rate,
            "threshold",
            "threshold:type threshold|limit|both, track by_src|by_dst|by_both|by_rule|by_flow, count NUMBER, seconds NUMBER; threshold:type backoff, track by_flow, count NUMBER, multiplier NUMBER;",
            "Alerts on every count-th match (threshold), the first ones (limit) or once after count matches (both) within the time; or on match count, and again each time the count has grown multiplier times (backoff).",
            threshold,
        ),
        Keyword::option(
            Kind::Rate,
            "detection_filter",
            "detection_filter:track by_src|by_dst|by_both|by_rule|by_flow, count NUMBER, seconds NUMBER;",
            "Matches only once there were more than count matches within the time; those before count for nothing.",
            detection_filter,
        ),
    ]
}

fn detection_filter(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    if draft.threshold.is_some() {
        return Err(opt
            .name
            .fault("`detection_filter` and `threshold` exclude each other"));
    }
    let value = opt.value()?.unquoted()?;
    let (mut track, mut count, mut seconds) = (None, None, None);
    for part in value.split(',') {
        let Some((key, word)) = part.split_once(" ") else {
            return Err(part.fault("expected a word and its value"));
        };
        let twice = match key.text {
            "track" => track.replace(threshold_track(word)?).is_some(),
            "count" => count.replace(at_least_one(word)?).is_some(),
            "seconds" => seconds.replace(at_least_one(word)?).is_some(),
            other => {
                return Err(key.fault(format!("`{other}` is not track, count or seconds")));
            }
        };
        if twice {
            return Err(key.fault(format!("`{}` stands twice", key.text)));
        }
    }
    let (Some(track), Some(count), Some(seconds)) = (track, count, seconds) else {
        return Err(value.fault("track, count and seconds are all needed"));
    };
    draft.threshold = Some(Threshold {
        kind: ThresholdKind::Filter,
        track,
        count,
        seconds,
        multiplier: 0,
    });
    Ok(())
}

fn threshold(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    if draft.threshold.is_some() {
        return Err(opt
            .name
            .fault("`threshold` stands twice, or beside `detection_filter`"));
    }
    let value = opt.value()?.unquoted()?;
    let (mut kind, mut track, mut count, mut seconds) = (None, None, None, None);
    let mut multiplier = None;
    for part in value.split(',') {
        let Some((key, word)) = part.split_once(" ") else {
            return Err(part.fault("expected a word and its value"));
        };
        let twice = match key.text {
            "type" => kind.replace(threshold_kind(word)?).is_some(),
            "track" => track.replace(threshold_track(word)?).is_some(),
            "count" => count.replace(at_least_one(word)?).is_some(),
            "seconds" => seconds.replace(at_least_one(word)?).is_some(),
            "multiplier" => multiplier.replace(at_least_two(word)?).is_some(),
            other => {
                return Err(key.fault(format!(
                    "`{other}` is not type, track, count, seconds or multiplier"
                )));
            }
        };
        if twice {
            return Err(key.fault(format!("`{}` stands twice", key.text)));
        }
    }
    let (seconds, multiplier) = match (kind, seconds, multiplier) {
        (Some(ThresholdKind::Backoff), None, Some(multiplier)) => (0, multiplier),
        (Some(ThresholdKind::Backoff), ..) => {
            return Err(value.fault("`backoff` takes a multiplier, and no seconds"));
        }
        (_, Some(seconds), None) => (seconds, 0),
        (_, _, Some(_)) => return Err(value.fault("only `backoff` takes a multiplier")),
        (_, None, None) => {
            return Err(value.fault("type, track, count and seconds are all needed"));
        }
    };
    match (kind, track, count) {
        (Some(ThresholdKind::Backoff), Some(track), _) if track != Track::ByFlow => {
            Err(value.fault("`backoff` tracks `by_flow`"))
        }
        (Some(kind), Some(track), Some(count)) => {
            draft.threshold = Some(Threshold {
                kind,
                track,
                count,
                seconds,
                multiplier,
            });
            Ok(())
        }
        _ => Err(value.fault("type, track, count and seconds are all needed")),
    }
}

pub(in crate::signature) fn threshold_kind(word: Arg<'_>) -> Result<ThresholdKind, Fault> {
    Ok(match word.text {
        "threshold" => ThresholdKind::Threshold,
        "limit" => ThresholdKind::Limit,
        "both" => ThresholdKind::Both,
        "backoff" => ThresholdKind::Backoff,
        other => {
            return Err(word.fault(format!(
                "`{other}` is not threshold, limit, both or backoff"
            )));
        }
    })
}

pub(in crate::signature) fn threshold_track(word: Arg<'_>) -> Result<Track, Fault> {
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

pub(in crate::signature) fn at_least_one(word: Arg<'_>) -> Result<u32, Fault> {
    match word.u32()? {
        0 => Err(word.fault("at least 1")),
        number => Ok(number),
    }
}

fn at_least_two(word: Arg<'_>) -> Result<u32, Fault> {
    match word.u32()? {
        0 | 1 => Err(word.fault("at least 2")),
        number => Ok(number),
    }
}
