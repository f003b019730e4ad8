//! The functions of PromQL: what they take and what they give. What they do is the engine's.

use std::fmt;

use super::ast::ValueType;

/// A function's signature.
#[derive(PartialEq, Eq)]
pub struct Function {
    /// Which function.
    pub id: FunctionId,
    /// As it is written.
    pub name: &'static str,
    /// Types of the arguments. The last one's is also that of all arguments after it.
    pub args: &'static [ValueType],
    /// How many arguments are optional.
    pub variadic: Variadic,
    /// The type of its value.
    pub returns: ValueType,
    /// Whether it is experimental: a tenant's limits can forbid it.
    pub experimental: bool,
}

/// How the number of a call's arguments may differ from the number of [`Function::args`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variadic {
    /// Not at all.
    No,
    /// The last may be absent; as many as this may stand in its place.
    UpTo(usize),
    /// The last may be absent; any number may stand in its place.
    Any,
}

impl Variadic {
    /// As the syntax tree's JSON has it: 0, the bound, or -1.
    #[must_use]
    pub fn as_number(self) -> i64 {
        match self {
            Self::No => 0,
            Self::UpTo(count) => i64::try_from(count).unwrap_or(i64::MAX),
            Self::Any => -1,
        }
    }
}

impl Function {
    /// The function that is written so, experimental or not. Names of functions are case-sensitive.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok().map(|at| &FUNCTIONS[at])
    }

    /// All functions by name.
    #[must_use]
    pub fn all() -> &'static [Self] {
        FUNCTIONS
    }

    /// The fewest arguments it takes.
    #[must_use]
    pub fn min_args(&self) -> usize {
        match self.variadic {
            Variadic::No => self.args.len(),
            Variadic::UpTo(_) | Variadic::Any => self.args.len() - 1,
        }
    }

    /// The most arguments it takes; `None` is no limit.
    #[must_use]
    pub fn max_args(&self) -> Option<usize> {
        match self.variadic {
            Variadic::No => Some(self.args.len()),
            Variadic::UpTo(count) => Some(self.args.len() - 1 + count),
            Variadic::Any => None,
        }
    }

    /// The type of the argument at `index`.
    #[must_use]
    pub fn arg_type(&self, index: usize) -> Option<ValueType> {
        self.args.get(index).or(self.args.last()).copied()
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Declares [`FunctionId`] and the table. The lines are sorted by name, which a test checks.
macro_rules! functions {
    ($($id:ident $name:literal ($($arg:ident),*) $(+ $variadic:expr)? => $returns:ident $(, $experimental:ident)?;)*) => {
        /// Which function: what the engine branches on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FunctionId {
            $(
                #[doc = concat!("`", $name, "`")]
                $id,
            )*
        }

        static FUNCTIONS: &[Function] = &[$(Function {
            id: FunctionId::$id,
            name: $name,
            args: &[$(ValueType::$arg),*],
            variadic: functions!(@variadic $($variadic)?),
            returns: ValueType::$returns,
            experimental: functions!(@experimental $($experimental)?),
        },)*];
    };
    (@variadic) => { Variadic::No };
    (@variadic $variadic:expr) => { $variadic };
    (@experimental) => { false };
    (@experimental experimental) => { true };
}

