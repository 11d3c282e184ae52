//! Reads the types of a function's signature from the engine, and their names and documentation from declarations.

use wasmtime::component::ResourceType;
use wasmtime::component::types::{ComponentFunc, Type};

use super::declarations::{Declarations, DeclaredType};
use super::names::FunctionPath;
use super::resources::Resources;
use super::signature::format_type;
use super::transfers;
use super::types::{Case, Constructor, Field, Integer, Label, NamedItems, TypeKind, WitType};
use crate::component::schema::MAX_SCHEMA_BYTES;

/// Maximum nesting of types.
const MAX_DEPTH: usize = 32;
/// Maximum number of types in one signature. A type counts as often as it occurs.
const MAX_TYPES: usize = 5_000;
/// Maximum length of all names and documentation in one signature, counted as often as they occur. It is the space in
/// the two schemas of a tool.
const MAX_TEXT_BYTES: usize = 2 * MAX_SCHEMA_BYTES;

/// Reads the types of one signature within the limits.
pub(super) struct TypeReader<'a> {
    declarations: Option<&'a Declarations>,
    /// `None` where there is nobody to make a resource.
    resources: Option<&'a Resources>,
    types_left: usize,
    text_bytes_left: usize,
    depth: usize,
    /// Whether a stream or a future has been read.
    pub(super) has_transfers: bool,
}

impl<'a> TypeReader<'a> {
    pub(super) fn new(declarations: Option<&'a Declarations>, resources: &'a Resources) -> Self {
        Self {
            declarations,
            resources: Some(resources),
            types_left: MAX_TYPES,
            text_bytes_left: MAX_TEXT_BYTES,
            depth: 0,
            has_transfers: false,
        }
    }

    /// Reads the parameters of a function. The first of a method is called like its resource, unless another is.
    ///
    /// # Errors
    /// The reason why a type has no JSON form.
    pub(super) fn parameters(
        &mut self,
        path: &FunctionPath,
        ty: &ComponentFunc,
    ) -> Result<Vec<Field>, String> {
        let declarations = self.declarations;
        let declared = declarations.and_then(|d| Some((d, d.function(path)?)));
        let receiver = path.method().map(|(resource, _)| resource);
        let is_free = |name: &str| ty.params().all(|(other, _)| other != name);
        let receiver = receiver.filter(|resource| is_free(resource));
        let parameters = ty.params().enumerate().map(|(index, (name, ty))| {
            let declared = declared.and_then(|(d, f)| d.declared_type(f.params.get(index)?.ty));
            let name = receiver.filter(|_| index == 0).unwrap_or(name);
            Ok(Field {
                name: self.text(name)?,
                docs: None,
                ty: self.read(&ty, declared)?,
            })
        });
        parameters.collect()
    }

    /// Reads the type that a function returns.
    ///
    /// # Errors
    /// The reason why it has no JSON form.
    pub(super) fn returns(
        &mut self,
        path: &FunctionPath,
        ty: &ComponentFunc,
    ) -> Result<Option<WitType>, String> {
        let Some(ty) = ty.results().next() else {
            return Ok(None);
        };
        let declarations = self.declarations;
        let declared = declarations.and_then(|d| Some((d, d.function(path)?)));
        let declared = declared.and_then(|(d, f)| d.declared_type(f.result?));
        let resources = self.resources.take();
        let returns = self.read(&ty, declared);
        self.resources = resources;
        returns.map(Some)
    }

