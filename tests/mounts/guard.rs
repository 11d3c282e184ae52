//! Mounted components are behind the guard, which keeps the token.

use serde_json::json;

use super::{HELLO, handler, serve};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::{Host, write};

#[tokio::test]
async fn tokens_and_scopes_are_checked() {
    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "hook", &handler(HELLO));
    let text = format!(
        "[server]\npublic-url = \"https://tools.example\"\n\
         [auth]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\njwks-uri = \"{}\"\n\
         [[mount]]\npath = \"/hook\"\nref = \"hook.wasm\"\nscopes = [\"hooks\"]",
        issuer.url(),
        issuer.jwks_uri(),
    );
    let host = Host::configured_in(dir, &text).await;
    let http = reqwest::Client::new();
    let with = |scope: &str| issuer.token(|claims| claims["scope"] = json!(scope));
    for (token, status, words) in [
        (None, 401, "resource_metadata="),
        (Some("rubbish".to_owned()), 401, "invalid_token"),
        (Some(with("tools")), 403, "scope=\"hooks\""),
        (Some(with("tools hooks")), 201, ""),
    ] {
        let mut request = http.get(host.url("/hook"));
        if let Some(token) = &token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        let challenge = answer.headers().get("www-authenticate");
        let challenge = challenge.map_or("", |value| value.to_str().unwrap());
        assert_eq!(answer.status(), status, "{token:?}");
        assert!(challenge.contains(words), "{challenge}");
    }
}

/// Without a guard, the header does not reach the guest either.
#[tokio::test]
async fn the_authorization_header_is_removed() {
    let count = "
        (local.set $stream (call $start (local.get $outparam)
          (i32.add (i32.const 200) (call $tokens (local.get $request)))))
        (call $end (local.get $stream))";
    let host = serve(count, "").await;
    let request = reqwest::Client::new().get(host.url("/hook"));
    let answer = request.bearer_auth("secret").send().await.unwrap();
    assert_eq!(answer.status(), 200);
}
