//! The type of a parameter or a result, as a tree: what schemas are written and
//! values converted by.
//!
//! The engine's own types decide what the tree is; names and documentation come
//! from the component's WIT where it is to be had.

use std::collections::HashMap;
use std::ops::Deref;

use wasmtime::component::{Type, Val};

use super::wit::Named;
use crate::component::schema::MAX_SCHEMA_BYTES;

/// The deepest nesting of types.
const MAX_DEPTH: usize = 32;
/// The most types in one signature, each counted wherever it occurs.
const MAX_TYPES: usize = 5_000;
/// The longest names and documentation in one signature, each counted wherever it
/// occurs, in bytes: what two schemas have room for.
const MAX_TEXT_BYTES: usize = 2 * MAX_SCHEMA_BYTES;

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
    Variant(Listed<Case>),
    Enum(Listed<Label>),
    Flags(Listed<Label>),
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

/// Cases or flags in their order. One call may name them a million times, so that
/// they are found by name.
pub(super) struct Listed<T> {
    items: Vec<T>,
    places: HashMap<String, usize>,
}

impl<T> Listed<T> {
    fn new(items: Vec<T>, name: impl Fn(&T) -> &String) -> Self {
        let places = items.iter().enumerate();
        Self {
            places: places.map(|(at, item)| (name(item).clone(), at)).collect(),
            items,
        }
    }

    /// The place of the one of this name.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The one of this name.
    pub(super) fn named(&self, name: &str) -> Option<&T> {
        self.items.get(self.place(name)?)
    }
}

impl<T> Deref for Listed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl Shape {
    /// How much more than it counts the engine may take for a value of this type, as
    /// a factor.
    pub(super) fn bytes_per_fuel(&self) -> usize {
        /// What it takes and counts for the value itself.
        const VALUE_BYTES: usize = size_of::<Val>();
        /// What it takes for one flag that is set: its name, in a string of its own in
        /// a vector that has grown. It counts the letters of the name.
        const FLAG_BYTES: usize = 64;
        let of_all = |shapes: &mut dyn Iterator<Item = &Self>| {
            shapes.map(Self::bytes_per_fuel).max().unwrap_or(1)
        };
        match &self.kind {
            Kind::Flags(flags) => {
                let counted: usize = flags.iter().map(|flag| flag.name.len()).sum();
                (VALUE_BYTES + flags.len() * FLAG_BYTES).div_ceil(VALUE_BYTES + counted)
            }
            Kind::List(inner) | Kind::Option(inner) => inner.bytes_per_fuel(),
            Kind::Tuple(parts) => of_all(&mut parts.iter()),
            Kind::Record(fields) => of_all(&mut fields.iter().map(|field| &field.shape)),
            Kind::Variant(cases) => of_all(&mut cases.iter().filter_map(|c| c.payload.as_ref())),
            Kind::Result(ok, error) => {
                of_all(&mut [ok, error].into_iter().filter_map(Option::as_deref))
            }
            _ => 1,
        }
    }

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

    pub(super) fn is_signed(self) -> bool {
        self.range().0 < 0
    }

    /// The most digits of those that can be strings, because some of their values are
    /// no exact numbers to every JSON reader.
    pub(super) fn max_digits(self) -> Option<usize> {
        match self {
            Self::S64 => Some(19),
            Self::U64 => Some(20),
            _ => None,
        }
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
    text_left: usize,
    depth: usize,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            left: MAX_TYPES,
            text_left: MAX_TEXT_BYTES,
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
            name: self.optional(named.and_then(|n| n.name()))?,
            docs: self.optional(named.and_then(|n| n.docs()))?,
        })
    }

    /// A name or documentation. One type has it once and many others may use that.
    pub(super) fn text(&mut self, text: &str) -> Result<String, String> {
        self.text_left = self.text_left.checked_sub(text.len()).ok_or_else(|| {
            format!(
                "the names and the documentation of its types have more than {MAX_TEXT_BYTES} bytes"
            )
        })?;
        Ok(text.to_owned())
    }

    fn optional(&mut self, text: Option<&str>) -> Result<Option<String>, String> {
        text.map(|text| self.text(text)).transpose()
    }

    fn kind(&mut self, ty: &Type, named: Option<Named<'_>>) -> Result<Kind, String> {
        let part = |index| named.and_then(|n| n.part(index));
        let docs = |item: &str| named.and_then(|n| n.item_docs(item));
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
                        name: self.text(field.name)?,
                        docs: self.optional(docs(field.name))?,
                        shape: self.read(&field.ty, part(index))?,
                    })
                });
                Kind::Record(fields.collect::<Result<_, String>>()?)
            }
            Type::Variant(variant) => {
                let cases = variant.cases().enumerate().map(|(index, case)| {
                    let payload = case.ty.map(|ty| self.read(&ty, part(index)));
                    Ok(Case {
                        name: self.text(case.name)?,
                        docs: self.optional(docs(case.name))?,
                        payload: payload.transpose()?,
                    })
                });
                let cases = cases.collect::<Result<_, String>>()?;
                Kind::Variant(Listed::new(cases, |case| &case.name))
            }
            Type::Enum(cases) => Kind::Enum(self.labels(cases.names(), docs)?),
            Type::Flags(flags) => Kind::Flags(self.labels(flags.names(), docs)?),
            Type::Own(_) | Type::Borrow(_) => return Err("it uses a resource".into()),
            Type::Future(_) => return Err("it uses a `future`".into()),
            Type::Stream(_) => return Err("it uses a `stream`".into()),
            Type::ErrorContext => return Err("it uses an `error-context`".into()),
            Type::Map(_) => return Err("it uses a `map`".into()),
            Type::FixedLengthList(_) => return Err("it uses a list of fixed length".into()),
        })
    }

    fn labels<'a, 'd>(
        &mut self,
        names: impl Iterator<Item = &'a str>,
        docs: impl Fn(&str) -> Option<&'d str>,
    ) -> Result<Listed<Label>, String> {
        let labels = names.map(|name| {
            Ok(Label {
                name: self.text(name)?,
                docs: self.optional(docs(name))?,
            })
        });
        let labels = labels.collect::<Result<_, String>>()?;
        Ok(Listed::new(labels, |label| &label.name))
    }
}
