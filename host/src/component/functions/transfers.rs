//! Streams and futures in a result. They are read to their end after the function has returned, all at the same time, and
//! then replaced by their values.
//!
//! | WIT | JSON |
//! |---|---|
//! | `stream<u8>` | `{"text": …}`, or `{"base64": …}` if the bytes are not UTF-8 |
//! | `future<T>` | T |

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::future::try_join_all;
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{Source, StreamConsumer, StreamResult, Val};

use super::future_payloads::read_future;
use super::types::{Case, NamedItems, TypeKind, WitType};
use super::value_limit::ValueLimit;
use crate::component::contract::{self, GuestError, GuestStore};

/// The name of the type, which no other type can have.
const STREAM: &str = "stream<u8>";
const TEXT: &str = "text";
const BASE64_CASE: &str = "base64";

/// Returns the type of what replaces a stream of bytes.
pub(super) fn stream_type() -> WitType {
    let case = |name: &str, docs: &str, kind| Case {
        name: name.to_owned(),
        docs: Some(docs.to_owned()),
        payload: Some(WitType {
            kind,
            name: None,
            docs: None,
        }),
    };
    let cases = vec![
        case(TEXT, "The bytes as text", TypeKind::String),
        case(
            BASE64_CASE,
            "The bytes, if they are no text",
            TypeKind::Bytes,
        ),
    ];
    WitType {
        kind: TypeKind::Variant(NamedItems::new(cases, |case| &case.name)),
        name: Some(STREAM.to_owned()),
        docs: None,
    }
}

/// Returns whether a type is that of [`stream_type`].
pub(super) fn is_stream(ty: &WitType) -> bool {
    ty.name.as_deref() == Some(STREAM)
}

/// Returns whether the host can wait for a future of this type.
pub(super) fn is_future_payload(ty: &WitType) -> bool {
    read_future(&ty.kind).is_some()
}

/// Waits for all streams and futures in a result, and puts their values in their places. Together they may have
/// `max_bytes`.
///
/// # Errors
/// They have more, the guest traps, or drops one of them.
pub(super) async fn complete(
    store: &mut GuestStore,
    ty: &WitType,
    result: &mut Val,
    max_bytes: usize,
) -> Result<(), GuestError> {
    let limit = Arc::new(ValueLimit::new(max_bytes));
    let mut waiting = Vec::new();
    let started = for_each(ty, result, &mut |ty, value| {
        waiting.push(read(store, ty, value, &limit)?);
        Ok(())
    });
    let all = try_join_all(waiting.into_iter().map(wait_for));
    let values = match started {
        Ok(()) => store.run_concurrent(async move |_| all.await).await,
        Err(error) => Err(error),
    };
    if limit.is_exceeded() {
        // A guest that writes on traps.
        return Err(GuestError::OutputTooLarge);
    }
    let values = values.map_err(|error| contract::trap(error, store))??;
    let mut values = values.into_iter();
    let replaced = for_each(ty, result, &mut |_, value| {
        // In the order in which they were read.
        if let Some(read) = values.next() {
            *value = read;
        }
        Ok(())
    });
    replaced.map_err(|error| contract::trap(error, store))
}

/// The value of a stream or future when it has been read; `None` if it is too large.
type Reading = oneshot::Receiver<Option<Val>>;

async fn wait_for(reading: Reading) -> Result<Val, GuestError> {
    match reading.await {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(GuestError::OutputTooLarge),
        Err(_) => Err(GuestError::Failed(
            "a stream or future of the result ended without a value".into(),
        )),
    }
}

/// Calls `visit` with each stream and future in a value.
fn for_each(
    ty: &WitType,
    value: &mut Val,
    visit: &mut impl FnMut(&WitType, &mut Val) -> wasmtime::Result<()>,
) -> wasmtime::Result<()> {
    match (&ty.kind, value) {
        (_, value @ (Val::Stream(_) | Val::Future(_))) => visit(ty, value),
        (TypeKind::List(element), Val::List(values)) => values
            .iter_mut()
            .try_for_each(|value| for_each(element, value, visit)),
        (TypeKind::Tuple(parts), Val::Tuple(values)) => parts
            .iter()
            .zip(values)
            .try_for_each(|(part, value)| for_each(part, value, visit)),
        (TypeKind::Record(fields), Val::Record(values)) => fields
            .iter()
            .zip(values)
            .try_for_each(|(field, (_, value))| for_each(&field.ty, value, visit)),
        (TypeKind::Variant(cases), Val::Variant(name, Some(payload))) => {
            match cases.get(name).and_then(|case| case.payload.as_ref()) {
                Some(ty) => for_each(ty, payload, visit),
                None => Ok(()),
            }
        }
        (TypeKind::Option(inner), Val::Option(Some(value)))
        | (TypeKind::Result(Some(inner), _), Val::Result(Ok(Some(value))))
        | (TypeKind::Result(_, Some(inner)), Val::Result(Err(Some(value)))) => {
            for_each(inner, value, visit)
        }
        _ => Ok(()),
    }
}

/// Starts to read a stream or future.
fn read(
    store: &mut GuestStore,
    ty: &WitType,
    value: &Val,
    limit: &Arc<ValueLimit>,
) -> wasmtime::Result<Reading> {
    let (sender, receiver) = oneshot::channel();
    match value {
        Val::Stream(stream) => {
            let bytes = ByteCollector {
                bytes: Vec::new(),
                limit: limit.clone(),
                sender: Some(sender),
            };
            let stream = stream.clone().try_into_stream_reader::<u8>()?;
            stream.pipe(store, bytes)?;
        }
        Val::Future(future) => {
            let unknown = || wasmtime::Error::msg("a future of this type cannot be read");
            read_future(&ty.kind).ok_or_else(unknown)?(
                store,
                future.clone(),
                limit.clone(),
                sender,
            )?;
        }
        _ => {}
    }
    Ok(receiver)
}

/// Collects the bytes of a stream, which has ended when this is dropped.
struct ByteCollector {
    bytes: Vec<u8>,
    limit: Arc<ValueLimit>,
    /// `None` after the limit.
    sender: Option<oneshot::Sender<Option<Val>>>,
}

impl<D: 'static> StreamConsumer<D> for ByteCollector {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        _: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        let written = source.remaining();
        let length = written.len();
        if !self.limit.take(length) {
            if let Some(sender) = self.sender.take() {
                let _ = sender.send(None);
            }
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        self.bytes.extend_from_slice(written);
        source.mark_read(length);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl Drop for ByteCollector {
    fn drop(&mut self) {
        let Some(sender) = self.sender.take() else {
            return;
        };
        let (case, text) = match String::from_utf8(std::mem::take(&mut self.bytes)) {
            Ok(text) => (TEXT, text),
            Err(error) => (BASE64_CASE, BASE64.encode(error.as_bytes())),
        };
        let text = Box::new(Val::String(text));
        // The call may have ended.
        let _ = sender.send(Some(Val::Variant(case.to_owned(), Some(text))));
    }
}
