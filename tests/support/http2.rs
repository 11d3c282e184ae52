//! A raw HTTP/2 connection without TLS. Unlike a client library, it does what a test says: it never opens a window, or
//! resets hundreds of streams.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// The error code of a reset that the client wants.
const CANCEL: u32 = 8;

/// A connection. Bodies of requests must fit into the initial window.
pub(crate) struct Http2 {
    stream: TcpStream,
    next_id: u32,
    /// Whether the server has announced the end of the connection.
    pub(crate) is_told_to_leave: bool,
}

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
    /// Whether the response ends with this frame.
    pub(crate) is_last: bool,
}

impl Http2 {
    /// Connects, with this initial window for each response.
    pub(crate) async fn connect(address: SocketAddr, window: u32) -> Self {
        let mut connection = Self {
            stream: TcpStream::connect(address).await.unwrap(),
            next_id: 1,
            is_told_to_leave: false,
        };
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        connection.stream.write_all(preface).await.unwrap();
        let mut settings = vec![0, 4];
        settings.extend(window.to_be_bytes());
        connection.send(SETTINGS, 0, 0, &settings).await;
        connection
    }

    /// Sends a request and returns its stream.
    pub(crate) async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> u32 {
        let (id, frames) = self.request_frames(method, path, headers, body);
        self.write(&frames).await;
        id
    }

    /// Sends the head of a request with a body, and returns its stream.
    pub(crate) async fn start_request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> u32 {
        let (id, mut frames) = self.request_frames(method, path, headers, &[]);
        // The flags follow the length and the type.
        frames[4] &= !END_STREAM;
        self.write(&frames).await;
        id
    }

    /// Sends requests, each of which is reset at once.
    pub(crate) async fn send_and_reset(&mut self, requests: usize) {
        let mut all = Vec::new();
        for _ in 0..requests {
            let (id, frames) = self.request_frames("GET", "/healthz", &[], &[]);
            all.extend(frames);
            all.extend(frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes()));
        }
        self.write(&all).await;
    }

    fn request_frames(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u32, Vec<u8>) {
        let id = self.next_id;
        self.next_id += 2;
        let pseudo_headers = [
            (":method", method),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
        ];
        let mut block = Vec::new();
        for (name, value) in pseudo_headers.iter().chain(headers) {
            // A literal field without indexing (RFC 7541, section 6.2.2).
            block.push(0);
            for text in [name, value] {
                block.push(
                    u8::try_from(text.len())
                        .ok()
                        .filter(|len| *len < 127)
                        .unwrap(),
                );
                block.extend(text.bytes());
            }
        }
        let end = if body.is_empty() { END_STREAM } else { 0 };
        let mut frames = frame(HEADERS, END_HEADERS | end, id, &block);
        if !body.is_empty() {
            frames.extend(frame(DATA, END_STREAM, id, body));
        }
        (id, frames)
    }

    /// Resets a stream.
    pub(crate) async fn reset(&mut self, stream: u32) {
        self.send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
            .await;
    }

    /// Lets the server send this much more of a response, or of all responses if the stream is 0.
    pub(crate) async fn open_window(&mut self, stream: u32, bytes: u32) {
        self.send(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
            .await;
    }

    /// Returns the next frame of a response, or `None` when the connection has ended. Answers frames of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; len as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            match (kind, flags & ACK) {
                (PING, 0) => self.send(PING, ACK, 0, &payload).await,
                (SETTINGS, 0) => self.send(SETTINGS, ACK, 0, &[]).await,
                (GOAWAY, _) => self.is_told_to_leave = true,
                (DATA | HEADERS | RST_STREAM, _) => {
                    return Some(Frame {
                        kind,
                        stream,
                        payload,
                        is_last: kind != RST_STREAM && flags & END_STREAM != 0,
                    });
                }
                _ => {}
            }
        }
    }

    /// Waits for a frame of a stream. Panics after a minute without one.
    pub(crate) async fn frame_of(&mut self, stream: u32, kind: u8) -> Frame {
        let wait = async {
            loop {
                let frame = self.next().await.expect("the connection has not ended");
                if frame.stream == stream && frame.kind == kind {
                    return frame;
                }
            }
        };
        let timeout = Duration::from_secs(60);
        tokio::time::timeout(timeout, wait)
            .await
            .expect("a frame within a minute")
    }

    /// Waits for the head of a response and returns whether its status is 200.
    pub(crate) async fn is_ok(&mut self, stream: u32) -> bool {
        // The entry `:status: 200` of the static table.
        self.frame_of(stream, HEADERS).await.payload[0] == 0x88
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.write(&frame(kind, flags, stream, payload)).await;
    }

    async fn write(&mut self, frames: &[u8]) {
        // Fails when the server has closed the connection, which `next` reports.
        let _ = self.stream.write_all(frames).await;
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![len[1], len[2], len[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}
