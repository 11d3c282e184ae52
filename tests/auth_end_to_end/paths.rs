//! The endpoint at the root, below a path prefix that a proxy keeps, and the metadata that clients find there.

use reqwest::Method;
use serde_json::json;

use super::guest;
use crate::support::client::{Answer, Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::Host;

/// A path of the endpoint with the identifier and the metadata that belong to it.
struct Place {
    settings: &'static str,
    path: &'static str,
    resource: &'static str,
    metadata_url: &'static str,
    metadata_paths: &'static [&'static str],
}

const PLACES: [Place; 4] = [
    Place {
        settings: "path = \"/\"\npublic-url = \"https://tools.example\"",
        path: "/",
        resource: "https://tools.example",
        metadata_url: "https://tools.example/.well-known/oauth-protected-resource",
        metadata_paths: &[
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource/",
        ],
    },
    // A proxy strips the prefix.
    Place {
        settings: "path = \"/\"\npublic-url = \"https://tools.example/crib\"",
        path: "/",
        resource: "https://tools.example/crib",
        metadata_url: "https://tools.example/.well-known/oauth-protected-resource/crib",
        metadata_paths: &[
            "/.well-known/oauth-protected-resource/crib",
            "/.well-known/oauth-protected-resource",
        ],
    },
    // A proxy keeps the prefix and forwards the well-known paths too.
    Place {
        settings: "path = \"/crib/mcp\"\npublic-url = \"https://tools.example\"",
        path: "/crib/mcp",
        resource: "https://tools.example/crib/mcp",
        metadata_url: "https://tools.example/.well-known/oauth-protected-resource/crib/mcp",
        metadata_paths: &[
            "/.well-known/oauth-protected-resource/crib/mcp",
            "/.well-known/oauth-protected-resource",
        ],
    },
    // A proxy keeps the prefix and forwards nothing else.
    Place {
        settings: "path = \"/crib/mcp\"\npublic-url = \"https://tools.example\"\n\
                   metadata-url = \"https://tools.example/crib/.well-known/oauth-protected-resource\"",
        path: "/crib/mcp",
        resource: "https://tools.example/crib/mcp",
        metadata_url: "https://tools.example/crib/.well-known/oauth-protected-resource",
        metadata_paths: &["/crib/.well-known/oauth-protected-resource"],
    },
];

#[tokio::test]
async fn clients_find_the_metadata_of_an_endpoint_at_any_path() {
    let issuer = Issuer::start().await;
    for place in PLACES {
        let text = format!(
            "components = [\"guest.wasm\"]\n[server]\n{}\n\
             [auth]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\njwks-uri = \"{}\"\n",
            place.settings,
            issuer.url(),
            issuer.jwks_uri(),
        );
        let host = Host::configured(&[("guest", &guest())], &text).await;
        let token = issuer.token(|_| {});
        for revision in Revision::ALL {
            let client = Client::new(&host.url(place.path), revision).with_token(&token);
            let answer = client.call("open", json!({})).await;
            assert_eq!(answer.text(), "open", "{}", place.settings);
        }
        let client = host.client();
        let challenged = Answer::to(client.bare(Method::POST)).await;
        assert_eq!(challenged.status, 401);
        let parameter = format!("resource_metadata=\"{}\"", place.metadata_url);
        let challenge = challenged.header("www-authenticate");
        assert!(challenge.contains(&parameter), "{challenge}");
        for path in place.metadata_paths {
            let answer = Answer::to(client.http.get(host.url(path))).await;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.messages[0]["resource"], place.resource, "{path}");
        }
        let other = Client::new(&host.url("/other"), Revision::July2026);
        assert_eq!(Answer::to(other.bare(Method::POST)).await.status, 404);
    }
}

/// Without `public-url`, `listen` has to determine the URL that clients use.
#[test]
fn authentication_needs_a_url_of_the_endpoint() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest().component());
    for (listen, is_accepted) in [
        ("127.0.0.1:8080", true),
        ("[::1]:8080", true),
        ("localhost:8080", true),
        ("127.0.0.1:0", false),
        ("0.0.0.0:8080", false),
        ("localhost:0", false),
        ("unix:s.sock", false),
    ] {
        for public_url in ["", "public-url = \"https://tools.example\"\n"] {
            let text = format!(
                "components = [\"guest.wasm\"]\n[server]\nlisten = \"{listen}\"\n{public_url}\
                 [auth]\nissuer = \"https://login.example\"\naudience = \"{AUDIENCE}\"\n\
                 secret = \"0123456789abcdef0123456789abcdef\"\nalgorithms = [\"HS256\"]\n"
            );
            toolcrib.file("c.toml", text);
            let output = toolcrib.run(&["check", "--config", "c.toml"]);
            if is_accepted || !public_url.is_empty() {
                assert_eq!(output.status, 0, "{listen}: {output:?}");
            } else {
                assert_eq!(output.status, 2, "{listen}: {output:?}");
                assert!(
                    output
                        .stderr
                        .contains("`auth.issuer` needs `server.public-url`"),
                    "{output:?}"
                );
            }
        }
    }
}
