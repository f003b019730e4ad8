use super::*;

#[test]
fn escaped_names_are_resolved_and_others_left_alone() {
    for (escaped, name) in [
        ("U__citt_e0_", "città"),
        ("U__a__b", "a_b"),
        ("U__service_2e_name", "service.name"),
        ("U___1f680___launches", "🚀_launches"),
        ("plain_name", "plain_name"),
        ("U__broken_2e", "U__broken_2e"),
        ("U__broken_zz_", "U__broken_zz_"),
        ("U__broken_d800_", "U__broken_d800_"),
        ("U__broken_1234567_", "U__broken_1234567_"),
        ("U__end_", "U__end_"),
        ("U__", ""),
    ] {
        assert_eq!(unescape_name(escaped), name, "{escaped}");
    }
}

#[test]
fn zero_is_no_limit() {
    assert_eq!([least(0, 0), least(5, 0), least(0, 5), least(3, 5), least(7, 5)], [0, 5, 5, 3, 5]);
    assert_eq!([one_more(0), one_more(3)], [0, 4]);
}
