//! Values of attributes as texts, in the form that OpenTelemetry's own library gives them: lists and maps are JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proto::opentelemetry::proto::common::v1::any_value::Value;
use proto::opentelemetry::proto::common::v1::{AnyValue, KeyValue};

/// The value as a text; nothing is the empty one.
pub(crate) fn text(value: Option<&AnyValue>) -> Cow<'_, str> {
    match value.and_then(|value| value.value.as_ref()) {
        None => Cow::Borrowed(""),
        Some(Value::StringValue(text)) => Cow::Borrowed(text),
        Some(Value::BoolValue(value)) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Some(Value::IntValue(value)) => Cow::Owned(value.to_string()),
        Some(Value::DoubleValue(value)) => Cow::Owned(float(*value)),
        Some(Value::BytesValue(bytes)) => Cow::Owned(BASE64_STANDARD.encode(bytes)),
        Some(value @ (Value::ArrayValue(_) | Value::KvlistValue(_))) => {
            let mut out = String::new();
            json(value, &mut out);
            // The original escapes these so that JSON can stand in a page; they stand only inside texts.
            Cow::Owned(out.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e"))
        }
    }
}

fn json(value: &Value, out: &mut String) {
    match value {
        Value::StringValue(text) => quoted(text, out),
        Value::BoolValue(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::IntValue(value) => out.push_str(&value.to_string()),
        Value::DoubleValue(value) if value.is_finite() => out.push_str(&float(*value)),
        // JSON has no such numbers.
        Value::DoubleValue(value) => quoted(&float(*value), out),
        Value::BytesValue(bytes) => quoted(&BASE64_STANDARD.encode(bytes), out),
        Value::ArrayValue(list) => {
            out.push('[');
            separated(&list.values, out, |value, out| any(Some(value), out));
            out.push(']');
        }
        Value::KvlistValue(list) => {
            // Sorted, and the last of a key that comes twice.
            let entries: BTreeMap<&str, &KeyValue> = list.values.iter().map(|entry| (entry.key.as_str(), entry)).collect();
            out.push('{');
            separated(entries, out, |(key, entry), out| {
                quoted(key, out);
                out.push(':');
                any(entry.value.as_ref(), out);
            });
            out.push('}');
        }
    }
}

fn any(value: Option<&AnyValue>, out: &mut String) {
    match value.and_then(|value| value.value.as_ref()) {
        Some(value) => json(value, out),
        None => out.push_str("null"),
    }
}

fn separated<T>(items: impl IntoIterator<Item = T>, out: &mut String, write: impl Fn(T, &mut String)) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// A float as JavaScript writes it: without an exponent between 1e-6 and 1e21.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        return if text.contains("e-") { text } else { text.replace('e', "e+") };
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use proto::opentelemetry::proto::common::v1::any_value::Value;
    use proto::opentelemetry::proto::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};

    use super::text;

    fn of(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    #[test]
    fn values_are_written_as_texts() {
        for (value, expected) in [
            (Value::StringValue("a<b".to_owned()), "a<b"),
            (Value::BoolValue(true), "true"),
            (Value::IntValue(-3), "-3"),
            (Value::DoubleValue(2.5), "2.5"),
            (Value::DoubleValue(3.0), "3"),
            (Value::DoubleValue(1e21), "1e+21"),
            (Value::DoubleValue(1.5e-7), "1.5e-7"),
            (Value::BytesValue(vec![1, 2].into()), "AQI="),
        ] {
            assert_eq!(text(Some(&of(value))), expected);
        }
        assert_eq!(text(None), "");
        assert_eq!(text(Some(&AnyValue { value: None })), "");
    }

    #[test]
    fn lists_and_maps_are_json() {
        let entry = |key: &str, value| KeyValue { key: key.to_owned(), value: Some(of(value)) };
        let map = Value::KvlistValue(KeyValueList {
            values: vec![
                entry("b", Value::StringValue("<\"x\">".to_owned())),
                entry("a", Value::DoubleValue(1.0)),
                entry("a", Value::BoolValue(false)),
            ],
        });
        let list = Value::ArrayValue(ArrayValue { values: vec![of(Value::IntValue(1)), of(map), AnyValue { value: None }] });
        assert_eq!(text(Some(&of(list))), r#"[1,{"a":false,"b":"\u003c\"x\"\u003e"},null]"#);
    }
}
