//! From values to places in a picture: a time axis, a latency axis, round marks.

/// A coordinate with at most one decimal.
pub fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Round marks of a linear axis from 0 to at least `most`: about `wanted` of them.
pub fn round_marks(most: f64, wanted: usize) -> Vec<f64> {
    let rough = (most / wanted.max(1) as f64).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    let steps = (most / step).ceil().clamp(1.0, 50.0) as usize;
    (0..=steps).map(|number| step * number as f64).collect()
}

/// A latency axis in microseconds: linear, or logarithmic where values differ a lot.
#[derive(Debug)]
pub struct Latency {
    /// Where to draw lines, in microseconds, lowest first.
    pub marks: Vec<f64>,
    /// Whether each mark is a multiple of the one before instead of a sum.
    pub logarithmic: bool,
}

impl Latency {
    /// An axis for values between `least` (above zero) and `most`.
    pub fn new(least: u64, most: u64) -> Self {
        let (least, most) = (least.max(1) as f64, most.max(1) as f64);
        if most / least < 30.0 {
            return Self { marks: round_marks(most, 4), logarithmic: false };
        }
        let low = least.log10().floor() as i32;
        let high = (most.log10().ceil() as i32).max(low + 1);
        Self { marks: (low..=high).map(|power| 10_f64.powi(power)).collect(), logarithmic: true }
    }

    /// How far up a value lies, from 0 to 1.
    pub fn share(&self, us: f64) -> f64 {
        let low = self.marks.first().copied().unwrap_or(0.0);
        let high = self.marks.last().copied().unwrap_or(1.0);
        let share = if self.logarithmic {
            (us.max(low) / low).log10() / (high / low).log10()
        } else {
            (us - low) / (high - low)
        };
        share.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_reach_the_top() {
        assert_eq!(round_marks(43.0, 4), [0.0, 20.0, 40.0, 60.0]);
        assert_eq!(round_marks(1.0, 4), [0.0, 0.5, 1.0]);
        assert!(round_marks(0.0, 4).iter().all(|mark| mark.is_finite()));
    }

    #[test]
    fn wide_ranges_are_logarithmic() {
        let axis = Latency::new(900, 2_000_000);
        assert!(axis.logarithmic);
        assert_eq!(axis.marks.first(), Some(&100.0));
        assert_eq!(axis.marks.last(), Some(&1e7));
        assert!((axis.share(1e7) - 1.0).abs() < 1e-9 && axis.share(0.0) == 0.0);
        assert!(!Latency::new(10_000, 40_000).logarithmic);
    }
}
