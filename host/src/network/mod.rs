//! The network as the host reaches out to it: which addresses are within reach, and names resolved to just those. The
//! guard's keys and the guests' requests go by the same rules.

mod address;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

pub(crate) use address::{Reach, is_loopback, literal_address};

/// The name leads to no address within reach.
#[derive(Debug, thiserror::Error)]
#[error("the name stands for a private address")]
pub(crate) struct PrivateAddress;

/// Names that one resolver looks up at a time: a look-up has a thread to itself, until it ends by itself.
const MAX_LOOKUPS: usize = 16;

/// Resolves a name for an HTTP client: the addresses that were judged are the ones connected to.
pub(crate) struct Resolver {
    reach: Reach,
    turns: Arc<Semaphore>,
}

impl Resolver {
    pub(crate) fn new(reach: Reach) -> Self {
        Self {
            reach,
            turns: Arc::new(Semaphore::new(MAX_LOOKUPS)),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, turns) = (self.reach, self.turns.clone());
        Box::pin(async move {
            let turn = turns.acquire_owned().await?;
            // A task of its own, which goes on when nobody waits for it any longer, and so keeps its turn.
            let looking_up = tokio::spawn(async move {
                let found = tokio::net::lookup_host((name.as_str(), 0)).await;
                drop(turn);
                found.map(Vec::from_iter)
            });
            let mut within: Vec<SocketAddr> = looking_up.await?.map_err(Unresolved)?;
            within.retain(|address| reach.permits(address.ip()));
            if within.is_empty() {
                return Err(PrivateAddress.into());
            }
            Ok(Box::new(within.into_iter()) as Addrs)
        })
    }
}

/// The name could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("the name does not resolve")]
pub(crate) struct Unresolved(#[source] std::io::Error);

/// The first cause of this type among the error and what caused it.
pub(crate) fn cause<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    /// A name is judged by where it leads.
    #[tokio::test]
    async fn a_name_that_leads_to_a_private_address_is_refused() {
        for (named, private, resolves) in [
            ("https://login.example", false, false),
            ("https://login.example", true, true),
            ("http://localhost", false, true),
        ] {
            let url = Url::parse(named).expect("the table holds URLs");
            let resolver = Resolver::new(Reach::new(&url, private));
            let name: Name = "localhost".parse().expect("a name");
            let resolved = resolver.resolve(name).await;
            assert_eq!(resolved.is_ok(), resolves, "{named} {private}");
        }
    }

    /// Whoever looks up a name while others do so waits for a turn.
    #[tokio::test]
    async fn look_ups_take_turns() {
        let resolver = Resolver::new(Reach::anywhere(true));
        let lookup = || resolver.resolve("localhost".parse().expect("a name"));
        let turns = resolver.turns.acquire_many(MAX_LOOKUPS as u32).await;
        let soon = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, lookup()).await.is_err());
        drop(turns);
        assert!(lookup().await.is_ok());
    }
}
