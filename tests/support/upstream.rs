//! An HTTP server for guests to call. The last path segment selects how it responds; it records every request head.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Body size of `/large`. A host that limits response bodies stops reading earlier.
const LARGE_BYTES: usize = 80 << 20;

/// A running server. Dropping it stops it.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self::at("127.0.0.1:0").await
    }

    pub(crate) async fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let recorded = heads.clone();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, recorded.clone()));
            }
        });
        Self {
            address,
            heads,
            serving,
        }
    }

    /// Returns its origin, `http://<address>`.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the heads of all requests so far, one per connection. A chunked request's head ends with the body
    /// length.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Serves one request on one connection.
async fn answer(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = bytes.len() - end - 4;
    let chunked = head.contains("transfer-encoding: chunked");
    if chunked {
        let mut last = bytes[end + 4..].to_vec();
        while !last.ends_with(b"0\r\n\r\n") {
            let mut chunk = vec![0; 1 << 16];
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(read) => {
                    length += read;
                    last.extend_from_slice(&chunk[..read]);
                    last.drain(..last.len().saturating_sub(5));
                }
            }
        }
    }
    heads.lock().unwrap().push(if chunked {
        format!("{head}\r\nbody: {length}")
    } else {
        head
    });
    let ok = |headers: &str, body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let name = path.rsplit('/').next().unwrap();
    let text = match name.split('?').next().unwrap() {
        "redirect" => {
            "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".into()
        }
        "silent" => return std::future::pending().await,
        "stalls" => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegin".into(),
        "short" => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort".into(),
        "head" => ok(&format!("x-large: {}\r\n", "x".repeat(40 << 10)), "head"),
        "many" => ok(&"x-many: 1\r\n".repeat(200), "many"),
        "large" => format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE_BYTES}\r\n\r\n"),
        // The body is not gzip, so decoding it fails.
        "packed" => ok("content-encoding: gzip\r\n", "as it is"),
        "drips" => "HTTP/1.1 200 OK\r\n\r\n".into(),
        "headers" => "HTTP/1.1 200 OK\r\n".into(),
        _ => ok("", &format!("asked {path}")),
    };
    if stream.write_all(text.as_bytes()).await.is_err() {
        return;
    }
    match name {
        "stalls" => std::future::pending().await,
        "drips" => {
            while stream.write_all(b".").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        "headers" => while stream.write_all(b"x-more: 1\r\n").await.is_ok() {},
        "large" => {
            let zeros = vec![b'0'; 1 << 16];
            for _ in 0..LARGE_BYTES / zeros.len() {
                if stream.write_all(&zeros).await.is_err() {
                    return;
                }
            }
        }
        _ => {}
    }
}
