//! How messages look in JSON: tables of their keys and fields, for whoever reads OTLP in JSON.

/// A message.
#[derive(Debug)]
pub struct Message {
    /// Its name, with the package.
    pub name: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    /// Its name in the `.proto` file, which JSON may use as well.
    pub name: &'static str,
    /// Its key in JSON.
    pub key: &'static str,
    /// Its number.
    pub number: u32,
    /// Whether it may come several times: a list in JSON.
    pub repeated: bool,
    /// What it holds.
    pub kind: Kind,
}

/// What a field holds, and how it is written.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `double`.
    Double,
    /// `fixed64`.
    Fixed64,
    /// `sfixed64`.
    Sfixed64,
    /// `int64`.
    Int64,
    /// `uint64`.
    Uint64,
    /// `int32`.
    Int32,
    /// `uint32`.
    Uint32,
    /// `sint32`.
    Sint32,
    /// `bool`.
    Bool,
    /// `string`.
    Text,
    /// `bytes` that JSON writes in base64.
    Base64,
    /// `bytes` that JSON writes in hexadecimal digits: the ids of OTLP.
    Hex,
    /// An enumeration, with its names and numbers.
    Enum(&'static [(&'static str, i32)]),
    /// Another message.
    Message(&'static Message),
}

include!("gen/opentelemetry.json.rs");
