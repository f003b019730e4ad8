//! HTTP as the drills need it: one blocking request on a connection of its own.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("{0} has no address")]
    Address(String),
    #[error("{address}: {step}")]
    Io { address: String, step: &'static str, source: io::Error },
    #[error("{address} gave no HTTP answer: {begin:?}")]
    Answer { address: String, begin: String },
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The body, whole.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body for people.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().to_owned()
    }
}

/// A request.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// `GET`, `POST` …
    pub(crate) method: &'a str,
    /// `host:port`.
    pub(crate) address: &'a str,
    /// Path and query.
    pub(crate) path: &'a str,
    /// Names and values.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// May be empty.
    pub(crate) body: &'a [u8],
    /// How long each read may take.
    pub(crate) timeout: Duration,
}

impl<'a> Request<'a> {
    /// A request without a body, whose answer may take ten seconds.
    pub(crate) fn new(method: &'a str, address: &'a str, path: &'a str) -> Self {
        Self { method, address, path, headers: &[], body: &[], timeout: Duration::from_secs(10) }
    }

    /// Sends it and reads the answer to its end.
    pub(crate) fn send(&self) -> Result<Answer, HttpError> {
        let failed = |step| move |source| HttpError::Io { address: self.address.to_owned(), step, source };
        let mut stream = connect(self.address, self.timeout)?;
        stream.write_all(&self.head()).and_then(|()| stream.write_all(self.body)).map_err(failed("write a request"))?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).map_err(failed("read an answer"))?;
        self.parse(bytes)
    }

    /// Version 1.0: the server neither sends chunks nor keeps the connection, so that the answer ends where the stream does.
    fn head(&self) -> Vec<u8> {
        let Self { method, address, path, body, .. } = self;
        let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn parse(&self, mut bytes: Vec<u8>) -> Result<Answer, HttpError> {
        let wrong = |bytes: &[u8]| HttpError::Answer {
            address: self.address.to_owned(),
            begin: String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned(),
        };
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Err(wrong(&bytes)) };
        let head = String::from_utf8_lossy(&bytes[..end]);
        let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let Some(status) = status else { return Err(wrong(&bytes)) };
        Ok(Answer { status, body: bytes.split_off(end + 4) })
    }
}

/// A GET.
pub(crate) fn get(address: &str, path: &str) -> Result<Answer, HttpError> {
    Request::new("GET", address, path).send()
}

/// A POST without a body.
pub(crate) fn post(address: &str, path: &str, timeout: Duration) -> Result<Answer, HttpError> {
    Request { timeout, ..Request::new("POST", address, path) }.send()
}

/// A connection whose reads and writes end by `timeout`.
pub(crate) fn connect(address: &str, timeout: Duration) -> Result<TcpStream, HttpError> {
    let failed = |source| HttpError::Io { address: address.to_owned(), step: "connect", source };
    let socket = address.to_socket_addrs().map_err(failed)?.next().ok_or_else(|| HttpError::Address(address.to_owned()))?;
    let stream = TcpStream::connect_timeout(&socket, timeout.min(Duration::from_secs(2))).map_err(failed)?;
    stream.set_read_timeout(Some(timeout)).map_err(failed)?;
    stream.set_write_timeout(Some(timeout)).map_err(failed)?;
    Ok(stream)
}

/// Writes a value of a query so that it may stand in a URL or a form (RFC 3986, section 2.3).
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
