//! The interfaces of `wasi:keyvalue` as a guest's imports.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable, ResourceTableError};

use super::{Bucket, KeyValue, KeyValueError, MAX_KEYS, Owner};

mod generated {
    #![allow(missing_docs)] // The WIT documents them.
    wasmtime::component::bindgen!({
        path: "src/sandbox/keyvalue/wit",
        world: "imports",
        imports: { default: async | trappable },
        with: { "wasi:keyvalue/store.bucket": crate::sandbox::keyvalue::Bucket },
        trappable_error_type: { "wasi:keyvalue/store.error" => super::KeyValueError },
    });
}

use generated::wasi::keyvalue::{atomics, batch, store};

/// `wasi:keyvalue` of one call.
pub(in crate::sandbox) struct View<'a> {
    /// `None` where no bucket is granted.
    pub(in crate::sandbox) kv: Option<&'a Arc<KeyValue>>,
    /// `None` where nobody is known.
    pub(in crate::sandbox) owner: Option<&'a Owner>,
    pub(in crate::sandbox) table: &'a mut ResourceTable,
}

/// The type of [`View`] for a linker.
pub(in crate::sandbox) struct HasKeyValue;

impl HasData for HasKeyValue {
    type Data<'a> = View<'a>;
}

/// Links all three interfaces.
pub(in crate::sandbox) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
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

impl View<'_> {
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

impl store::Host for View<'_> {
    async fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, KeyValueError> {
        let kv = self.kv.ok_or(KeyValueError::AccessDenied)?;
        let bucket = kv.bucket(&identifier, self.owner)?;
        Ok(self.table.push(bucket)?)
    }

    fn convert_error(&mut self, fault: KeyValueError) -> wasmtime::Result<store::Error> {
        Ok(match fault {
            KeyValueError::NoSuchStore => store::Error::NoSuchStore,
            KeyValueError::AccessDenied => store::Error::AccessDenied,
            KeyValueError::Other(sentence) => store::Error::Other(sentence),
        })
    }
}

impl store::HostBucket for View<'_> {
    async fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Result<Option<Vec<u8>>, KeyValueError> {
        let mut found = self.bucket(&bucket)?.get(vec![key]).await?;
        Ok(found.pop().flatten())
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
        let page = self.bucket(&bucket)?.list(cursor.unwrap_or(0)).await?;
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

impl atomics::Host for View<'_> {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: u64,
    ) -> Result<u64, KeyValueError> {
        self.bucket(&bucket)?.increment(key, delta).await
    }
}

impl batch::Host for View<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, KeyValueError> {
        check_batch(keys.len())?;
        let found = self.bucket(&bucket)?.get(keys.clone()).await?;
        let pairs = keys.into_iter().zip(found);
        Ok(pairs.map(|(key, value)| Some((key, value?))).collect())
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Result<(), KeyValueError> {
        check_batch(entries.len())?;
        // Of a key that stands there twice, the last value.
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
