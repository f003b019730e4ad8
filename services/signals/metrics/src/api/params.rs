//! Parameters of a request: of its address and, of a POST, of its form.

use axum::extract::{FromRequest, Request};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;

use super::error::PromError;
use super::{Api, MAX_FORM};

/// Names and values, those of the form first, as Go's `net/http` has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Params(Vec<(String, String)>);

/// A text that is no list of parameters. The texts are Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormError {
    #[error("invalid URL escape {0:?}")]
    Escape(String),
    #[error("invalid semicolon separator in query")]
    Semicolon,
}

impl Params {
    /// The first value of a name; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// All values of a name.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Takes more parameters out of an encoded text.
    fn read(&mut self, encoded: &[u8]) -> Result<(), FormError> {
        for pair in encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if pair.contains(&b';') {
                return Err(FormError::Semicolon);
            }
            let equals = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = equals.map_or((pair, &b""[..]), |at| (&pair[..at], &pair[at + 1..]));
            self.0.push((unescape(name)?, unescape(value)?));
        }
        Ok(())
    }
}

/// Resolves `+` and `%20`. What is not UTF-8 then becomes U+FFFD.
fn unescape(text: &[u8]) -> Result<String, FormError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = match *first {
            b'+' => {
                out.push(b' ');
                tail
            }
            b'%' => {
                let hex = |at: usize| tail.get(at).and_then(|digit| char::from(*digit).to_digit(16));
                let (Some(high), Some(low)) = (hex(0), hex(1)) else {
                    return Err(FormError::Escape(String::from_utf8_lossy(&rest[..rest.len().min(3)]).into_owned()));
                };
                out.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte"));
                &tail[2..]
            }
            byte => {
                out.push(byte);
                tail
            }
        };
    }
    Ok(String::from_utf8(out).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned()))
}

impl FromRequest<Api> for Params {
    type Rejection = PromError;

    async fn from_request(request: Request, _: &Api) -> Result<Self, PromError> {
        let (parts, body) = request.into_parts();
        let refused = |err| PromError::bad_data(format!("error parsing form values: {err}"));
        let mut params = Self::default();
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if parts.method == Method::POST && media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let form = runtime::http::read_body(&parts.headers, body, MAX_FORM).await?;
            params.read(&form).map_err(refused)?;
        }
        params.read(parts.uri.query().unwrap_or_default().as_bytes()).map_err(refused)?;
        Ok(params)
    }
}

#[cfg(test)]
mod tests;
