//! The MCP server as a part of another axum application.
//!
//! ```sh
//! cargo run -p toolcrib --example embedded -- guest-examples/dist/
//! ```

use std::path::Path;

use axum::Router;
use axum::routing::get;
use toolcrib::App;
use toolcrib::config::{Access, Config};
use toolcrib::reference::Reference;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config {
        // Anybody on this machine may call; `Access::Guarded` takes the configuration of a guard.
        access: Access::Open,
        ..Config::default()
    };
    for reference in std::env::args().skip(1) {
        config
            .references
            .push(Reference::parse(&reference, Path::new("."))?);
    }
    // Reports every problem of the configuration and of the components at once.
    let app = App::build(config).await?;

    let router = Router::new()
        .route("/", get(async || "the MCP endpoint is at /mcp\n"))
        .merge(app.router());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, router).await?;
    Ok(())
}
