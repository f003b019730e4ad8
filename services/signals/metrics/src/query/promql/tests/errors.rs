use crate::query::promql::{ParseOptions, parse, parse_selector, parse_with};

/// Expects that each query is refused with its text.
fn refuse(cases: &[(&str, &str)]) {
    for (query, text) in cases {
        let error = parse(query).map(|expr| format!("no error but {expr}")).unwrap_or_else(|err| err.to_string());
        assert_eq!(error, *text, "{query}");
    }
}

#[test]
fn nothing_to_read() {
    refuse(&[
        ("", "unknown position: parse error: no expression found in input"),
        (" ", "1:1: parse error: no expression found in input"),
        ("# comment", "1:1: parse error: no expression found in input"),
    ]);
}

#[test]
fn characters() {
    refuse(&[
        ("$", "1:1: parse error: unexpected character: '$'"),
        ("\\", "1:1: parse error: unexpected character: '\\\\'"),
        ("a\n+ é", "2:3: parse error: unexpected character: 'é'"),
        ("a =~ b", "1:3: parse error: unexpected character after '=': '~'"),
        ("a ! b", "1:3: parse error: unexpected character after '!': ' '"),
        ("!", "1:1: parse error: unexpected character after '!': '\u{fffd}'"),
        ("up{1=\"a\"}", "1:4: parse error: unexpected character inside braces: '1'"),
        ("up{a!\"b\"}", "1:5: parse error: unexpected character after '!' inside braces: '\"'"),
        ("up{{", "1:4: parse error: unexpected left brace '{'"),
        ("up{job=\"x\"", "1:11: parse error: unexpected end of input inside braces"),
        ("up)", "1:4: parse error: unexpected right parenthesis ')'"),
        ("up]", "1:3: parse error: unexpected right bracket ']'"),
        ("up[5m[", "1:6: parse error: unexpected left bracket '['"),
        ("up['5m']", "1:4: parse error: unexpected character in duration expression: '\\''"),
        ("up[#\n5m]", "1:4: parse error: unexpected character in duration expression: '#'"),
        ("up[5m # long\n]", "1:7: parse error: unexpected character in duration expression: '#'"),
        ("up[@5m]", "1:4: parse error: unexpected character in duration expression: '@'"),
        ("rate(up[5m", "1:11: parse error: unclosed left parenthesis"),
        ("up[5m", "1:6: parse error: unclosed left bracket"),
        ("up[", "1:4: parse error: unexpected end of input in duration expression"),
        ("up[a]", "1:4: parse error: unexpected character in duration expression: 'a'"),
        ("up[5m a]", "1:7: parse error: unexpected character: 'a', expected ':'"),
        ("up[:5m]", "1:5: parse error: unexpected colon before duration in duration expression"),
        ("up[1m:1m:1m]", "1:9: parse error: unexpected colon ':'"),
    ]);
}

#[test]
fn literals() {
    refuse(&[
        ("up{job=\"x}", "1:8: parse error: unterminated quoted string"),
        ("`raw", "1:1: parse error: unterminated raw string"),
        ("up{job=\"\\z\"}", "1:8: parse error: unknown escape sequence U+007A 'z'"),
        ("1e400", "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e400\": value out of range"),
        ("0x", "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"0x\": invalid syntax"),
        ("1e", "1:1: parse error: bad number or duration syntax: \"1e\""),
        ("1 + 5foo", "1:5: parse error: bad number or duration syntax: \"5\""),
        ("5m5m", "1:1: parse error: not a valid duration string: \"5m5m\""),
        ("up[5y1hs]", "1:4: parse error: unknown unit \"hs\" in duration \"5y1hs\""),
        ("1h1d", "1:1: parse error: not a valid duration string: \"1h1d\""),
        ("up{job=~\"[\"}", "1:4: parse error: error parsing regexp: missing closing ]: `[`"),
    ]);
}

