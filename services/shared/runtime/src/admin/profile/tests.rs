use std::io::Read;
use std::time::Duration;

use flate2::read::GzDecoder;
use prost::Message;

use super::{Call, Profile, Stack, flame, pprof_file};

fn call(function: &str, line: u32) -> Call {
    Call { function: function.to_owned(), file: "work.rs".to_owned(), line }
}

fn stack(thread: &str, calls: &[(&str, u32)], count: i64) -> Stack {
    Stack { thread: thread.to_owned(), calls: calls.iter().map(|(function, line)| call(function, *line)).collect(), count }
}

fn profile() -> Profile {
    let stacks =
        vec![stack("a", &[("inner<T>", 7), ("main", 3)], 3), stack("a", &[("main", 4)], 1), stack("b", &[("inner<T>", 7), ("main", 3)], 4)];
    Profile { stacks, start_ns: 17, duration: Duration::from_secs(2), period_ns: 10_000_000 }
}

#[test]
fn boxes_are_as_wide_as_their_share() {
    let svg = flame::svg(&profile());
    let boxes: Vec<&str> = svg.lines().filter(|line| line.starts_with("<g>")).collect();
    assert_eq!(boxes.len(), 7, "{svg}");
    let wide = |name: &str, width: &str| boxes.iter().any(|line| line.contains(name) && line.contains(width));
    assert!(wide("<title>all: 8 stacks, 100.0 %<", "width=\"1200.0\""), "{svg}");
    assert!(wide("<title>main: 4 stacks, 50.0 %<", "width=\"600.0\""), "{svg}");
    assert!(wide("<title>inner&lt;T&gt;: 3 stacks, 37.5 %<", "x=\"0.0\" y=\"24.0\" width=\"450.0\""), "{svg}");
    assert!(flame::svg(&Profile::default()).ends_with("</svg>\n"));
}

#[test]
fn a_file_names_every_place_once() {
    let mut bytes = Vec::new();
    GzDecoder::new(&*pprof_file::gzipped(&profile()).unwrap()).read_to_end(&mut bytes).unwrap();
    let file = pprof_file::File::decode(&*bytes).unwrap();
    let text = |place: i64| file.string_table[usize::try_from(place).unwrap()].as_str();
    assert_eq!(text(0), "");
    let types: Vec<_> = file.sample_type.iter().map(|kind| (text(kind.r#type), text(kind.unit))).collect();
    assert_eq!(types, [("samples", "count"), ("cpu", "nanoseconds")]);
    assert_eq!((file.time_nanos, file.duration_nanos, file.period), (17, 2_000_000_000, 10_000_000));
    assert_eq!(file.function.iter().map(|function| text(function.name)).collect::<Vec<_>>(), ["inner<T>", "main"]);
    assert_eq!(file.location.iter().map(|at| (at.id, at.line[0].line)).collect::<Vec<_>>(), [(1, 7), (2, 3), (3, 4)]);
    let samples: Vec<_> =
        file.sample.iter().map(|sample| (sample.location_id.clone(), sample.value[1], text(sample.label[0].str))).collect();
    assert_eq!(samples, [(vec![1, 2], 30_000_000, "a"), (vec![3], 10_000_000, "a"), (vec![1, 2], 40_000_000, "b")]);
}
