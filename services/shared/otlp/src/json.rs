//! JSON into the wire format of protobuf, by the tables of [`proto::json`].
//!
//! OTLP's JSON is that of protobuf with ids in hexadecimal digits and enumerations as numbers (names are read too); integers of
//! 64 bits may be texts; unknown keys are skipped (OTLP 1, "JSON Protobuf Encoding").

mod number;

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use proto::json::{Field, Kind, Message};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use number::Number;

/// Why a text is not the message that it should be.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct JsonError(#[from] serde_json::Error);

/// Base64 with or without padding.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The message that a JSON text holds, as protobuf.
///
/// Errors: the text is no JSON, is nested deeper than 128 levels, or holds a value that its field cannot.
pub fn to_protobuf(text: &[u8], message: &'static Message) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut reader = serde_json::Deserializer::from_slice(text);
    Object { message, out: &mut out }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(out)
}

/// Reads the fields of a message from an object.
struct Object<'a> {
    message: &'static Message,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object for {}", self.message.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(Key(self.message))? {
            match field {
                Some(field) => map.next_value_seed(Value { field, out: self.out, in_list: false })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Finds the field of a key.
struct Key(&'static Message);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.fields.iter().find(|field| field.key == key || field.name == key))
    }
}

/// Reads what a field holds. `null` is a field that is not there.
struct Value<'a> {
    field: &'static Field,
    out: &'a mut Vec<u8>,
    in_list: bool,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl Value<'_> {
    /// One value where there may be one: not in place of a list.
    fn single<E: Error>(&self) -> Result<(), E> {
        if self.field.repeated && !self.in_list {
            return Err(E::custom(format_args!("{} is a list", self.field.key)));
        }
        Ok(())
    }

    fn number<E: Error>(self, number: Number<'_>) -> Result<(), E> {
        self.single()?;
        number::put(self.out, self.field, number).map_err(|err| E::custom(format_args!("{}: {err}", self.field.key)))
    }

    fn bytes<E: Error>(self, bytes: &[u8]) -> Result<(), E> {
        self.single()?;
        put_tag(self.out, self.field.number, 2);
        put_varint(self.out, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of {}", self.field.key)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.number(Number::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.number(Number::Signed(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.number(Number::Unsigned(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.number(Number::Float(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let bad = |what| E::custom(format_args!("{}: not {what}", self.field.key));
        match self.field.kind {
            Kind::Text => self.bytes(text.as_bytes()),
            Kind::Hex => {
                let bytes = unhex(text).ok_or_else(|| bad("hexadecimal"))?;
                self.bytes(&bytes)
            }
            Kind::Base64 => {
                // The alphabet for URLs is taken as well, as protobuf's own readers do.
                let standard: String = text
                    .chars()
                    .map(|c| {
                        if c == '-' {
                            '+'
                        } else if c == '_' {
                            '/'
                        } else {
                            c
                        }
                    })
                    .collect();
                let bytes = BASE64.decode(standard).map_err(|_| bad("base64"))?;
                self.bytes(&bytes)
            }
            _ => self.number(Number::Text(text)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if !self.field.repeated || self.in_list {
            return Err(A::Error::custom(format_args!("{} is no list", self.field.key)));
        }
        while list.next_element_seed(Value { field: self.field, out: &mut *self.out, in_list: true })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.single()?;
        let Kind::Message(message) = self.field.kind else {
            return Err(A::Error::custom(format_args!("{} is no object", self.field.key)));
        };
        put_tag(self.out, self.field.number, 2);
        let start = self.out.len();
        Object { message, out: &mut *self.out }.visit_map(map)?;
        insert_length(self.out, start);
        Ok(())
    }
}

/// Puts the length of what was written from `start` on before it.
fn insert_length(out: &mut Vec<u8>, start: usize) {
    let end = out.len();
    put_varint(out, (end - start) as u64);
    let width = out.len() - end;
    out[start..].rotate_right(width);
}

pub(crate) fn put_tag(out: &mut Vec<u8>, number: u32, wire: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire));
}

pub(crate) fn put_varint(out: &mut Vec<u8>, value: u64) {
    prost::encoding::encode_varint(value, out);
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None }).collect()
}

#[cfg(test)]
mod tests;
