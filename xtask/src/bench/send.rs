//! Sends the bodies: two connections that stay, as fast as the server answers.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use super::BenchError;
use super::peers::Peer;

/// Connections at once: Prometheus has more, which would only keep them open here.
const CONNECTIONS: u8 = 2;

/// Sends everything. `look` is called now and then.
pub(super) fn all(peer: &Peer, bodies: &Path, mut look: impl FnMut()) -> Result<(), BenchError> {
    let (done, finished) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let done = done.clone();
            scope.spawn(move || {
                let result = connection(peer, bodies, number);
                // Whoever waited has an error already.
                let _nobody = done.send(result);
            });
        }
        drop(done);
        let mut result = Ok(());
        let mut running = CONNECTIONS;
        while running > 0 {
            match finished.recv_timeout(Duration::from_millis(200)) {
                Ok(one) => {
                    result = result.and(one);
                    running -= 1;
                }
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
            }
            look();
        }
        result
    })
}

/// One connection: sends the next of its bodies whenever the last is acknowledged. A series stays with one connection, so its samples stay
/// in order.
fn connection(peer: &Peer, bodies: &Path, number: u8) -> Result<(), BenchError> {
    let failed = |source| BenchError::Io { what: format!("send to {}", peer.name), source };
    let mut file = BufReader::with_capacity(1 << 20, File::open(bodies).map_err(failed)?);
    let mut stream = TcpStream::connect(&peer.address).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let mut answers = BufReader::new(stream.try_clone().map_err(failed)?);
    let mut body = Vec::new();
    while next(&mut file, number, &mut body).map_err(failed)? {
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
             X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
            peer.write_path,
            peer.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).map_err(failed)?;
        let (status, text) = answer(&mut answers).map_err(failed)?;
        if !(200..300).contains(&status) {
            return Err(BenchError::Peer { peer: peer.name, what: format!("a push was answered with {status}: {text}") });
        }
    }
    Ok(())
}

/// Reads the next body of a connection; false at the end.
fn next(file: &mut BufReader<File>, number: u8, body: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let mut head = [0; 5];
        match file.read_exact(&mut head) {
            Ok(()) => {}
            Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(err) => return Err(err),
        }
        let [len @ .., part] = head;
        let len = u32::from_le_bytes(len);
        if part % CONNECTIONS == number {
            body.resize(len as usize, 0);
            file.read_exact(body)?;
            return Ok(true);
        }
        file.seek_relative(i64::from(len))?;
    }
}

/// Status and body of an answer.
fn answer(from: &mut BufReader<TcpStream>) -> io::Result<(u16, String)> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let status = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
    let mut length = 0;
    loop {
        line.clear();
        if from.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or_default();
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok((status, String::from_utf8_lossy(&body).trim().to_owned()))
}
