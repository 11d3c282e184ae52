//! A web server and registry on loopback that gives prepared replies, and records the requests.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Media types of a component in a registry.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const WASM: &str = "application/wasm";

/// A running server. Dropping it stops it.
pub(crate) struct Web {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    /// `None` while it is dropped.
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<HashMap<String, Reply>>,
    requests: Mutex<Vec<String>>,
}

/// A reply to requests for one path. The default is an empty one.
#[derive(Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// The value of `Authorization` that is needed, and the challenge to requests without it.
    pub(crate) authorization: Option<(String, String)>,
    /// The first half of the body is sent, and the rest when the sender sends `true`.
    pub(crate) gate: Option<watch::Receiver<bool>>,
    /// The body is repeated without end.
    pub(crate) is_endless: bool,
}

impl Reply {
    pub(crate) fn new(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::default()
        }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap(),
            ..Self::default()
        }
    }

    pub(crate) fn redirect(url: impl Into<String>) -> Self {
        Self::status(307).header("location", url)
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Web {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared: Arc<Shared> = Arc::default();
        let router = Router::new().fallback(answer).with_state(shared.clone());
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await
        });
        Self {
            address,
            shared,
            runtime: Some(runtime),
        }
    }

    /// Returns the URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sets the reply to requests for a path with its query.
    pub(crate) fn reply(&self, path: impl Into<String>, reply: Reply) -> &Self {
        let mut replies = self.shared.replies.lock().unwrap();
        replies.insert(path.into(), reply);
        self
    }

    /// Returns the reply to requests for a path.
    pub(crate) fn prepared(&self, path: &str) -> Reply {
        self.shared.replies.lock().unwrap()[path].clone()
    }

    /// Returns the requests so far, such as `GET /x.wasm Basic abc`, without those that ask whether this is a registry.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Puts a component into the repository `team/tool` under a tag. Returns the digests of its manifest and of its bytes.
    pub(crate) fn push(&self, tag: &str, component: &[u8]) -> (String, String) {
        let digest = digest(component);
        let layer = json!({ "mediaType": WASM, "digest": digest, "size": component.len() });
        let manifest = manifest(WASM_CONFIG, &[layer]);
        self.reply(
            format!("/v2/team/tool/blobs/{digest}"),
            Reply::new(component),
        );
        (self.push_manifest(tag, manifest), digest)
    }

    /// Puts a manifest into the repository `team/tool` under a tag. Returns its digest.
    pub(crate) fn push_manifest(&self, tag: &str, manifest: impl Into<Vec<u8>>) -> String {
        let manifest = manifest.into();
        let digest = digest(&manifest);
        let reply = Reply::new(manifest)
            .header("content-type", MANIFEST)
            .header("docker-content-digest", &digest);
        for reference in [tag, &digest] {
            let path = format!("/v2/team/tool/manifests/{reference}");
            self.reply(path, reply.clone());
        }
        digest
    }

    /// Returns the reference of an artefact in the repository `team/tool`.
    pub(crate) fn oci(&self, suffix: &str) -> String {
        format!("oci://{}/team/tool{suffix}", self.address)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        // A runtime cannot be dropped in a test that is asynchronous itself.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Returns a manifest with an empty configuration of this type.
pub(crate) fn manifest(config: &str, layers: &[Value]) -> String {
    let config = json!({ "mediaType": config, "digest": digest(b"{}"), "size": 2 });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
    });
    manifest.to_string()
}

/// Returns `sha256:…` of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hex = Sha256::digest(bytes);
    let hex = hex.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", hex.collect::<String>())
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path_and_query().unwrap().as_str().to_owned();
    let authorization = request.headers().get(AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let authorization = authorization.unwrap_or_default();
    if path != "/v2/" {
        let line = format!("{} {path} {authorization}", request.method());
        let mut requests = shared.requests.lock().unwrap();
        requests.push(line.trim_end().to_owned());
    }
    let reply = shared.replies.lock().unwrap().get(&path).cloned();
    let reply = reply.unwrap_or_else(|| Reply::status(404));
    if let Some((needed, challenge)) = &reply.authorization
        && needed != authorization
    {
        return Response::builder()
            .status(401)
            .header(WWW_AUTHENTICATE, challenge)
            .body(Body::empty())
            .unwrap();
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    let body = match (reply.gate, reply.is_endless) {
        (Some(gate), _) => gated(reply.body, gate),
        (None, true) => {
            let chunk = bytes(reply.body);
            Body::from_stream(futures::stream::repeat_with(move || {
                Ok::<_, std::io::Error>(chunk.clone())
            }))
        }
        (None, false) => Body::from(reply.body),
    };
    response.body(body).unwrap()
}

fn bytes(body: Vec<u8>) -> axum::body::Bytes {
    body.into()
}

/// Returns a body whose second half waits for the gate.
fn gated(body: Vec<u8>, mut gate: watch::Receiver<bool>) -> Body {
    let (first, second) = body.split_at(body.len() / 2);
    let (first, second) = (bytes(first.to_vec()), bytes(second.to_vec()));
    let first = futures::stream::once(async move { Ok::<_, std::io::Error>(first) });
    let second = futures::stream::once(async move {
        // Without a sender, the rest never comes.
        if gate.wait_for(|is_open| *is_open).await.is_err() {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        Ok(second)
    });
    Body::from_stream(futures::StreamExt::chain(first, second))
}
