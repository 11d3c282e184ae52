//! The types of futures that the host can read: each has a function of its own.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, FutureAny, FutureConsumer, Lift, Source, Val};

use super::types::{Integer, TypeKind, WitType};
use super::value_limit::ValueLimit;
use crate::component::contract::GuestStore;

/// Starts to read a future. Its value is sent, `None` if it is over the limit; the sender is dropped if the future ends
/// without a value.
pub(super) type ReadFuture = fn(
    &mut GuestStore,
    FutureAny,
    Arc<ValueLimit>,
    oneshot::Sender<Option<Val>>,
) -> wasmtime::Result<()>;

/// Returns the function that reads a future of this type; `None` if there is none. The engine reads futures only of types
/// that are known when the host is compiled.
pub(super) fn read_future(kind: &TypeKind) -> Option<ReadFuture> {
    use TypeKind::{Bytes, Result as Fallible, String as Text};
    Some(match kind {
        TypeKind::Bool => read_as::<bool>,
        TypeKind::Integer(Integer::S8) => read_as::<i8>,
        TypeKind::Integer(Integer::U8) => read_as::<u8>,
        TypeKind::Integer(Integer::S16) => read_as::<i16>,
        TypeKind::Integer(Integer::U16) => read_as::<u16>,
        TypeKind::Integer(Integer::S32) => read_as::<i32>,
        TypeKind::Integer(Integer::U32) => read_as::<u32>,
        TypeKind::Integer(Integer::S64) => read_as::<i64>,
        TypeKind::Integer(Integer::U64) => read_as::<u64>,
        TypeKind::F32 => read_as::<f32>,
        TypeKind::F64 => read_as::<f64>,
        TypeKind::Char => read_as::<char>,
        Text => read_as::<String>,
        Bytes => read_as::<Vec<u8>>,
        Fallible(ok, error) => match (kind_of(ok), kind_of(error)) {
            (None, None) => read_as::<Result<(), ()>>,
            (None, Some(Text)) => read_as::<Result<(), String>>,
            (Some(Text), None) => read_as::<Result<String, ()>>,
            (Some(Text), Some(Text)) => read_as::<Result<String, String>>,
            (Some(Bytes), None) => read_as::<Result<Vec<u8>, ()>>,
            (Some(Bytes), Some(Text)) => read_as::<Result<Vec<u8>, String>>,
            _ => return None,
        },
        _ => return None,
    })
}

fn kind_of(ty: &Option<Box<WitType>>) -> Option<&TypeKind> {
    ty.as_deref().map(|ty| &ty.kind)
}

fn read_as<T: Payload>(
    store: &mut GuestStore,
    future: FutureAny,
    limit: Arc<ValueLimit>,
    sender: oneshot::Sender<Option<Val>>,
) -> wasmtime::Result<()> {
    let future = future.try_into_future_reader::<T>()?;
    let value = FutureValue::<T> {
        limit,
        sender: Some(sender),
        payload: PhantomData,
    };
    future.pipe(store, value)
}

/// Takes the value of a future.
struct FutureValue<T> {
    limit: Arc<ValueLimit>,
    sender: Option<oneshot::Sender<Option<Val>>>,
    payload: PhantomData<fn() -> T>,
}

impl<D: 'static, T: Payload> FutureConsumer<D> for FutureValue<T> {
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        mut source: Source<'_, T>,
        _: bool,
    ) -> Poll<wasmtime::Result<()>> {
        let mut value: Option<T> = None;
        source.read(store, &mut value)?;
        if let (Some(value), Some(sender)) = (value, self.sender.take()) {
            let is_within = self.limit.take(value.bytes());
            // The call may have ended.
            let _ = sender.send(is_within.then(|| value.into_val()));
        }
        Poll::Ready(Ok(()))
    }
}

/// A type of futures that the host can read.
trait Payload: ComponentType + Lift + Send + Sync + 'static {
    /// The bytes of its texts and lists.
    fn bytes(&self) -> usize {
        0
    }

    fn into_val(self) -> Val;
}

macro_rules! payloads {
    ($($ty:ty => $case:path),*) => {$(
        impl Payload for $ty {
            fn into_val(self) -> Val {
                $case(self)
            }
        }
    )*};
}

payloads! {
    bool => Val::Bool,
    i8 => Val::S8,
    u8 => Val::U8,
    i16 => Val::S16,
    u16 => Val::U16,
    i32 => Val::S32,
    u32 => Val::U32,
    i64 => Val::S64,
    u64 => Val::U64,
    f32 => Val::Float32,
    f64 => Val::Float64,
    char => Val::Char
}

impl Payload for String {
    fn bytes(&self) -> usize {
        self.len()
    }

    fn into_val(self) -> Val {
        Val::String(self)
    }
}

/// As base64, which [`encode`](super::encode::encode) passes on. A value for each byte would take much more memory.
impl Payload for Vec<u8> {
    fn bytes(&self) -> usize {
        self.len()
    }

    fn into_val(self) -> Val {
        Val::String(BASE64.encode(self))
    }
}

/// The payload of one side of a `result`.
trait Side {
    fn side_bytes(&self) -> usize;
    fn into_side(self) -> Option<Box<Val>>;
}

impl Side for () {
    fn side_bytes(&self) -> usize {
        0
    }

    fn into_side(self) -> Option<Box<Val>> {
        None
    }
}

impl Side for String {
    fn side_bytes(&self) -> usize {
        self.len()
    }

    fn into_side(self) -> Option<Box<Val>> {
        Some(Box::new(self.into_val()))
    }
}

impl Side for Vec<u8> {
    fn side_bytes(&self) -> usize {
        self.len()
    }

    fn into_side(self) -> Option<Box<Val>> {
        Some(Box::new(self.into_val()))
    }
}

impl<T, E> Payload for Result<T, E>
where
    T: Side + ComponentType + Lift + Send + Sync + 'static,
    E: Side + ComponentType + Lift + Send + Sync + 'static,
{
    fn bytes(&self) -> usize {
        self.as_ref()
            .map_or_else(Side::side_bytes, Side::side_bytes)
    }

    fn into_val(self) -> Val {
        Val::Result(self.map(Side::into_side).map_err(Side::into_side))
    }
}
