use super::{Failure, run_text};

#[test]
fn what_is_right_passes() {
    let script = "
load 1m
  # a comment ends the block
clear

load 1m
  metric{a=\"1\"} 0+1x10
  {\"other.metric\", b='x y'} _x2 5 stale

# Values are compared, names too.
eval instant at 3m metric
  metric{a=\"1\"} 3

eval instant at 2m {\"other.metric\"}
  {\"other.metric\", b=\"x y\"} 5

eval range from 0 to 4m step 2m metric + 1
  {a=\"1\"} 1 3 5

eval instant at 0 1 + 1
  2

eval instant at 0 `text`
  expect string \"text\"

eval instant at 3m metric[2m]
  expect range vector from 2m to 3m step 1m
  metric{a=\"1\"} 2 3

eval instant at 0 metric{
  expect fail
";
    let report = run_text(script).expect("the script is one");
    assert_eq!(report.failed, []);
    assert_eq!(report.passed, 7);
}

#[test]
fn what_is_wrong_fails() {
    let load = "load 1m\n  metric{a=\"1\"} 0+1x10\n\n";
    for eval in [
        "eval instant at 3m metric\n  metric{a=\"1\"} 4",
        "eval instant at 3m metric\n  metric{a=\"2\"} 3",
        "eval instant at 3m metric",
        "eval instant at 3m none\n  none 1",
        "eval range from 0 to 2m step 1m metric\n  metric{a=\"1\"} 0 1",
        "eval range from 0 to 2m step 1m metric\n  metric{a=\"1\"} 0 1 2 3",
        "eval instant at 3m metric\n  expect fail",
        "eval instant at 3m metric\n  expect warn\n  metric{a=\"1\"} 3",
        "eval instant at 3m rate(metric[2m])\n  expect no_info\n  {a=\"1\"} 0.016666666666666666",
        "eval instant at 0 1\n  2",
        "eval instant at 0 metric{\n",
    ] {
        let report = run_text(&format!("{load}{eval}\n")).expect("the script is one");
        assert_eq!((report.passed, report.failed.len()), (0, 1), "{eval}");
    }
}

#[test]
fn histograms_are_compared() {
    let load = "load 1m\n  h {{schema:1 sum:1 count:3 buckets:[1 2]}}+{{sum:1 count:1 buckets:[1] schema:1}}x3\n\n";
    let right = "h {{schema:1 sum:3.0000001 count:5 buckets:[3 2 0]}}";
    for (expected, passes) in [
        (right.to_owned(), true),
        (right.replace("}}", " counter_reset_hint:not_reset}}"), true),
        (right.replace("}}", " counter_reset_hint:gauge}}"), false),
        (right.replace("[3 2 0]", "[3 2 1]"), false),
        (right.replace("[3 2 0]", "[3 2] offset:1"), false),
        (right.replace("schema:1", "schema:0"), false),
        ("h 5".to_owned(), false),
    ] {
        let report = run_text(&format!("{load}eval instant at 2m h\n  {expected}\n")).expect("the script is one");
        assert_eq!(report.failed.is_empty(), passes, "{expected}: {:?}", report.failed);
    }
}

#[test]
fn classic_histograms_become_native_ones() {
    let script = "
load_with_nhcb 1m
  h_bucket{a=\"1\", le=\"5\"} 1 2
  h_bucket{a=\"1\", le=\"+Inf\"} 4 6
  h_bucket{a=\"1\", le=\"1\"} 1 1
  h_sum{a=\"1\"} 10 20

eval instant at 1m h
  h{a=\"1\"} {{schema:-53 count:6 sum:20 custom_values:[1 5] buckets:[1 1 4]}}
";
    assert_eq!(run_text(script).expect("the script is one").failed, []);
}

#[test]
fn an_answer_where_an_error_is_expected_fails() {
    let script = "load 1m\n  m 1x3\n\neval instant at 3m m anchored\n  expect fail\n";
    let report = run_text(script).expect("the script is one");
    let reason = "expected an error".to_owned();
    assert_eq!(report.failed, [Failure { line: 4, query: "m anchored".to_owned(), reason }]);
}

#[test]
fn start_timestamps_stand_beside_their_samples() {
    let script = "load 1m\n  m@st -1s-1sx2 _\n  m 1x3\n\neval range from 0 to 3m step 1m start_timestamp(m)\n  {} -1 58 117 0\n";
    let report = run_text(script).expect("the script is one");
    assert_eq!(report.failed, []);
}

#[test]
fn what_is_no_script_says_where() {
    assert_eq!(run_text("clear\nboil").expect_err("that is no command").to_string(), "line 2: unknown command: boil");
    assert_eq!(run_text("load 1m\n  m ?").expect_err("that is no value").to_string(), "line 2: expected a value at \"?\"");
}
