//! The host side of `wasi:keyvalue`: its interfaces as imports of a guest.

use std::collections::BTreeMap;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable, ResourceTableError};

use super::bucket::{Bucket, ComponentBuckets, Owner};
use super::error::KeyValueError;
use super::limits::MAX_KEYS;

mod generated {
    #![allow(missing_docs)] // The WIT files document the items.
    wasmtime::component::bindgen!({
        path: "src/sandbox/keyvalue/wit",
        world: "imports",
        imports: { default: async | trappable },
        with: { "wasi:keyvalue/store.bucket": crate::sandbox::keyvalue::bucket::Bucket },
        trappable_error_type: { "wasi:keyvalue/store.error" => super::KeyValueError },
    });
}

use generated::wasi::keyvalue::{atomics, batch, store};

/// The state of one call that `wasi:keyvalue` uses.
pub(in crate::sandbox) struct KeyValueView<'a> {
    /// `None` if no bucket is granted.
    pub(in crate::sandbox) buckets: Option<&'a ComponentBuckets>,
    /// `None` if the host runs without authentication.
    pub(in crate::sandbox) owner: Option<&'a Owner>,
    pub(in crate::sandbox) table: &'a mut ResourceTable,
}

/// Tells wasmtime's linker that the data of the imports is a [`KeyValueView`].
struct HasKeyValue;

impl HasData for HasKeyValue {
    type Data<'a> = KeyValueView<'a>;
}

/// Adds the interfaces `store`, `atomics` and `batch` to a linker.
pub(in crate::sandbox) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> KeyValueView<'_>,
) -> wasmtime::Result<()> {
    store::add_to_linker::<_, HasKeyValue>(linker, view)?;
    atomics::add_to_linker::<_, HasKeyValue>(linker, view)?;
    batch::add_to_linker::<_, HasKeyValue>(linker, view)
}

impl From<ResourceTableError> for KeyValueError {
    fn from(error: ResourceTableError) -> Self {
        Self::other(error.to_string())
    }
}

impl KeyValueView<'_> {
    fn bucket(&self, bucket: &Resource<Bucket>) -> Result<&Bucket, KeyValueError> {
        Ok(self.table.get(bucket)?)
    }
}

fn check_batch(keys: usize) -> Result<(), KeyValueError> {
    if keys > MAX_KEYS {
        return Err(KeyValueError::other(format!(
            "the batch has more than {MAX_KEYS} keys"
        )));
    }
    Ok(())
}

impl store::Host for KeyValueView<'_> {
    async fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, KeyValueError> {
        let buckets = self.buckets.ok_or(KeyValueError::AccessDenied)?;
        let bucket = buckets.open(&identifier, self.owner)?;
        Ok(self.table.push(bucket)?)
    }

    fn convert_error(&mut self, error: KeyValueError) -> wasmtime::Result<store::Error> {
        Ok(match error {
            KeyValueError::NoSuchStore => store::Error::NoSuchStore,
            KeyValueError::AccessDenied => store::Error::AccessDenied,
            KeyValueError::Other(sentence) => store::Error::Other(sentence),
        })
    }
}

impl store::HostBucket for KeyValueView<'_> {
    async fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<Option<Vec<u8>>, KeyValueError> {
        let mut values = self.bucket(&bucket)?.get(vec![key]).await?;
        Ok(values.pop().flatten())
    }

    async fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), KeyValueError> {
        self.bucket(&bucket)?.set(vec![(key, value)]).await
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), KeyValueError> {
        self.bucket(&bucket)?.delete(vec![key]).await
    }

    async fn exists(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<bool, KeyValueError> {
        self.bucket(&bucket)?.exists(key).await
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<u64>,
    ) -> Result<store::KeyResponse, KeyValueError> {
        let page = self.bucket(&bucket)?.list_keys(cursor.unwrap_or(0)).await?;
        Ok(store::KeyResponse {
            keys: page.keys,
            cursor: page.next,
        })
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for KeyValueView<'_> {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: u64,
    ) -> Result<u64, KeyValueError> {
        self.bucket(&bucket)?.increment(key, delta).await
    }
}

impl batch::Host for KeyValueView<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, KeyValueError> {
        check_batch(keys.len())?;
        let values = self.bucket(&bucket)?.get(keys.clone()).await?;
        let pairs = keys.into_iter().zip(values);
        Ok(pairs.map(|(key, value)| Some((key, value?))).collect())
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Result<(), KeyValueError> {
        check_batch(entries.len())?;
        // Of a key that occurs twice, the last value is set.
        let entries: BTreeMap<_, _> = entries.into_iter().collect();
        self.bucket(&bucket)?
            .set(entries.into_iter().collect())
            .await
    }

    async fn delete_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<(), KeyValueError> {
        check_batch(keys.len())?;
        self.bucket(&bucket)?.delete(keys).await
    }
}
