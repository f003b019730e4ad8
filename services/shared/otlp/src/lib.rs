//! What the signals share of the OpenTelemetry protocol over HTTP: media types, compression, the JSON form of its messages, answers.
//!
//! Knows no signal and no role: a message is a type of `proto`, or a table of its JSON form. Over gRPC tonic does all of this.

pub mod answer;
pub mod body;
pub mod json;

pub use answer::{Refusal, success};
pub use body::{BodyError, Encoding, Format};
