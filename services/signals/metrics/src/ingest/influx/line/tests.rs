use proptest::prelude::*;

use super::{FieldValue, Point, Precision, points};

fn ns() -> Precision {
    Precision::parse("").expect("nanoseconds")
}

/// A line as text again, in a form of its own.
fn show(point: &Point<'_>) -> String {
    let tags: Vec<String> = point.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let fields: Vec<String> = point.fields.iter().map(|(key, value)| format!("{key}:{value:?}")).collect();
    format!("{} [{}] [{}] {:?}", point.measurement, tags.join("|"), fields.join("|"), point.time)
}

fn check(text: &str, expected: &[&str]) {
    let read: Vec<String> =
        points(text.as_bytes(), ns()).map(|read| read.map_or_else(|err| err.to_string(), |point| show(&point))).collect();
    assert_eq!(read, expected);
}

#[test]
fn lines() {
    check(
        "cpu,host=a,cpu=0 usage=1.5,idle=3i,up=t 1768471200000000000\n\n# a comment \"\n  mem free=2u\r\n",
        &[
            "cpu [cpu=0|host=a] [usage:Number(1.5)|idle:Number(3.0)|up:Truth(true)] Some(1768471200000000000)",
            "mem [] [free:Number(2.0)] None",
        ],
    );
    check(
        "a v=1e3,w=-.5,x=+2.,y=FALSE,z=\"t\" -5 ",
        &["a [] [v:Number(1000.0)|w:Number(-0.5)|x:Number(2.0)|y:Truth(false)|z:Text] Some(-5)"],
    );
}

#[test]
fn escapes() {
    check(
        r#"my\ cpu\,x,ta\ g=v\=a\,l,path=C:\dir fi\=eld=1,s="a \"b\", c=d \\" 7"#,
        &[r"my cpu,x [path=C:\dir|ta g=v=a,l] [fi=eld:Number(1.0)|s:Text] Some(7)"],
    );
    check("a s=\"one\ntwo\",v=1\nb v=2", &["a [] [s:Text|v:Number(1.0)] None", "b [] [v:Number(2.0)] None"]);
    // A quote that begins no text is a character like others.
    check("a\"b,t=\"x v=1\nb v=2", &["a\"b [t=\"x] [v:Number(1.0)] None", "b [] [v:Number(2.0)] None"]);
}

#[test]
fn what_is_no_line_is_told_and_the_others_are_read() {
    for (line, why) in [
        ("cpu", "missing fields"),
        ("cpu,host=a", "missing fields"),
        (",host=a v=1", "missing measurement"),
        ("cpu,=a v=1", "missing tag key"),
        ("cpu, v=1", "missing tag key"),
        ("cpu,a=b, v=1", "missing tag key"),
        ("cpu,host v=1", "missing tag value"),
        ("cpu,host= v=1", "missing tag value"),
        ("cpu,host=a=b v=1", "invalid tag format"),
        ("cpu,a=1,a=2 v=1", "duplicate tags"),
        ("cpu v", "invalid field format"),
        ("cpu =1", "missing field key"),
        ("cpu v=", "missing field value"),
        ("cpu v=1,", "missing field key"),
        ("cpu v=1x", "invalid number"),
        ("cpu v=1.5i", "invalid number"),
        ("cpu v=NaN", "invalid number"),
        ("cpu v=inf", "invalid number"),
        ("cpu v=1e999", "invalid number"),
        ("cpu v=trueish", "invalid boolean"),
        ("cpu v=\"x", "unbalanced quotes"),
        ("cpu v=\"x\"y", "invalid field format"),
        ("cpu v=1 soon", "bad timestamp"),
        ("cpu v=1 1 2", "bad timestamp"),
    ] {
        check(line, &[&format!("unable to parse '{line}': {why}")]);
        let both = format!("ok v=1\n{line}");
        assert!(points(both.as_bytes(), ns()).next().expect("two lines").is_ok(), "{line}");
    }
    assert!(points(b"cpu v=\xff", ns()).next().expect("a line").is_err());
}

#[test]
fn precisions() {
    for (word, nanos) in
        [("n", 1), ("ns", 1), ("us", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)]
    {
        let precision = Precision::parse(word).expect("a unit");
        assert_eq!(points(b"a v=1 2", precision).next().expect("a line").expect("a good one").time, Some(2 * nanos));
    }
    assert_eq!(Precision::parse("d"), None);
    let far = points(b"a v=1 9223372036854775807", Precision::parse("s").expect("a unit")).next().expect("a line");
    assert!(far.expect_err("too far").to_string().ends_with("time outside range"));
}

fn escaped(text: &str) -> String {
    text.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ ")
}

proptest! {
    #[test]
    fn garbage_never_panics(text in prop::collection::vec(prop_oneof![Just(b'='), Just(b','), Just(b' '), Just(b'"'), Just(b'\\'), Just(b'\n'), any::<u8>()], 0..60)) {
        for read in points(&text, ns()) {
            let _ = read.map(|point| show(&point));
        }
    }

    #[test]
    fn what_is_written_is_read(
        name in "[a-z,= ]{1,6}", tags in prop::collection::btree_map("[a-z,= ]{1,4}", "[a-z,= é]{1,4}", 0..4), value in -1e9..1e9f64, time: i64,
    ) {
        // A name that begins with a space is no name: lines are trimmed.
        let name = format!("m{}", name.replace('=', ""));
        let mut line = name.replace(',', "\\,").replace(' ', "\\ ");
        for (key, value) in &tags {
            line += &format!(",{}={}", escaped(key), escaped(value));
        }
        line += &format!(" v={value} {time}");
        let read: Vec<_> = points(line.as_bytes(), ns()).collect();
        prop_assert_eq!(read.len(), 1);
        let point = read[0].as_ref().expect("a good line");
        prop_assert_eq!(&point.measurement, &name);
        let found: Vec<(String, String)> = point.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        prop_assert_eq!(found, tags.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(&point.fields, &vec![("v".into(), FieldValue::Number(value))]);
        prop_assert_eq!(point.time, Some(time));
    }
}
