//! The commands of a script.

use regex::Regex;

use super::notation::{self, NotationError, SeriesLine};

/// A command and where it stands.
#[derive(Debug)]
pub(super) struct Block {
    /// The line of the script, from 1.
    pub(super) line: usize,
    /// What is to be done.
    pub(super) command: Command,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Command {
    /// Forget all series.
    Clear,
    /// Add series.
    Load(Load),
    /// Ask a query.
    Eval(Box<Eval>),
}

/// Series to be added.
#[derive(Debug)]
pub(super) struct Load {
    /// The distance of their values, ms.
    pub(super) step: i64,
    /// Whether classic histograms are stored as native ones as well.
    pub(super) with_native: bool,
    /// The series.
    pub(super) series: Vec<SeriesLine>,
}

/// A query and what it answers.
#[derive(Debug)]
pub(super) struct Eval {
    /// The query.
    pub(super) query: String,
    /// When.
    pub(super) times: Times,
    /// What the answer is like.
    pub(super) expected: Expected,
    /// The series of the answer.
    pub(super) series: Vec<SeriesLine>,
    /// The number that the answer is, if it is one.
    pub(super) scalar: Option<f64>,
}

/// When a query is evaluated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Times {
    /// Once, ms.
    Instant(i64),
    /// At steps, ms.
    Range(Range),
}

/// Times at equal distances, ms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) step: i64,
}

/// What an answer is like beside its values.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// It is an error with this text.
    pub(super) fail: Option<Text>,
    /// It has these warnings and no others; none says nothing.
    pub(super) warnings: Vec<Text>,
    /// It has these infos and no others; none says nothing.
    pub(super) infos: Vec<Text>,
    /// It has no warning.
    pub(super) no_warning: bool,
    /// It has no info.
    pub(super) no_info: bool,
    /// Its series stand in this order.
    pub(super) ordered: bool,
    /// It is a text.
    pub(super) string: Option<String>,
    /// It is a range vector with samples at these times.
    pub(super) range_vector: Option<Range>,
}

/// What a text is like.
#[derive(Debug)]
pub(super) enum Text {
    /// Anything.
    Any,
    /// This.
    Exact(String),
    /// Something in which this is found.
    Pattern(Regex),
}

impl Text {
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(expected) => expected == text,
            Self::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

/// A script that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct ScriptError {
    /// The line of the script, from 1.
    pub line: usize,
    kind: ScriptErrorKind,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum ScriptErrorKind {
    #[error("unknown command: {0}")]
    Command(String),
    #[error("unknown expectation: {0}")]
    Expectation(String),
    #[error("not a pattern: {0}")]
    Pattern(String),
    #[error(transparent)]
    Notation(#[from] NotationError),
}

/// Reads a script.
pub(super) fn parse(text: &str) -> Result<Vec<Block>, ScriptError> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim).enumerate().map(|(index, line)| (index + 1, line)).peekable();
    while let Some((line, head)) = lines.next() {
        if ends_block(head) {
            continue;
        }
        let mut body = Vec::new();
        while head != "clear"
            && let Some(next) = lines.next_if(|(_, next)| !ends_block(next))
        {
            body.push(next);
        }
        blocks.push(Block { line, command: command(line, head, &body)? });
    }
    Ok(blocks)
}

