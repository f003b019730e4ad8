//! Units of UCUM in Prometheus's words.

use std::borrow::Cow;

/// Units of what is measured.
const MAIN: [(&str, &str); 24] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tebibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
];

/// Units of what it is divided by.
const PER: [(&str, &str); 7] =
    [("s", "second"), ("m", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month"), ("y", "year")];

/// The unit of what is measured and, with `per_`, of what it is divided by. Parts in braces are annotations and say nothing; unknown
/// units stay as they are.
pub(super) fn translate(unit: &str) -> (Cow<'_, str>, Cow<'_, str>) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let part = |text: &'static str| Cow::Borrowed(text);
    let main = match said(main) {
        "1" => part(""),
        "%" => part("percent"),
        main => MAIN.iter().find(|(short, _)| *short == main).map_or(Cow::Borrowed(main), |(_, long)| part(long)),
    };
    let per = match said(per) {
        "" => part(""),
        per => Cow::Owned(format!("per_{}", PER.iter().find(|(short, _)| *short == per).map_or(per, |(_, long)| long))),
    };
    (main, per)
}

/// A part of a unit without what says nothing.
fn said(part: &str) -> &str {
    let part = part.trim();
    if part.contains(['{', '}']) { "" } else { part }
}