#[test]
fn tokens_that_are_out_of_place() {
    refuse(&[
        ("foo bar", "1:5: parse error: unexpected identifier \"bar\""),
        ("foo a:b", "1:5: parse error: unexpected metric identifier \"a:b\""),
        ("foo 'a long string'", "1:5: parse error: unexpected string \"'a long st\"..."),
        ("foo 5m", "1:5: parse error: unexpected duration \"5m\""),
        ("foo sum", "1:5: parse error: unexpected <aggr:sum>"),
        ("foo start", "1:5: parse error: unexpected \"start\""),
        ("bool", "1:1: parse error: unexpected <bool>"),
        ("* 2", "1:1: parse error: unexpected <op:*>"),
        ("@", "1:1: parse error: unexpected <op:@>"),
        ("a ^^ b", "1:4: parse error: unexpected <op:^>"),
        ("a > bool", "1:9: parse error: unexpected end of input"),
        ("a + group_left b", "1:5: parse error: unexpected <group_left>"),
        ("foo{}(1)", "1:6: parse error: unexpected \"(\""),
        ("up{job=}", "1:8: parse error: unexpected \"}\" in label matching, expected string"),
        ("up{a b=\"c\"}", "1:6: parse error: unexpected identifier \"b\" in label matching, expected label matching operator"),
        ("up{=\"c\"}", "1:4: parse error: unexpected \"=\" in label matching, expected identifier or \"}\""),
        ("up{a=\"b\" c=\"d\"}", "1:10: parse error: unexpected identifier \"c\" in label matching, expected \",\" or \"}\""),
        ("sum by (1) (up)", "1:9: parse error: unexpected number \"1\" in grouping opts, expected label"),
        ("sum by job (up)", "1:8: parse error: unexpected identifier \"job\" in grouping opts, expected \"(\""),
        ("sum by (a b) (up)", "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\""),
        ("sum by (\"\") (up)", "1:9: parse error: invalid label name for grouping: \"\""),
        ("sum(foo bar)", "1:9: parse error: unexpected identifier \"bar\" in aggregation"),
        ("sum(rate(foo bar))", "1:14: parse error: unexpected identifier \"bar\" in aggregation"),
        ("sum foo", "1:5: parse error: unexpected identifier \"foo\""),
        ("a - on(b) ignoring(c) d", "1:11: parse error: unexpected <ignoring>"),
        ("sum(foo) without (a) by (b)", "1:22: parse error: unexpected <by>"),
        ("sum(foo) bar", "1:10: parse error: unexpected identifier \"bar\""),
        ("sum by (job)", "1:13: parse error: unexpected end of input in aggregation"),
        ("up offset x", "1:11: parse error: unexpected identifier \"x\" in offset, expected number, duration, step(), or range()"),
        ("up @", "1:5: parse error: unexpected end of input in @, expected timestamp"),
        ("up @ foo", "1:6: parse error: unexpected identifier \"foo\" in @, expected timestamp"),
        ("up @ start", "1:11: parse error: unexpected end of input in @, expected timestamp"),
        ("up[]", "1:4: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()"),
        ("up[5m 5m]", "1:7: parse error: unexpected duration \"5m\" in subquery or range, expected \":\" or \"]\""),
        ("up[5m:1m 1m]", "1:10: parse error: unexpected duration \"1m\" in subquery selector, expected \"]\""),
    ]);
}

