//! Sends the bodies: two connections that stay, as fast as the server answers.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::BenchError;
use super::peers::Peer;

/// Connections at once: Prometheus has more, which would only keep them open here.
const CONNECTIONS: usize = 2;

/// Sends everything. `look` is called now and then.
pub(super) fn all(peer: &Peer, bodies: &Path, mut look: impl FnMut()) -> Result<(), BenchError> {
    let file = File::open(bodies).map_err(|source| BenchError::Io { what: format!("read {}", bodies.display()), source })?;
    // Scrapes stay in order only if one connection sends one series, always: each takes every second body.
    let file = Mutex::new((BufReader::with_capacity(1 << 20, file), 0usize));
    let (done, finished) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            let (file, done) = (&file, done.clone());
            scope.spawn(move || {
                let result = connection(peer, file);
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

/// One connection: takes the next body whenever the last is acknowledged. Series of one scrape are spread over both, so a body may overtake
/// the one after it by less than a scrape of the same series.
fn connection(peer: &Peer, file: &Mutex<(BufReader<File>, usize)>) -> Result<(), BenchError> {
    let failed = |source| BenchError::Io { what: format!("send to {}", peer.name), source };
    let mut stream = TcpStream::connect(&peer.address).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let mut answers = BufReader::new(stream.try_clone().map_err(failed)?);
    let mut body = Vec::new();
    while next(file, &mut body).map_err(failed)? {
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

fn next(file: &Mutex<(BufReader<File>, usize)>, body: &mut Vec<u8>) -> io::Result<bool> {
    let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut len = [0; 4];
    match file.0.read_exact(&mut len) {
        Ok(()) => {}
        Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(err) => return Err(err),
    }
    body.resize(u32::from_le_bytes(len) as usize, 0);
    file.0.read_exact(body)?;
    file.1 += 1;
    Ok(true)
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
