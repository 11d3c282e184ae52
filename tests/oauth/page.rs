//! The page signs its user in at the provider, in a real browser.

use super::host::Host;
use super::provider::Provider;
use crate::page::play;

#[tokio::test]
async fn a_person_signs_in_on_the_page() {
    let provider = Provider::start("ES256", &["first"]);
    let host = Host::start_with(&provider, "server.page-client-id = \"page\"");
    let url = host.resource.strip_suffix("mcp").unwrap();
    let token = provider.token_for(&host.resource).await;
    play("sign-in", &[url, &provider.issuer(), &token]).await;
}