fn ends_block(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

fn command(line: usize, head: &str, body: &[(usize, &str)]) -> Result<Command, ScriptError> {
    let unknown = || ScriptError { line, kind: ScriptErrorKind::Command(head.to_owned()) };
    let (word, rest) = word(head);
    match word {
        "clear" => Ok(Command::Clear),
        "load" | "load_with_nhcb" => {
            let step = notation::duration_ms(rest).ok_or_else(unknown)?;
            let series = body.iter().map(|(line, text)| series(*line, text)).collect::<Result<_, _>>()?;
            Ok(Command::Load(Load { step, with_native: word == "load_with_nhcb", series }))
        }
        "eval" | "eval_fail" | "eval_warn" | "eval_info" | "eval_ordered" => {
            let (times, query) = times(rest).ok_or_else(unknown)?;
            let mut expected = Expected::default();
            match word {
                "eval_fail" => expected.fail = Some(Text::Any),
                "eval_warn" => expected.warnings.push(Text::Any),
                "eval_info" => expected.infos.push(Text::Any),
                "eval_ordered" => expected.ordered = true,
                _ => {}
            }
            let mut eval = Eval { query: query.to_owned(), times, expected, series: Vec::new(), scalar: None };
            body.iter().try_for_each(|(line, text)| eval_line(&mut eval, *line, text))?;
            Ok(Command::Eval(Box::new(eval)))
        }
        _ => Err(unknown()),
    }
}

fn series(line: usize, text: &str) -> Result<SeriesLine, ScriptError> {
    notation::series_line(text).map_err(|err| ScriptError { line, kind: err.into() })
}

/// The first word and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

/// `instant at 5m query`, `range from 0 to 5m step 1m query`
fn times(text: &str) -> Option<(Times, &str)> {
    let (kind, rest) = word(text);
    let after = |rest, name| {
        let (found, rest) = word(rest);
        let (value, rest) = word(rest);
        (found == name).then(|| notation::duration_ms(value).map(|ms| (ms, rest))).flatten()
    };
    match kind {
        "instant" => {
            let (at, query) = after(rest, "at")?;
            Some((Times::Instant(at), query))
        }
        "range" => {
            let (range, query) = range(rest)?;
            Some((Times::Range(range), query))
        }
        _ => None,
    }
}

/// `from 0 to 5m step 1m …`
fn range(text: &str) -> Option<(Range, &str)> {
    let mut rest = text;
    let mut values = [0; 3];
    for (name, value) in ["from", "to", "step"].into_iter().zip(&mut values) {
        let (found, after) = word(rest);
        let (text, after) = word(after);
        if found != name {
            return None;
        }
        *value = notation::duration_ms(text)?;
        rest = after;
    }
    let [from, to, step] = values;
    Some((Range { from, to, step }, rest))
}

fn eval_line(eval: &mut Eval, line: usize, text: &str) -> Result<(), ScriptError> {
    let (head, rest) = word(text);
    match head {
        "expect" => return expectation(&mut eval.expected, rest).map_err(|kind| ScriptError { line, kind }),
        "expected_fail_message" => eval.expected.fail = Some(Text::Exact(rest.to_owned())),
        "expected_fail_regexp" => {
            eval.expected.fail = Some(pattern(rest).map_err(|kind| ScriptError { line, kind })?);
        }
        _ => match notation::number(text) {
            Some(number) => eval.scalar = Some(number),
            None => eval.series.push(series(line, text)?),
        },
    }
    Ok(())
}

fn expectation(expected: &mut Expected, text: &str) -> Result<(), ScriptErrorKind> {
    let unknown = || ScriptErrorKind::Expectation(text.to_owned());
    let (kind, rest) = word(text);
    match kind {
        "fail" => expected.fail = Some(text_of(rest)?),
        "warn" => expected.warnings.push(text_of(rest)?),
        "info" => expected.infos.push(text_of(rest)?),
        "no_warn" => expected.no_warning = true,
        "no_info" => expected.no_info = true,
        "ordered" => expected.ordered = true,
        "string" => expected.string = Some(notation::quoted(rest).ok_or_else(unknown)?.0),
        "range" => {
            let range_text = rest.strip_prefix("vector").ok_or_else(unknown)?;
            expected.range_vector = Some(range(range_text).ok_or_else(unknown)?.0);
        }
        _ => return Err(unknown()),
    }
    Ok(())
}

fn text_of(text: &str) -> Result<Text, ScriptErrorKind> {
    if let Some(exact) = text.strip_prefix("msg:") {
        Ok(Text::Exact(exact.trim().to_owned()))
    } else if let Some(regex) = text.strip_prefix("regex:") {
        pattern(regex.trim())
    } else if text.is_empty() {
        Ok(Text::Any)
    } else {
        Err(ScriptErrorKind::Expectation(text.to_owned()))
    }
}

fn pattern(text: &str) -> Result<Text, ScriptErrorKind> {
    Regex::new(text).map(Text::Pattern).map_err(|_| ScriptErrorKind::Pattern(text.to_owned()))
}
