//! The tokens of PromQL.

use syntax::{Quoted, Span};

use super::ast::{AggregateOp, BinaryOp};

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// The end of the query.
    End,
    /// A name without colons that is no keyword, or any name within braces.
    Identifier,
    /// A name with colons.
    MetricIdentifier,
    String,
    Number,
    Duration,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    /// `=`
    Assign,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
    /// `@`
    At,
    /// An operator; also a sign, and the `!=` within braces.
    Operator(BinaryOp),
    Aggregate(AggregateOp),
    Keyword(Keyword),
}

/// Words that mean something and are no operators. Their case does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Anchored,
    Bool,
    By,
    End,
    Fill,
    FillLeft,
    FillRight,
    GroupLeft,
    GroupRight,
    Ignoring,
    MaxOf,
    MinOf,
    Offset,
    On,
    Range,
    Smoothed,
    Start,
    Step,
    Without,
}

impl TokenKind {
    /// What a word means outside of braces, in lower case; `None` if it is a mere name.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "and" => Self::Operator(BinaryOp::And),
            "or" => Self::Operator(BinaryOp::Or),
            "unless" => Self::Operator(BinaryOp::Unless),
            "atan2" => Self::Operator(BinaryOp::Atan2),
            "inf" | "nan" => Self::Number,
            _ => match aggregate(word) {
                Some(op) => Self::Aggregate(op),
                None => Self::Keyword(keyword(word)?),
            },
        })
    }

    /// Whether it can be a metric's name.
    pub(super) const fn is_metric_name(self) -> bool {
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregate(_) => true,
            Self::Operator(op) => op.is_set(),
            Self::Keyword(keyword) => {
                !matches!(keyword, Keyword::Bool | Keyword::GroupLeft | Keyword::GroupRight | Keyword::Ignoring | Keyword::On)
            }
            _ => false,
        }
    }

    /// Whether it can be a label's name where labels are listed.
    pub(super) const fn is_label_name(self) -> bool {
        self.is_metric_name() || matches!(self, Self::Keyword(_) | Self::Operator(BinaryOp::Atan2))
    }

    /// Whether it can be the name of a function that is called.
    pub(super) const fn is_function_name(self) -> bool {
        matches!(
            self,
            Self::Identifier
                | Self::Keyword(Keyword::Start | Keyword::End | Keyword::Step | Keyword::Range | Keyword::MaxOf | Keyword::MinOf)
        )
    }

    /// Whether an expression can begin with it.
    pub(super) const fn begins_expression(self) -> bool {
        self.is_metric_name()
            || matches!(
                self,
                Self::LeftParen
                    | Self::LeftBrace
                    | Self::String
                    | Self::Number
                    | Self::Duration
                    | Self::Operator(BinaryOp::Add | BinaryOp::Sub)
            )
    }
}

impl Token {
    /// As error texts call it.
    pub(super) fn describe(self, query: &str) -> String {
        let text = self.span.of(query);
        match self.kind {
            TokenKind::End => "end of input".to_owned(),
            TokenKind::Identifier => format!("identifier {}", Quoted(text)),
            TokenKind::MetricIdentifier => format!("metric identifier {}", Quoted(text)),
            TokenKind::String => format!("string {}", abbreviated(text)),
            TokenKind::Number => format!("number {}", abbreviated(text)),
            TokenKind::Duration => format!("duration {}", abbreviated(text)),
            TokenKind::Aggregate(_) => format!("<aggr:{text}>"),
            TokenKind::Operator(_) | TokenKind::At | TokenKind::Regex | TokenKind::NotRegex => format!("<op:{text}>"),
            TokenKind::Keyword(Keyword::Start | Keyword::End | Keyword::Step | Keyword::Range | Keyword::MaxOf | Keyword::MinOf) => {
                abbreviated(text)
            }
            TokenKind::Keyword(_) => format!("<{text}>"),
            _ => Quoted(text).to_string(),
        }
    }
}

/// Quotes at most ten bytes' worth of characters.
fn abbreviated(text: &str) -> String {
    if text.len() <= 10 {
        return Quoted(text).to_string();
    }
    let head: String = text.chars().take(10).collect();
    format!("{}...", Quoted(&head))
}

fn aggregate(word: &str) -> Option<AggregateOp> {
    Some(match word {
        "avg" => AggregateOp::Avg,
        "bottomk" => AggregateOp::Bottomk,
        "count" => AggregateOp::Count,
        "count_values" => AggregateOp::CountValues,
        "group" => AggregateOp::Group,
        "limit_ratio" => AggregateOp::LimitRatio,
        "limitk" => AggregateOp::Limitk,
        "max" => AggregateOp::Max,
        "min" => AggregateOp::Min,
        "quantile" => AggregateOp::Quantile,
        "stddev" => AggregateOp::Stddev,
        "stdvar" => AggregateOp::Stdvar,
        "sum" => AggregateOp::Sum,
        "topk" => AggregateOp::Topk,
        _ => return None,
    })
}

fn keyword(word: &str) -> Option<Keyword> {
    Some(match word {
        "anchored" => Keyword::Anchored,
        "bool" => Keyword::Bool,
        "by" => Keyword::By,
        "end" => Keyword::End,
        "fill" => Keyword::Fill,
        "fill_left" => Keyword::FillLeft,
        "fill_right" => Keyword::FillRight,
        "group_left" => Keyword::GroupLeft,
        "group_right" => Keyword::GroupRight,
        "ignoring" => Keyword::Ignoring,
        "max_of" => Keyword::MaxOf,
        "min_of" => Keyword::MinOf,
        "offset" => Keyword::Offset,
        "on" => Keyword::On,
        "range" => Keyword::Range,
        "smoothed" => Keyword::Smoothed,
        "start" => Keyword::Start,
        "step" => Keyword::Step,
        "without" => Keyword::Without,
        _ => return None,
    })
}