    /// Reads the constructor of a resource.
    pub(super) fn constructor(
        &mut self,
        resource: ResourceType,
        is_given_away: bool,
    ) -> Result<WitType, String> {
        let resources = self
            .resources
            .ok_or("it returns a resource, which ends with its call")?;
        let source = resources
            .find(resource)
            .ok_or("it uses a resource that no exported constructor makes")?;
        let error = match source.ty.results().next() {
            Some(Type::Result(result)) => result.err(),
            _ => None,
        };
        let name = self.text(source.path.base())?;
        let docs = self
            .declarations
            .and_then(|d| d.function_docs(&source.path));
        let docs = match docs {
            Some(docs) => self.text(docs)?,
            None => format!("A new `{name}`, made with these arguments"),
        };
        let constructor = Constructor {
            export: source.export,
            resource: name.clone(),
            parameters: self.parameters(&source.path, &source.ty)?,
            error: error
                .map(|ty| self.read(&ty, None).map(Box::new))
                .transpose()?,
            is_given_away,
        };
        Ok(WitType {
            kind: TypeKind::Resource(Box::new(constructor)),
            name: Some(name),
            docs: Some(docs),
        })
    }

    /// Reads a type.
    ///
    /// # Errors
    /// The reason why the type has no JSON form.
    pub(super) fn read(
        &mut self,
        ty: &Type,
        declared: Option<DeclaredType<'_>>,
    ) -> Result<WitType, String> {
        self.types_left = self
            .types_left
            .checked_sub(1)
            .ok_or_else(|| format!("its types have more than {MAX_TYPES} parts"))?;
        if self.depth == MAX_DEPTH {
            return Err(format!("its types nest deeper than {MAX_DEPTH} levels"));
        }
        self.depth += 1;
        let kind = match ty {
            Type::Own(resource) | Type::Borrow(resource) => {
                let is_given_away = matches!(ty, Type::Own(_));
                let resource = self.constructor(*resource, is_given_away)?;
                self.depth -= 1;
                return Ok(resource);
            }
            Type::Stream(stream) => {
                let stream = self.stream(stream.ty())?;
                self.depth -= 1;
                return Ok(stream);
            }
            Type::Future(future) => {
                let future = self.future(future.ty(), declared)?;
                self.depth -= 1;
                return Ok(future);
            }
            _ => self.kind(ty, declared)?,
        };
        self.depth -= 1;
        Ok(WitType {
            kind,
            name: self.optional_text(declared.and_then(|d| d.name()))?,
            docs: self.optional_text(declared.and_then(|d| d.docs()))?,
        })
    }

    /// Returns the type of what replaces a stream.
    fn stream(&mut self, element: Option<Type>) -> Result<WitType, String> {
        self.allow_transfer("stream")?;
        match element {
            Some(Type::U8) => Ok(transfers::stream_type()),
            _ => Err("it returns a `stream` of something else than bytes".into()),
        }
    }

    /// Reads the type of the value of a future.
    fn future(
        &mut self,
        payload: Option<Type>,
        declared: Option<DeclaredType<'_>>,
    ) -> Result<WitType, String> {
        self.allow_transfer("future")?;
        let payload = match payload {
            Some(payload) => self.read(&payload, declared.and_then(|d| d.part(0)))?,
            None => return Err("it returns a `future` without a value".into()),
        };
        if !transfers::is_future_payload(&payload) {
            return Err(
                "it returns a `future` of something else than a number, `bool`, `char`, a string, bytes or a \
                 `result` of the last two"
                    .into(),
            );
        }
        let name = format!("future<{}>", format_type(&payload));
        Ok(WitType {
            name: Some(self.text(&name)?),
            ..payload
        })
    }

    /// Rejects streams and futures in other types than those of results, where nobody writes to them.
    fn allow_transfer(&mut self, kind: &str) -> Result<(), String> {
        self.has_transfers = true;
        match self.resources {
            None => Ok(()),
            Some(_) => Err(format!("it takes a `{kind}`, which only a result may have")),
        }
    }

    /// Copies a name or documentation.
    pub(super) fn text(&mut self, text: &str) -> Result<String, String> {
        self.text_bytes_left = self.text_bytes_left.checked_sub(text.len()).ok_or_else(|| {
            format!(
                "the names and the documentation of its types have more than {MAX_TEXT_BYTES} bytes"
            )
        })?;
        Ok(text.to_owned())
    }

    fn optional_text(&mut self, text: Option<&str>) -> Result<Option<String>, String> {
        text.map(|text| self.text(text)).transpose()
    }

