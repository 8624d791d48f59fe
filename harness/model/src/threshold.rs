//! Limits in k6's spelling: `p(95)<500`, `rate<0.01`, `max<=2000`, `count<10`.

use std::{fmt, slice, str::FromStr};

use serde::{Deserialize, Serialize};

/// What is asked of one metric, as a scenario file spells it: an expression, or as in k6 a list of which all must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "write a limit in quotes, such as \"p(95)<500\", or a list of them")]
pub enum Limits {
    /// `"p(95)<500"`
    One(String),
    /// `["p(95)<500", "max<2000"]`
    All(Vec<String>),
}

impl Limits {
    /// The expressions, in their order.
    #[must_use]
    pub fn expressions(&self) -> &[String] {
        match self {
            Self::One(expression) => slice::from_ref(expression),
            Self::All(expressions) => expressions,
        }
    }
}

impl From<&str> for Limits {
    fn from(expression: &str) -> Self {
        Self::One(expression.to_owned())
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expressions().join(", "))
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregate {
    /// A percentile between 0 and 100, of a latency in milliseconds.
    Percentile(f64),
    /// The mean latency in milliseconds.
    Average,
    /// The shortest latency in milliseconds.
    Min,
    /// The longest latency in milliseconds.
    Max,
    /// A share between 0 and 1.
    Rate,
    /// A number of occurrences.
    Count,
}

/// How it is compared with the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`, which k6 also spells `===`
    Equal,
    /// `!=`
    NotEqual,
}

impl Comparison {
    /// Every spelling, the longer before those that they begin with.
    const SIGNS: [(&str, Self); 7] = [
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("===", Self::Equal),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("<", Self::Less),
        (">", Self::Greater),
    ];
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// What is measured.
    pub aggregate: Aggregate,
    /// How it is compared.
    pub comparison: Comparison,
    /// The limit.
    pub limit: f64,
}

/// Why a piece of text is not a [`Threshold`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a threshold: write it as k6 does, such as p(95)<500, avg<300, med<200, max<=2000, count==0 or rate<0.01, \
     a share between 0 and 1"
)]
pub struct ThresholdError(String);

impl Threshold {
    /// Whether a measured value keeps the limit.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Less => value < self.limit,
            Comparison::LessOrEqual => value <= self.limit,
            Comparison::Greater => value > self.limit,
            Comparison::GreaterOrEqual => value >= self.limit,
            // As k6 does: who limits a count to none means exactly none.
            Comparison::Equal => value == self.limit,
            Comparison::NotEqual => value != self.limit,
        }
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let wrong = || ThresholdError(text.to_owned());
        let at = text.find(['<', '>', '=', '!']).ok_or_else(wrong)?;
        let (left, right) = text.split_at(at);
        let (comparison, limit) = Comparison::SIGNS
            .into_iter()
            .find_map(|(sign, comparison)| Some((comparison, right.strip_prefix(sign)?)))
            .ok_or_else(wrong)?;
        // Blanks around the sign are k6's too; within a word or a number they are a slip.
        let aggregate = match left.trim() {
            "avg" => Aggregate::Average,
            "min" => Aggregate::Min,
            "max" => Aggregate::Max,
            "med" => Aggregate::Percentile(50.0),
            "rate" => Aggregate::Rate,
            "count" => Aggregate::Count,
            _ => {
                let inside =
                    left.trim().strip_prefix("p(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(wrong)?;
                let percentile: f64 = inside.parse().map_err(|_| wrong())?;
                if !(0.0..=100.0).contains(&percentile) {
                    return Err(wrong());
                }
                Aggregate::Percentile(percentile)
            }
        };
        let limit: f64 = limit.trim().parse().map_err(|_| wrong())?;
        let impossible = aggregate == Aggregate::Rate && !(0.0..=1.0).contains(&limit);
        if !limit.is_finite() || impossible {
            return Err(wrong());
        }
        Ok(Self { aggregate, comparison, limit })
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.aggregate {
            Aggregate::Percentile(p) => write!(f, "p({p})")?,
            Aggregate::Average => f.write_str("avg")?,
            Aggregate::Min => f.write_str("min")?,
            Aggregate::Max => f.write_str("max")?,
            Aggregate::Rate => f.write_str("rate")?,
            Aggregate::Count => f.write_str("count")?,
        }
        f.write_str(match self.comparison {
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
        })?;
        write!(f, "{}", self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_k6_spelling() {
        let threshold: Threshold = " p(99.9) <= 1500 ".parse().unwrap();
        assert_eq!(threshold.to_string(), "p(99.9)<=1500");
        assert!(threshold.holds(1500.0) && !threshold.holds(1500.1));
        assert_eq!("med<200".parse::<Threshold>().unwrap().aggregate, Aggregate::Percentile(50.0));
        for text in ["avg<300", "min>1", "max<=2000", "count<10", "rate<0.5", "p(95)<500"] {
            assert_eq!(text.parse::<Threshold>().unwrap().to_string(), text);
        }
        for (text, spelled, holds) in
            [("count==0", "count==0", 0.0), ("count === 0", "count==0", 0.0), ("count!=0", "count!=0", 1.0)]
        {
            let threshold: Threshold = text.parse().unwrap();
            assert_eq!(threshold.to_string(), spelled);
            assert!(threshold.holds(holds) && !threshold.holds(1.0 - holds), "{text}");
        }
        assert!("rate<0.01".parse::<Threshold>().unwrap().holds(0.0));
    }

    #[test]
    fn refuses_what_k6_would_not_understand() {
        for text in [
            "",
            "p(101)<5",
            "p95<500",
            "fast",
            "rate=0",
            "max<",
            "count<NaN",
            "max<inf",
            "<5",
            "rate<2",
            "rate>-1",
            "p(9 5)<500",
            "ra te<0.5",
            "count<1 0",
            "count<>1",
            "count=<1",
        ] {
            assert!(text.parse::<Threshold>().is_err(), "{text} was accepted");
        }
    }
}