functions! {
    Abs "abs" (Vector) => Vector;
    Absent "absent" (Vector) => Vector;
    AbsentOverTime "absent_over_time" (Matrix) => Vector;
    Acos "acos" (Vector) => Vector;
    Acosh "acosh" (Vector) => Vector;
    Asin "asin" (Vector) => Vector;
    Asinh "asinh" (Vector) => Vector;
    Atan "atan" (Vector) => Vector;
    Atanh "atanh" (Vector) => Vector;
    AvgOverTime "avg_over_time" (Matrix) => Vector;
    Ceil "ceil" (Vector) => Vector;
    Changes "changes" (Matrix) => Vector;
    Clamp "clamp" (Vector, Scalar, Scalar) => Vector;
    ClampMax "clamp_max" (Vector, Scalar) => Vector;
    ClampMin "clamp_min" (Vector, Scalar) => Vector;
    Cos "cos" (Vector) => Vector;
    Cosh "cosh" (Vector) => Vector;
    CountOverTime "count_over_time" (Matrix) => Vector;
    DayOfMonth "day_of_month" (Vector) + Variadic::UpTo(1) => Vector;
    DayOfWeek "day_of_week" (Vector) + Variadic::UpTo(1) => Vector;
    DayOfYear "day_of_year" (Vector) + Variadic::UpTo(1) => Vector;
    DaysInMonth "days_in_month" (Vector) + Variadic::UpTo(1) => Vector;
    Deg "deg" (Vector) => Vector;
    Delta "delta" (Matrix) => Vector;
    Deriv "deriv" (Matrix) => Vector;
    DoubleExponentialSmoothing "double_exponential_smoothing" (Matrix, Scalar, Scalar) => Vector, experimental;
    End "end" () => Scalar, experimental;
    Exp "exp" (Vector) => Vector;
    FirstOverTime "first_over_time" (Matrix) => Vector, experimental;
    Floor "floor" (Vector) => Vector;
    HistogramAvg "histogram_avg" (Vector) => Vector;
    HistogramCount "histogram_count" (Vector) => Vector;
    HistogramFraction "histogram_fraction" (Scalar, Scalar, Vector) => Vector;
    HistogramQuantile "histogram_quantile" (Scalar, Vector) => Vector;
    HistogramQuantiles "histogram_quantiles" (Vector, String, Scalar, Scalar) + Variadic::UpTo(9) => Vector, experimental;
    HistogramStddev "histogram_stddev" (Vector) => Vector;
    HistogramStdvar "histogram_stdvar" (Vector) => Vector;
    HistogramSum "histogram_sum" (Vector) => Vector;
    Hour "hour" (Vector) + Variadic::UpTo(1) => Vector;
    Idelta "idelta" (Matrix) => Vector;
    Increase "increase" (Matrix) => Vector;
    Info "info" (Vector, Vector) + Variadic::UpTo(1) => Vector, experimental;
    Irate "irate" (Matrix) => Vector;
    LabelJoin "label_join" (Vector, String, String, String) + Variadic::Any => Vector;
    LabelReplace "label_replace" (Vector, String, String, String, String) => Vector;
    LastOverTime "last_over_time" (Matrix) => Vector;
    Ln "ln" (Vector) => Vector;
    Log10 "log10" (Vector) => Vector;
    Log2 "log2" (Vector) => Vector;
    MadOverTime "mad_over_time" (Matrix) => Vector, experimental;
    MaxOf "max_of" (Scalar, Scalar) => Scalar, experimental;
    MaxOverTime "max_over_time" (Matrix) => Vector;
    MinOf "min_of" (Scalar, Scalar) => Scalar, experimental;
    MinOverTime "min_over_time" (Matrix) => Vector;
    Minute "minute" (Vector) + Variadic::UpTo(1) => Vector;
    Month "month" (Vector) + Variadic::UpTo(1) => Vector;
    Pi "pi" () => Scalar;
    PredictLinear "predict_linear" (Matrix, Scalar) => Vector;
    PresentOverTime "present_over_time" (Matrix) => Vector;
    QuantileOverTime "quantile_over_time" (Scalar, Matrix) => Vector;
    Rad "rad" (Vector) => Vector;
    Range "range" () => Scalar, experimental;
    Rate "rate" (Matrix) => Vector;
    Resets "resets" (Matrix) => Vector;
    Round "round" (Vector, Scalar) + Variadic::UpTo(1) => Vector;
    Scalar "scalar" (Vector) => Scalar;
    Sgn "sgn" (Vector) => Vector;
    Sin "sin" (Vector) => Vector;
    Sinh "sinh" (Vector) => Vector;
    Sort "sort" (Vector) => Vector;
    SortByLabel "sort_by_label" (Vector, String) + Variadic::Any => Vector, experimental;
    SortByLabelDesc "sort_by_label_desc" (Vector, String) + Variadic::Any => Vector, experimental;
    SortDesc "sort_desc" (Vector) => Vector;
    Sqrt "sqrt" (Vector) => Vector;
    Start "start" () => Scalar, experimental;
    StartTimestamp "start_timestamp" (Vector) => Vector, experimental;
    StddevOverTime "stddev_over_time" (Matrix) => Vector;
    StdvarOverTime "stdvar_over_time" (Matrix) => Vector;
    Step "step" () => Scalar, experimental;
    SumOverTime "sum_over_time" (Matrix) => Vector;
    Tan "tan" (Vector) => Vector;
    Tanh "tanh" (Vector) => Vector;
    Time "time" () => Scalar;
    Timestamp "timestamp" (Vector) => Vector;
    TsOfFirstOverTime "ts_of_first_over_time" (Matrix) => Vector, experimental;
    TsOfLastOverTime "ts_of_last_over_time" (Matrix) => Vector, experimental;
    TsOfMaxOverTime "ts_of_max_over_time" (Matrix) => Vector, experimental;
    TsOfMinOverTime "ts_of_min_over_time" (Matrix) => Vector, experimental;
    Vector "vector" (Scalar) => Vector;
    Year "year" (Vector) + Variadic::UpTo(1) => Vector;
}
