//! The protected resource metadata (RFC 9728).

use super::*;

#[tokio::test]
async fn metadata_is_public_at_both_well_known_paths() {
    let issuer = Issuer::start().await;
    let mut config = config(&issuer);
    config.required_scopes = vec!["tools:use".to_owned()];
    config.authorization_servers = vec![
        "https://Login.Example".to_owned(),
        "https://login.example/Tenant/".to_owned(),
        "https://login.example:443".to_owned(),
    ];
    let site = Site::start(config).await;
    let metadata = json!({
        "resource": AUDIENCE,
        "authorization_servers": ["https://Login.Example", "https://login.example/Tenant/", "https://login.example:443"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["tools:use"],
    });
    let token = issuer.token(|_| {});
    for path in ["", "/", "/mcp", "/mcp/"] {
        let path = format!("{METADATA_PATH}{path}");
        for request in [
            site.request(Method::GET, &path),
            site.request(Method::GET, &path)
                .header("host", "evil.example"),
            site.request(Method::GET, &path)
                .header("origin", "https://evil.example"),
            site.request(Method::GET, &path).bearer_auth(&token),
            site.request(Method::GET, &path)
                .header("authorization", "Basic x"),
        ] {
            let answer = Answer::to(request).await;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.body, metadata, "{path}");
            assert_eq!(answer.header("content-type"), "application/json");
            assert_eq!(answer.header("access-control-allow-origin"), "*");
            let max_age = answer
                .header("cache-control")
                .split_once("max-age=")
                .unwrap()
                .1;
            assert!(max_age.parse::<u64>().unwrap() <= 300);
        }
        let head = site.request(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(head.status(), 200, "{path}");
        assert_eq!(head.headers()["access-control-allow-origin"], "*");
        assert!(head.bytes().await.unwrap().is_empty());
        let preflight = site
            .request(Method::OPTIONS, &path)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "GET")
            .header(
                "access-control-request-headers",
                "authorization,mcp-protocol-version",
            )
            .send()
            .await
            .unwrap();
        assert_eq!(preflight.status(), 200, "{path}");
        assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
        let allowed = preflight.headers()["access-control-allow-headers"]
            .to_str()
            .unwrap();
        assert!(allowed.contains("authorization") && allowed.contains("mcp-protocol-version"));
        let answer = Answer::to(site.request(Method::POST, &path)).await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.body["error"], "method_not_allowed");
    }
    assert_eq!(
        site.request(Method::GET, &format!("{METADATA_PATH}/other"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    assert_eq!((issuer.jwks_fetches(), issuer.metadata_fetches()), (0, 0));
}

/// Cases: the configured resource, the metadata URL in challenges, and the suffix of a path that serves the metadata.
#[tokio::test]
async fn the_resource_identifier_is_emitted_byte_for_byte() {
    for (resource, url, path) in [
        (
            "https://tools.example/mcp",
            "https://tools.example/.well-known/oauth-protected-resource/mcp",
            "/mcp",
        ),
        (
            "HTTPS://Tools.Example/MCP",
            "HTTPS://Tools.Example/.well-known/oauth-protected-resource/MCP",
            "/MCP",
        ),
        (
            "https://tools.example:443/mcp",
            "https://tools.example:443/.well-known/oauth-protected-resource/mcp",
            "/mcp",
        ),
        (
            "https://tools.example",
            "https://tools.example/.well-known/oauth-protected-resource",
            "",
        ),
        (
            "https://tools.example/",
            "https://tools.example/.well-known/oauth-protected-resource",
            "/",
        ),
        (
            "https://tools.example/a/b/",
            "https://tools.example/.well-known/oauth-protected-resource/a/b/",
            "/a/b",
        ),
        (
            "https://tools.example/:a/*b",
            "https://tools.example/.well-known/oauth-protected-resource/:a/*b",
            "/:a/*b",
        ),
        (
            "http://127.0.0.1:8080/mcp",
            "http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp",
            "/mcp",
        ),
    ] {
        let guard = Guard::build(GuardConfig::new(
            resource,
            "https://login.example",
            resource,
        ))
        .unwrap();
        assert_eq!(guard.metadata_url(), url);
        assert_eq!(guard.warnings(), Vec::<String>::new(), "{resource}");
        let server = serve(guard.metadata_router()).await;
        let answer = Answer::to(client().get(format!("{server}{METADATA_PATH}{path}"))).await;
        assert_eq!(answer.body["resource"], resource);
        assert_eq!(
            answer.body["authorization_servers"],
            json!(["https://login.example"])
        );
        assert!(answer.body.get("scopes_supported").is_none());
    }
}

/// Only a path prefix of the host is routed here, and the proxy may or may not strip it.
#[tokio::test]
async fn the_metadata_url_can_be_configured() {
    let url = "https://tools.example/crib/.well-known/oauth-protected-resource";
    let mut config = GuardConfig::new(AUDIENCE, "https://login.example", AUDIENCE);
    config.metadata_url = Some(url.to_owned());
    let guard = Guard::build(config).unwrap();
    let site = Site::start_with(guard, "/crib").await;
    let answer = Answer::to(site.request(Method::GET, "/crib/mcp")).await;
    let parameter = format!(r#"resource_metadata="{url}""#);
    assert!(answer.challenge().contains(&parameter), "{answer:?}");
    for path in ["/crib/.well-known/oauth-protected-resource", METADATA_PATH] {
        let answer = Answer::to(site.request(Method::GET, path)).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.body["resource"], AUDIENCE, "{path}");
    }
}

/// Older clients look for the authorization server's metadata at the resource's own origin.
#[tokio::test]
async fn metadata_of_the_authorization_server_is_found_by_a_redirect() {
    for (issuer, servers, location) in [
        (
            "https://login.example",
            vec![],
            "https://login.example/.well-known/oauth-authorization-server",
        ),
        (
            "https://login.example/tenant/",
            vec![],
            "https://login.example/.well-known/oauth-authorization-server/tenant",
        ),
        (
            "https://login.example",
            vec!["https://first.example/a", "https://second.example"],
            "https://first.example/.well-known/oauth-authorization-server/a",
        ),
    ] {
        let mut config = GuardConfig::new(AUDIENCE, issuer, AUDIENCE);
        config.authorization_servers = servers.into_iter().map(str::to_owned).collect();
        let guard = Guard::build(config).unwrap();
        let server = serve(
            guard
                .metadata_router()
                .merge(guard.authorization_server_router()),
        )
        .await;
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let url = format!("{server}/.well-known/oauth-authorization-server");
        let response = client
            .get(&url)
            .header("origin", "https://app.example")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 307, "{issuer}");
        assert_eq!(response.headers()["location"], location);
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        assert_eq!(client.post(&url).send().await.unwrap().status(), 405);
    }
}
