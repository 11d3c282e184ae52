//! The type of a parameter or a result, as a tree: what schemas are written and
//! values converted by.
//!
//! The engine's own types decide what the tree is; names and documentation come
//! from the component's WIT where it is to be had.

use wasmtime::component::Type;

use super::wit::Named;

/// The deepest nesting of types.
const MAX_DEPTH: usize = 32;
/// The most types in one signature, each counted wherever it occurs.
const MAX_TYPES: usize = 5_000;

/// A type.
pub(super) struct Shape {
    /// What it is.
    pub(super) kind: Kind,
    /// Its name in WIT, where it has one.
    pub(super) name: Option<String>,
    /// Its documentation in WIT.
    pub(super) docs: Option<String>,
}

/// What a type is.
pub(super) enum Kind {
    Bool,
    Integer(Integer),
    F32,
    F64,
    Char,
    String,
    /// `list<u8>`
    Bytes,
    List(Box<Shape>),
    Tuple(Vec<Shape>),
    Record(Vec<Field>),
    Variant(Vec<Case>),
    Enum(Vec<Label>),
    Flags(Vec<Label>),
    Option(Box<Shape>),
    Result(Option<Box<Shape>>, Option<Box<Shape>>),
}

/// The integers of WIT.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Integer {
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
}

/// A field of a record, or a parameter.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) docs: Option<String>,
    pub(super) shape: Shape,
}

/// A case of a variant.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) docs: Option<String>,
    pub(super) payload: Option<Shape>,
}

/// A case of an enum, or a flag.
pub(super) struct Label {
    pub(super) name: String,
    pub(super) docs: Option<String>,
}

impl Shape {
    /// Whether `null` is one of its values.
    pub(super) fn is_nullable(&self) -> bool {
        matches!(self.kind, Kind::Option(_))
    }
}

impl Integer {
    /// The least and the greatest value.
    pub(super) fn range(self) -> (i128, i128) {
        match self {
            Self::S8 => (i8::MIN.into(), i8::MAX.into()),
            Self::U8 => (u8::MIN.into(), u8::MAX.into()),
            Self::S16 => (i16::MIN.into(), i16::MAX.into()),
            Self::U16 => (u16::MIN.into(), u16::MAX.into()),
            Self::S32 => (i32::MIN.into(), i32::MAX.into()),
            Self::U32 => (u32::MIN.into(), u32::MAX.into()),
            Self::S64 => (i64::MIN.into(), i64::MAX.into()),
            Self::U64 => (u64::MIN.into(), u64::MAX.into()),
        }
    }

    /// Whether some of its values are no exact numbers to every JSON reader.
    pub(super) fn is_wide(self) -> bool {
        matches!(self, Self::S64 | Self::U64)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::S8 => "s8",
            Self::U8 => "u8",
            Self::S16 => "s16",
            Self::U16 => "u16",
            Self::S32 => "s32",
            Self::U32 => "u32",
            Self::S64 => "s64",
            Self::U64 => "u64",
        }
    }
}

/// Reads the types of one signature.
pub(super) struct Reader {
    left: usize,
    depth: usize,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            left: MAX_TYPES,
            depth: 0,
        }
    }

    /// The shape of a type; `named` is the same type in the component's WIT.
    ///
    /// # Errors
    /// Why no JSON value can stand for it.
    pub(super) fn read(&mut self, ty: &Type, named: Option<Named<'_>>) -> Result<Shape, String> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| format!("its types have more than {MAX_TYPES} parts"))?;
        if self.depth == MAX_DEPTH {
            return Err(format!("its types nest deeper than {MAX_DEPTH} levels"));
        }
        self.depth += 1;
        let kind = self.kind(ty, named)?;
        self.depth -= 1;
        Ok(Shape {
            kind,
            name: named.and_then(|n| n.name()).map(str::to_owned),
            docs: named.and_then(|n| n.docs()).map(str::to_owned),
        })
    }

    fn kind(&mut self, ty: &Type, named: Option<Named<'_>>) -> Result<Kind, String> {
        let part = |index| named.and_then(|n| n.part(index));
        let docs = |item: &str| named.and_then(|n| n.item_docs(item)).map(str::to_owned);
        let label = |name: &str| Label {
            name: name.to_owned(),
            docs: docs(name),
        };
        let mut boxed = |ty: Type, index| self.read(&ty, part(index)).map(Box::new);
        Ok(match ty {
            Type::Bool => Kind::Bool,
            Type::S8 => Kind::Integer(Integer::S8),
            Type::U8 => Kind::Integer(Integer::U8),
            Type::S16 => Kind::Integer(Integer::S16),
            Type::U16 => Kind::Integer(Integer::U16),
            Type::S32 => Kind::Integer(Integer::S32),
            Type::U32 => Kind::Integer(Integer::U32),
            Type::S64 => Kind::Integer(Integer::S64),
            Type::U64 => Kind::Integer(Integer::U64),
            Type::Float32 => Kind::F32,
            Type::Float64 => Kind::F64,
            Type::Char => Kind::Char,
            Type::String => Kind::String,
            Type::List(list) => match list.ty() {
                Type::U8 => Kind::Bytes,
                element => Kind::List(boxed(element, 0)?),
            },
            Type::Option(option) => Kind::Option(boxed(option.ty(), 0)?),
            Type::Result(result) => {
                let ok = result.ok().map(|ty| boxed(ty, 0)).transpose()?;
                let error = result.err().map(|ty| boxed(ty, 1)).transpose()?;
                Kind::Result(ok, error)
            }
            Type::Tuple(tuple) => {
                let parts = tuple.types().enumerate();
                let parts = parts.map(|(index, ty)| self.read(&ty, part(index)));
                Kind::Tuple(parts.collect::<Result<_, _>>()?)
            }
            Type::Record(record) => {
                let fields = record.fields().enumerate().map(|(index, field)| {
                    Ok(Field {
                        name: field.name.to_owned(),
                        docs: docs(field.name),
                        shape: self.read(&field.ty, part(index))?,
                    })
                });
                Kind::Record(fields.collect::<Result<_, String>>()?)
            }
            Type::Variant(variant) => {
                let cases = variant.cases().enumerate().map(|(index, case)| {
                    let payload = case.ty.map(|ty| self.read(&ty, part(index)));
                    Ok(Case {
                        name: case.name.to_owned(),
                        docs: docs(case.name),
                        payload: payload.transpose()?,
                    })
                });
                Kind::Variant(cases.collect::<Result<_, String>>()?)
            }
            Type::Enum(cases) => Kind::Enum(cases.names().map(label).collect()),
            Type::Flags(flags) => Kind::Flags(flags.names().map(label).collect()),
            Type::Own(_) | Type::Borrow(_) => return Err("it uses a resource".into()),
            Type::Future(_) => return Err("it uses a `future`".into()),
            Type::Stream(_) => return Err("it uses a `stream`".into()),
            Type::ErrorContext => return Err("it uses an `error-context`".into()),
            Type::Map(_) => return Err("it uses a `map`".into()),
            Type::FixedLengthList(_) => return Err("it uses a list of fixed length".into()),
        })
    }
}
