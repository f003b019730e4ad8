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
fn what_the_engine_does_not_know_fails() {
    let script = "load 1m\n  h {{schema:0 sum:1 count:1}}x3\n\neval instant at 3m h\n  expect fail\n";
    let report = run_text(script).expect("the script is one");
    let reason = "error: native histograms and start timestamps are not implemented".to_owned();
    assert_eq!(report.failed, [Failure { line: 4, query: "h".to_owned(), reason }]);
}

#[test]
fn what_is_no_script_says_where() {
    assert_eq!(run_text("clear\nboil").expect_err("that is no command").to_string(), "line 2: unknown command: boil");
    assert_eq!(run_text("load 1m\n  m ?").expect_err("that is no value").to_string(), "line 2: expected a value at \"?\"");
}
