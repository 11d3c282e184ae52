//! Seals the states of calls that wait for answers: a client holds them meanwhile, and cannot read or change them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rmcp::model::{RequestStateCodec, RequestStateError, SealOptions};
use serde::de::DeserializeOwned;

/// How long a request state is accepted.
const STATE_TTL: Duration = Duration::from_secs(3_600);

/// Seals and opens request states. Clones share the key.
#[derive(Clone)]
pub(super) struct Seal(Arc<RwLock<Keys>>);

#[derive(Clone)]
struct Keys {
    current: Arc<RequestStateCodec>,
    /// Opens states that were sealed before the key was replaced, at this time.
    previous: Option<(Arc<RequestStateCodec>, Instant)>,
}

impl Seal {
    /// Uses this key of 32 bytes or more. Without a key it generates one, which other replicas and later starts do not
    /// know.
    pub(super) fn new(key: Option<&[u8]>) -> Self {
        Self(Arc::new(RwLock::new(Keys {
            current: codec(key),
            previous: None,
        })))
    }

    /// Replaces the key. States sealed with the one before are opened as long as they are accepted.
    pub(super) fn replace(&self, key: Option<&[u8]>) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let previous = std::mem::replace(&mut keys.current, codec(key));
        keys.previous = Some((previous, Instant::now()));
    }

    /// Seals a state and binds it to this data.
    pub(super) fn seal(&self, state: &[u8], binding: &[u8]) -> String {
        let options = SealOptions::new().associated_data(binding).ttl(STATE_TTL);
        self.keys().current.seal_with(state, &options)
    }

    /// Opens a state that is bound to this data.
    ///
    /// # Errors
    /// It was not sealed with one of the keys, or with other data, or has expired.
    pub(super) fn open<T: DeserializeOwned>(
        &self,
        state: &str,
        binding: &[u8],
    ) -> Result<T, RequestStateError> {
        let keys = self.keys();
        let opened = keys.current.open_json_with(state, binding);
        let previous = keys.previous;
        match (opened, previous.filter(|(_, at)| at.elapsed() < STATE_TTL)) {
            (Err(error), Some((previous, _))) => {
                previous.open_json_with(state, binding).map_err(|_| error)
            }
            (opened, _) => opened,
        }
    }

    fn keys(&self) -> Keys {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn codec(key: Option<&[u8]>) -> Arc<RequestStateCodec> {
    let key = match key {
        Some(key) => key.to_vec(),
        None => [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()]
            .iter()
            .flat_map(|id| *id.as_bytes())
            .collect(),
    };
    // `App::build` has checked the length of the key.
    Arc::new(RequestStateCodec::new_unchecked(key))
}
