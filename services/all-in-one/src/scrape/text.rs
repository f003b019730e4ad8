//! The text format of `/metrics` (OpenMetrics and its predecessor), as far as this process writes it.

use std::collections::BTreeMap;

use proto::prometheus as pb;

/// The samples of a page at `now_ms`, with `more` labels each. `up` is among them. Lines that are not samples are left out.
pub(crate) fn parse(page: &str, now_ms: i64, more: &[(&str, &str)]) -> Vec<pb::TimeSeries> {
    let lines = page.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let mut series: Vec<pb::TimeSeries> = lines.filter_map(|line| sample(line, now_ms, more)).collect();
    series.extend(sample("up 1", now_ms, more));
    series
}

fn sample(line: &str, now_ms: i64, more: &[(&str, &str)]) -> Option<pb::TimeSeries> {
    let name_end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_end);
    let mut labels = BTreeMap::from([("__name__".to_owned(), name.to_owned())]);
    let rest = match rest.strip_prefix('{') {
        Some(inside) => read_labels(inside, &mut labels)?,
        None => rest,
    };
    // An exemplar follows the value behind a `#`.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    for (name, value) in more {
        labels.insert((*name).to_owned(), (*value).to_owned());
    }
    let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
    let labels = labels.map(|(name, value)| pb::Label { name, value }).collect();
    Some(pb::TimeSeries { labels, samples: vec![pb::Sample { value, timestamp: now_ms }], exemplars: Vec::new() })
}

/// Reads `name="value",…}` and returns what follows.
fn read_labels<'a>(mut rest: &'a str, labels: &mut BTreeMap<String, String>) -> Option<&'a str> {
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after);
        }
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.to_owned(), value);
        rest = &after[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn samples_are_read_with_their_labels() {
        let page =
            "# HELP a b\n# TYPE a counter\na_total{x=\"1\",y=\"q\\\"\\n\\\\\"} 3 # {trace_id=\"t\"} 1\nb 1.5\nnonsense\nc{x=\"} 1\n# EOF\n";
        let series = parse(page, 7, &[("job", "quartet")]);
        let shown: Vec<String> = series
            .iter()
            .map(|one| {
                let labels: Vec<String> = one.labels.iter().map(|label| format!("{:?}={:?}", label.name, label.value)).collect();
                format!("{} {}@{}", labels.join(" "), one.samples[0].value, one.samples[0].timestamp)
            })
            .collect();
        assert_eq!(
            shown,
            [
                r#""__name__"="a_total" "job"="quartet" "x"="1" "y"="q\"\n\\" 3@7"#,
                r#""__name__"="b" "job"="quartet" 1.5@7"#,
                r#""__name__"="up" "job"="quartet" 1@7"#,
            ]
        );
    }
}
