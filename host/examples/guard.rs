//! The guard in front of a plain axum router, without MCP and WebAssembly.
//!
//! ```sh
//! cargo run -p toolcrib --example guard
//! curl -i http://127.0.0.1:3000/books     # 401, with the URL of the protected resource metadata
//! ```

use std::sync::Arc;

use axum::routing::get;
use axum::{Extension, Router};
use toolcrib::auth::{Caller, Guard, GuardConfig};

async fn books(Extension(caller): Extension<Arc<Caller>>) -> String {
    format!("the books of {}\n", caller.subject)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = GuardConfig::new(
        "http://127.0.0.1:3000/books", // the resource: the URL that clients use
        "https://login.example.com",   // the issuer, whose metadata names its keys
        "https://library.example/books", // the audience that tokens must have
    );
    config.required_scopes = vec!["books:read".to_owned()];
    let guard = Guard::build(config).map_err(|errors| format!("{errors:?}"))?;

    let app = Router::new()
        .route("/books", get(books))
        .layer(guard.layer())
        .merge(guard.metadata_router());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
