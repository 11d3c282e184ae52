//! Calls of one instance: the constructors of resources in the arguments, the functions themselves, and the destructors.

use std::pin::Pin;

use wasmtime::component::{ComponentExportIndex, Instance, ResourceAny, Val};

use super::encode::encode;
use super::transfers;
use super::types::{Constructor, Field, TypeKind, WitType};
use crate::component::contract::{self, GuestError, GuestStore};

/// The calls of one instance.
pub(super) struct GuestCalls<'s> {
    store: &'s mut GuestStore,
    instance: Instance,
    max_output_bytes: usize,
    /// The resources that the guest does not keep.
    made: Vec<ResourceAny>,
}

type Made<'a> = Pin<Box<dyn Future<Output = Result<Val, GuestError>> + Send + 'a>>;

impl<'s> GuestCalls<'s> {
    pub(super) fn new(
        store: &'s mut GuestStore,
        instance: Instance,
        max_output_bytes: usize,
    ) -> Self {
        Self {
            store,
            instance,
            max_output_bytes,
            made: Vec::new(),
        }
    }

    /// Calls an exported function. The results are empty if it has none.
    pub(super) async fn call(
        &mut self,
        export: &ComponentExportIndex,
        has_result: bool,
        arguments: &[Val],
    ) -> Result<Vec<Val>, GuestError> {
        let mut results = vec![Val::Bool(false); usize::from(has_result)];
        let function = self.instance.get_func(&mut *self.store, export);
        let called = match function {
            Some(function) => {
                let store = &mut *self.store;
                function.call_async(store, arguments, &mut results).await
            }
            None => Err(wasmtime::Error::msg("the export is not a function")),
        };
        match called {
            Ok(()) => Ok(results),
            Err(error) => Err(contract::trap(error, self.store)),
        }
    }

    /// Replaces the streams and futures in a result by their values.
    pub(super) async fn complete(
        &mut self,
        returns: &Option<WitType>,
        results: &mut [Val],
    ) -> Result<(), GuestError> {
        match (returns, results.first_mut()) {
            (Some(ty), Some(result)) => {
                // The futures of other calls stay small.
                let max_bytes = self.max_output_bytes;
                Box::pin(transfers::complete(self.store, ty, result, max_bytes)).await
            }
            _ => Ok(()),
        }
    }

    /// Makes the resources in decoded arguments, where these have the arguments of their constructors.
    pub(super) async fn make_all(
        &mut self,
        parameters: &[Field],
        arguments: Vec<Val>,
    ) -> Result<Vec<Val>, GuestError> {
        let mut made = Vec::with_capacity(arguments.len());
        for (parameter, argument) in parameters.iter().zip(arguments) {
            made.push(match parameter.ty.has_resources() {
                true => self.make(&parameter.ty, argument).await?,
                false => argument,
            });
        }
        Ok(made)
    }

    fn make<'a>(&'a mut self, ty: &'a WitType, value: Val) -> Made<'a> {
        Box::pin(async move {
            Ok(match (&ty.kind, value) {
                (TypeKind::Resource(constructor), Val::Tuple(arguments)) => {
                    self.construct(constructor, arguments).await?
                }
                (TypeKind::List(element), Val::List(values)) => {
                    let mut made = Vec::with_capacity(values.len());
                    for value in values {
                        made.push(self.make(element, value).await?);
                    }
                    Val::List(made)
                }
                (TypeKind::Tuple(parts), Val::Tuple(values)) => {
                    let mut made = Vec::with_capacity(values.len());
                    for (part, value) in parts.iter().zip(values) {
                        made.push(self.make(part, value).await?);
                    }
                    Val::Tuple(made)
                }
                (TypeKind::Record(fields), Val::Record(values)) => {
                    let mut made = Vec::with_capacity(values.len());
                    for (field, (name, value)) in fields.iter().zip(values) {
                        made.push((name, self.make(&field.ty, value).await?));
                    }
                    Val::Record(made)
                }
                (TypeKind::Variant(cases), Val::Variant(name, Some(payload))) => {
                    let case = cases.get(&name).and_then(|case| case.payload.as_ref());
                    let payload = match case {
                        Some(ty) => self.make(ty, *payload).await?,
                        None => *payload,
                    };
                    Val::Variant(name, Some(Box::new(payload)))
                }
                (TypeKind::Option(inner), Val::Option(Some(value))) => {
                    Val::Option(Some(Box::new(self.make(inner, *value).await?)))
                }
                (TypeKind::Result(Some(ok), _), Val::Result(Ok(Some(value)))) => {
                    Val::Result(Ok(Some(Box::new(self.make(ok, *value).await?))))
                }
                (TypeKind::Result(_, Some(error)), Val::Result(Err(Some(value)))) => {
                    Val::Result(Err(Some(Box::new(self.make(error, *value).await?))))
                }
                (_, value) => value,
            })
        })
    }

    /// Makes one resource.
    async fn construct(
        &mut self,
        constructor: &Constructor,
        arguments: Vec<Val>,
    ) -> Result<Val, GuestError> {
        let arguments = self.make_all(&constructor.parameters, arguments).await?;
        let results = self.call(&constructor.export, true, &arguments).await?;
        let result = match results.into_iter().next() {
            Some(Val::Result(Ok(Some(made)))) => Ok(*made),
            Some(Val::Result(Err(error))) => Err(error),
            Some(made) => Ok(made),
            None => Err(None),
        };
        match result {
            Ok(Val::Resource(resource)) => {
                if !constructor.is_given_away {
                    self.made.push(resource);
                }
                Ok(Val::Resource(resource))
            }
            failed => Err(self.not_made(constructor, failed.err().flatten())),
        }
    }

    fn not_made(&self, constructor: &Constructor, error: Option<Box<Val>>) -> GuestError {
        let resource = &constructor.resource;
        let text = match (&constructor.error, error) {
            (Some(ty), Some(error)) => match encode(ty, &error, self.max_output_bytes) {
                Some(text) => text,
                None => return GuestError::OutputTooLarge,
            },
            _ => return GuestError::Failed(format!("`{resource}` could not be made")),
        };
        let text = match text.as_str() {
            Some(text) => text.to_owned(),
            None => text.to_string(),
        };
        GuestError::Failed(format!("`{resource}` could not be made: {text}"))
    }

    /// Drops the resources that the guest does not keep, so that their destructors run.
    pub(super) async fn drop_made(self) -> Result<(), GuestError> {
        for resource in self.made.into_iter().rev() {
            let dropped = resource.resource_drop_async(&mut *self.store).await;
            if let Err(error) = dropped {
                return Err(contract::trap(error, self.store));
            }
        }
        Ok(())
    }
}
