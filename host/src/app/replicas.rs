//! The state that replicas share, at the start.

use super::problem::Problem;
use crate::config::Config;
use crate::shared::Shared;

/// Connects to the state that replicas share, if it is configured.
///
/// # Errors
/// It cannot be used as it is set up.
pub(super) async fn start_shared(config: &Config) -> Result<Option<Shared>, Problem> {
    let Some(shared) = &config.shared else {
        return Ok(None);
    };
    let Some(key) = &config.server.state_key else {
        return Err(Problem::SharedWithoutKey);
    };
    Ok(Some(Shared::start(shared, key.bytes()).await?))
}
