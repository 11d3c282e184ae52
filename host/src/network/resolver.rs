//! Name resolution within the policy on addresses.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::address::AddressPolicy;

/// The error for a name without a permitted address.
#[derive(Debug, thiserror::Error)]
#[error("the name stands for a private address")]
pub(crate) struct PrivateAddress;

/// The maximum number of concurrent lookups of one resolver. A lookup occupies a thread and cannot be cancelled.
const MAX_LOOKUPS: usize = 16;

/// A resolver for HTTP clients that returns only permitted addresses, so that no other address is connected to.
pub(crate) struct Resolver {
    policy: AddressPolicy,
    /// A name whose addresses are all permitted: the operator's proxy.
    trusted_name: Option<String>,
    permits: Arc<Semaphore>,
}

impl Resolver {
    pub(crate) fn new(policy: AddressPolicy) -> Self {
        Self {
            policy,
            trusted_name: None,
            permits: Arc::new(Semaphore::new(MAX_LOOKUPS)),
        }
    }

    /// Permits all addresses of this name, which the operator has configured.
    pub(crate) fn trusting(self, name: Option<&str>) -> Self {
        Self {
            trusted_name: name.map(str::to_owned),
            ..self
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, permits) = (self.policy, self.permits.clone());
        let is_trusted = self.trusted_name.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let permit = permits.acquire_owned().await?;
            // A separate task, which holds its permit until the lookup ends, even if the request is dropped.
            let lookup = tokio::spawn(async move {
                let resolved = tokio::net::lookup_host((name.as_str(), 0)).await;
                drop(permit);
                resolved.map(Vec::from_iter)
            });
            let mut addresses: Vec<SocketAddr> = lookup.await?.map_err(Unresolved)?;
            addresses.retain(|address| is_trusted || policy.permits(address.ip()));
            if addresses.is_empty() {
                return Err(PrivateAddress.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The error for a name that could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("the name does not resolve")]
pub(crate) struct Unresolved(#[source] std::io::Error);

/// Returns the first error of type `T` in the chain of sources that begins with `error`.
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

    #[tokio::test]
    async fn a_name_that_resolves_to_a_private_address_is_rejected() {
        for (url, private, resolves) in [
            ("https://login.example", false, false),
            ("https://login.example", true, true),
            ("http://localhost", false, true),
        ] {
            let parsed = Url::parse(url).expect("valid URL");
            let resolver = Resolver::new(AddressPolicy::for_url(&parsed, private));
            let name: Name = "localhost".parse().expect("valid name");
            let resolved = resolver.resolve(name).await;
            assert_eq!(resolved.is_ok(), resolves, "{url} {private}");
        }
    }

    #[tokio::test]
    async fn a_trusted_name_may_resolve_to_a_private_address() {
        for (trusted, resolves) in [("localhost", true), ("proxy.example", false)] {
            let resolver =
                Resolver::new(AddressPolicy::for_any_host(false)).trusting(Some(trusted));
            let name: Name = "localhost".parse().expect("valid name");
            assert_eq!(resolver.resolve(name).await.is_ok(), resolves, "{trusted}");
        }
    }

    #[tokio::test]
    async fn the_number_of_concurrent_lookups_is_limited() {
        let resolver = Resolver::new(AddressPolicy::for_any_host(true));
        let lookup = || resolver.resolve("localhost".parse().expect("valid name"));
        let permits = resolver.permits.acquire_many(MAX_LOOKUPS as u32).await;
        let timeout = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(timeout, lookup()).await.is_err());
        drop(permits);
        assert!(lookup().await.is_ok());
    }
}