    fn kind(&mut self, ty: &Type, declared: Option<DeclaredType<'_>>) -> Result<TypeKind, String> {
        let part = |index| declared.and_then(|d| d.part(index));
        let docs = |item: &str| declared.and_then(|d| d.item_docs(item));
        let mut boxed = |ty: Type, index| self.read(&ty, part(index)).map(Box::new);
        Ok(match ty {
            Type::Bool => TypeKind::Bool,
            Type::S8 => TypeKind::Integer(Integer::S8),
            Type::U8 => TypeKind::Integer(Integer::U8),
            Type::S16 => TypeKind::Integer(Integer::S16),
            Type::U16 => TypeKind::Integer(Integer::U16),
            Type::S32 => TypeKind::Integer(Integer::S32),
            Type::U32 => TypeKind::Integer(Integer::U32),
            Type::S64 => TypeKind::Integer(Integer::S64),
            Type::U64 => TypeKind::Integer(Integer::U64),
            Type::Float32 => TypeKind::F32,
            Type::Float64 => TypeKind::F64,
            Type::Char => TypeKind::Char,
            Type::String => TypeKind::String,
            Type::List(list) => match list.ty() {
                Type::U8 => TypeKind::Bytes,
                element => TypeKind::List(boxed(element, 0)?),
            },
            Type::Option(option) => TypeKind::Option(boxed(option.ty(), 0)?),
            Type::Result(result) => {
                let ok = result.ok().map(|ty| boxed(ty, 0)).transpose()?;
                let error = result.err().map(|ty| boxed(ty, 1)).transpose()?;
                TypeKind::Result(ok, error)
            }
            Type::Tuple(tuple) => {
                let parts = tuple.types().enumerate();
                let parts = parts.map(|(index, ty)| self.read(&ty, part(index)));
                TypeKind::Tuple(parts.collect::<Result<_, _>>()?)
            }
            Type::Record(record) => {
                let fields = record.fields().enumerate().map(|(index, field)| {
                    Ok(Field {
                        name: self.text(field.name)?,
                        docs: self.optional_text(docs(field.name))?,
                        ty: self.read(&field.ty, part(index))?,
                    })
                });
                TypeKind::Record(fields.collect::<Result<_, String>>()?)
            }
            Type::Variant(variant) => {
                let cases = variant.cases().enumerate().map(|(index, case)| {
                    let payload = case.ty.map(|ty| self.read(&ty, part(index)));
                    Ok(Case {
                        name: self.text(case.name)?,
                        docs: self.optional_text(docs(case.name))?,
                        payload: payload.transpose()?,
                    })
                });
                let cases = cases.collect::<Result<_, String>>()?;
                TypeKind::Variant(NamedItems::new(cases, |case| &case.name))
            }
            Type::Enum(cases) => TypeKind::Enum(self.labels(cases.names(), docs)?),
            Type::Flags(flags) => TypeKind::Flags(self.labels(flags.names(), docs)?),
            // Read by `constructor`.
            Type::Own(_) | Type::Borrow(_) => return Err("it uses a resource".into()),
            // Read by `stream` and `future`.
            Type::Future(_) | Type::Stream(_) => {
                return Err("it uses a `stream` or a `future`".into());
            }
            Type::ErrorContext => return Err("it uses an `error-context`".into()),
            Type::Map(_) => return Err("it uses a `map`".into()),
            Type::FixedLengthList(_) => return Err("it uses a list of fixed length".into()),
        })
    }

    fn labels<'n, 'd>(
        &mut self,
        names: impl Iterator<Item = &'n str>,
        docs: impl Fn(&str) -> Option<&'d str>,
    ) -> Result<NamedItems<Label>, String> {
        let labels = names.map(|name| {
            Ok(Label {
                name: self.text(name)?,
                docs: self.optional_text(docs(name))?,
            })
        });
        let labels = labels.collect::<Result<_, String>>()?;
        Ok(NamedItems::new(labels, |label| &label.name))
    }
}