#[test]
fn arguments() {
    refuse(&[
        ("unknown_function(up)", "1:1: parse error: unknown function with name \"unknown_function\""),
        ("rate()", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 0"),
        ("time(1)", "1:1: parse error: expected 0 argument(s) in call to \"time\", got 1"),
        ("label_join(up, 'a')", "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 2"),
        ("round(up, 1, 2)", "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3"),
        ("rate(up[5m],)", "1:12: parse error: trailing commas not allowed in function call args"),
        ("abs(1)", "1:5: parse error: expected type instant vector in call to function \"abs\", got scalar"),
        (
            "first_over_time(up)",
            "1:17: parse error: expected type range vector in call to function \"first_over_time\", got instant vector",
        ),
        ("sort_by_label(up, 1)", "1:19: parse error: expected type string in call to function \"sort_by_label\", got scalar"),
        ("info(up, 1)", "1:1: parse error: expected type instant vector in call to function \"info\", got scalar"),
        ("info(up, foo{a='b'})", "1:10: parse error: expected label selectors only, got vector selector instead"),
        ("info(up, (up))", "1:10: parse error: expected label selectors only"),
        ("sum()", "1:1: parse error: no arguments for aggregate expression provided"),
        ("topk(up)", "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1"),
        ("sum(1)", "1:5: parse error: expected type instant vector in aggregation expression, got scalar"),
        ("topk(up, up)", "1:6: parse error: expected type scalar in aggregation parameter, got instant vector"),
        ("count_values(1, up)", "1:14: parse error: expected type string in aggregation parameter, got scalar"),
        ("-'a'", "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \"string\""),
    ]);
    assert!(parse("info(up, {})").is_ok(), "info may pick among all");
}

#[test]
fn operands() {
    refuse(&[
        ("1 > 2", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"),
        ("a + on(x) group_left(x) b", "1:3: parse error: label \"x\" must not occur in ON and GROUP clause at once"),
        ("up == \"a\"", "1:7: parse error: binary expression must contain only scalar and instant vector types"),
        ("up[5m] + 1", "1:1: parse error: binary expression must contain only scalar and instant vector types"),
        ("1 + on(x) a", "1:1: parse error: vector matching only allowed between instant vectors"),
        ("1 + fill(0) a", "1:1: parse error: filling in missing series only allowed between instant vectors"),
        ("a and on(x) group_left b", "1:1: parse error: no grouping allowed for \"and\" operation"),
        ("a or fill(0) b", "1:1: parse error: filling in missing series not allowed for set operators"),
        ("1 or a", "1:1: parse error: set operator \"or\" not allowed in binary scalar expression"),
    ]);
}

#[test]
fn selectors_and_modifiers() {
    refuse(&[
        ("{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("{__name__=~\".*\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("up{__name__=\"x\"}", "1:1: parse error: metric name must not be set twice: \"up\" or \"x\""),
        ("sum(up)[5m]", "1:8: parse error: ranges only allowed for vector selectors"),
        ("up offset 1m[5m]", "1:13: parse error: no offset modifiers allowed before range"),
        ("up @ 1 [5m]", "1:8: parse error: no @ modifiers allowed before range"),
        ("up @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"),
        ("up offset 1m offset 2m", "1:1: parse error: offset may not be set multiple times"),
        (
            "1 offset 1m",
            "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        ),
        ("1 @ 1", "1:1: parse error: @ modifier must be preceded by an instant vector selector or range vector selector or a subquery"),
        ("up @ Inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"),
        ("up @ 1e30", "1:1: parse error: timestamp out of bounds for @ modifier: 1000000000000000019884624838656.000000"),
        ("up anchored smoothed", "1:1: parse error: anchored and smoothed modifiers cannot be used together"),
        ("up[5m:] anchored", "1:1: parse error: anchored modifier is not supported for subqueries"),
        ("1 smoothed", "1:1: parse error: smoothed modifier not implemented"),
        ("time()[5m:1m]", "1:1: parse error: subquery is only allowed on instant vector, got scalar instead"),
        ("up[5m][5m:1m]", "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"),
        ("up[1m:0s]", "1:7: parse error: duration must be greater than 0"),
        ("up[-1m]", "1:4: parse error: duration must be greater than 0"),
        ("up[5m / 0]", "1:7: parse error: division by zero"),
        ("up[5m % 0s]", "1:7: parse error: modulo by zero"),
        ("up[1e20]", "1:4: parse error: duration out of range"),
    ]);
}

#[test]
fn bare_selectors() {
    for (query, text) in [
        ("", "unknown position: parse error: unexpected end of input"),
        ("rate(up[5m])", "1:5: parse error: unexpected \"(\""),
        ("up[5m]", "1:3: parse error: unexpected \"[\""),
        ("up offset 5m", "1:4: parse error: unexpected <offset>"),
        ("1", "1:1: parse error: unexpected number \"1\""),
    ] {
        assert_eq!(parse_selector(query).unwrap_err().to_string(), text, "{query}");
    }
}

#[test]
fn experimental_parts_can_be_switched_off() {
    let options =
        ParseOptions { experimental_functions: false, duration_expressions: false, extended_range_selectors: false, fill_modifiers: false };
    for (query, text) in [
        ("info(up)", "1:1: parse error: function \"info\" is not enabled"),
        (
            "1 + limitk(1, up)",
            "1:5: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
        ),
        ("up[5m * 2]", "1:4: parse error: experimental duration expression is not enabled"),
        ("up offset step()", "1:11: parse error: experimental duration expression is not enabled"),
        ("up[5m] anchored", "1:1: parse error: anchored modifier is experimental and not enabled"),
        ("a + fill(0) b", "1:1: parse error: binop fill modifiers are experimental and not enabled"),
    ] {
        assert_eq!(parse_with(query, options).unwrap_err().to_string(), text, "{query}");
    }
    assert!(parse_with("sum(rate(up[5m] offset -1m))", options).is_ok());
}
