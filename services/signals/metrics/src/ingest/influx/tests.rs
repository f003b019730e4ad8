use prost::Message as _;
use tenancy::Budget;

use super::{Precision, legal, translate};

/// The series of a body as texts, sorted.
fn lines(text: &str, now: i64) -> (Vec<String>, Option<String>) {
    let mut memory = Budget::process("test", None).reserve(0).expect("no limit");
    let precision = Precision::parse("s").expect("seconds");
    let (body, complaint) = translate(text.as_bytes(), precision, now, &mut memory).expect("there is room");
    let request = proto::prometheus::WriteRequest::decode(body.as_slice()).expect("protobuf");
    let series = request.timeseries.iter().map(|series| {
        let labels: Vec<String> = series.labels.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
        let samples: Vec<String> = series.samples.iter().map(|sample| format!("{}@{}", sample.value, sample.timestamp)).collect();
        format!("{} {}", labels.join(","), samples.join(" "))
    });
    let mut series: Vec<String> = series.collect();
    series.sort();
    (series, complaint)
}

#[test]
fn each_field_with_a_number_is_a_series() {
    let text = "cpu-load,host.name=a,__name__=x,__mimir_source__=y value=2,idle%=1i,up=true,text=\"no\" 20\ncpu-load,host.name=a value=1 10\n5min v=3";
    assert_eq!(
        lines(text, 30_500_000_000),
        (
            vec![
                "__mimir_source__=influx,__name__=_5min_v 3@30500".to_owned(),
                "__mimir_source__=influx,__name__=cpu_load,host_name=a 1@10000 2@20000".to_owned(),
                "__mimir_source__=influx,__name__=cpu_load_idle_,host_name=a 1@20000".to_owned(),
                "__mimir_source__=influx,__name__=cpu_load_up,host_name=a 1@20000".to_owned(),
            ],
            None
        )
    );
}

#[test]
fn lines_that_are_none_are_told_and_the_others_stored() {
    let (series, complaint) = lines("good v=1 1\nbad\n, v=1", 0);
    assert_eq!(series, ["__mimir_source__=influx,__name__=good_v 1@1000"]);
    assert_eq!(complaint.as_deref(), Some("unable to parse 'bad': missing fields\nunable to parse ', v=1': missing measurement"));
    let (_, complaint) = lines(&"bad\n".repeat(1000), 0);
    assert!(complaint.is_some_and(|text| text.len() <= super::COMPLAINT_TEXT));
}

#[test]
fn names_are_made_legal() {
    for (name, expected) in [("a.b", "a_b"), ("9", "_9"), ("é", "_"), ("a:b", "a_b"), ("ok_1", "ok_1")] {
        assert_eq!(legal(name), expected);
    }
}
