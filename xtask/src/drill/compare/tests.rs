use super::*;

fn matrix(series: &[(&str, &[(i64, f64)])]) -> Matrix {
    let samples = |samples: &[(i64, f64)]| samples.iter().map(|&(at, value)| Sample { at, bits: value.to_bits() }).collect();
    series.iter().map(|(name, of)| ((*name).to_owned(), samples(of))).collect()
}

fn compare(theirs: &Matrix, ours: &Matrix, tolerance: Tolerance) -> Result<String, String> {
    let api = Api { of: "nobody", address: String::new(), prefix: "", tenant: "" };
    let mut comparison = Comparison::new(&api, &api, 0, 10_000);
    comparison.matrices("q", theirs, ours, tolerance);
    comparison.finish()
}

#[test]
fn equal_answers_pass() {
    let both = matrix(&[("a{}", &[(0, f64::NAN), (2000, -0.0)]), ("b{}", &[])]);
    assert!(compare(&both, &both, Tolerance::Bits).is_ok());
}

#[test]
fn a_gap_a_double_and_another_value_are_told() {
    let theirs = matrix(&[("a{}", &[(0, 1.0), (2000, 2.0), (4000, 3.0)]), ("b{}", &[(0, 1.0)])]);
    for (ours, text) in [
        (matrix(&[("a{}", &[(0, 1.0), (4000, 3.0)]), ("b{}", &[(0, 1.0)])]), "a{} at 2.000: no sample instead of 2"),
        (matrix(&[("a{}", &[(0, 1.0), (2000, 2.0)]), ("b{}", &[(0, 1.0)])]), "a{} at 4.000: no sample instead of 3"),
        (matrix(&[("a{}", &[(0, 1.0), (2000, 2.0), (2000, 2.0), (4000, 3.0)]), ("b{}", &[(0, 1.0)])]), "a{} at 2.000: 2 that Prometheus"),
        (matrix(&[("a{}", &[(0, 1.0), (2000, 2.5), (4000, 3.0)]), ("b{}", &[(0, 1.0)])]), "a{} at 2.000: 2.5 instead of 2"),
        (matrix(&[("a{}", &[(0, 1.0), (2000, 2.0), (4000, 3.0)])]), "b{} is missing"),
    ] {
        let told = compare(&theirs, &ours, Tolerance::Bits).expect_err("they differ");
        assert!(told.contains(text), "{told}");
    }
}

#[test]
fn rounding_is_allowed_where_it_is_said() {
    let (a, b) = (matrix(&[("a{}", &[(0, 1.0)])]), matrix(&[("a{}", &[(0, 1.0 + 4.0 * f64::EPSILON)])]));
    assert!(compare(&a, &b, Tolerance::Relative).is_ok());
    assert!(compare(&a, &b, Tolerance::Bits).is_err());
}

#[test]
fn ends_are_where_scrapes_are_missing() {
    let samples: Vec<Sample> = [0, 2_000, 8_000, 10_000].iter().map(|&at| Sample { at, bits: 0 }).collect();
    assert_eq!(ends_of(&samples, 60_000).collect::<Vec<_>>(), [4_000, 12_000]);
    assert_eq!(ends_of(&samples, 11_000).collect::<Vec<_>>(), [4_000]);
}
