//! The type of a parameter or a result, as a tree. JSON Schemas are generated from it, and values converted by it.

use std::collections::HashMap;
use std::ops::Deref;

use wasmtime::component::{ComponentExportIndex, Val};

/// A type.
pub(super) struct WitType {
    pub(super) kind: TypeKind,
    /// The name in WIT; `None` if it is anonymous.
    pub(super) name: Option<String>,
    /// The documentation in WIT.
    pub(super) docs: Option<String>,
}

/// The structure of a type.
pub(super) enum TypeKind {
    Bool,
    Integer(Integer),
    F32,
    F64,
    Char,
    String,
    /// `list<u8>`
    Bytes,
    List(Box<WitType>),
    Tuple(Vec<WitType>),
    Record(Vec<Field>),
    Variant(NamedItems<Case>),
    Enum(NamedItems<Label>),
    Flags(NamedItems<Label>),
    Option(Box<WitType>),
    Result(Option<Box<WitType>>, Option<Box<WitType>>),
    /// A resource, which is made for the call.
    Resource(Box<Constructor>),
}

/// The constructor that makes a resource from the arguments in its JSON form.
pub(super) struct Constructor {
    pub(super) export: ComponentExportIndex,
    /// The name of the resource.
    pub(super) resource: String,
    pub(super) parameters: Vec<Field>,
    /// The type of its errors, if it can fail.
    pub(super) error: Option<Box<WitType>>,
    /// Whether the guest keeps the resource. The others are dropped after the call.
    pub(super) is_given_away: bool,
}

/// The integer types of WIT.
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
    pub(super) ty: WitType,
}

/// A case of a variant.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) docs: Option<String>,
    pub(super) payload: Option<WitType>,
}

/// A case of an enum, or a flag.
pub(super) struct Label {
    pub(super) name: String,
    pub(super) docs: Option<String>,
}

/// Cases or flags in their order, with an index by name: the arguments of one call may name millions of them.
pub(super) struct NamedItems<T> {
    items: Vec<T>,
    positions: HashMap<String, usize>,
}

impl<T> NamedItems<T> {
    pub(super) fn new(items: Vec<T>, name: impl Fn(&T) -> &String) -> Self {
        let positions = items.iter().enumerate();
        Self {
            positions: positions
                .map(|(position, item)| (name(item).clone(), position))
                .collect(),
            items,
        }
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.items.get(self.position(name)?)
    }
}

impl<T> Deref for NamedItems<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl WitType {
    /// Returns whether `null` is one of its JSON values.
    pub(super) fn is_nullable(&self) -> bool {
        matches!(self.kind, TypeKind::Option(_))
    }

    /// Returns whether a field of this type may be absent: `null` then stands for it, or a constructor needs no arguments.
    pub(super) fn may_be_absent(&self) -> bool {
        match &self.kind {
            TypeKind::Resource(constructor) => {
                let mut parameters = constructor.parameters.iter();
                parameters.all(|parameter| parameter.ty.may_be_absent())
            }
            _ => self.is_nullable(),
        }
    }

    /// Returns whether its values have resources.
    pub(super) fn has_resources(&self) -> bool {
        match &self.kind {
            TypeKind::Resource(_) => true,
            TypeKind::List(inner) | TypeKind::Option(inner) => inner.has_resources(),
            TypeKind::Tuple(parts) => parts.iter().any(Self::has_resources),
            TypeKind::Record(fields) => fields.iter().any(|field| field.ty.has_resources()),
            TypeKind::Variant(cases) => {
                let mut payloads = cases.iter().filter_map(|case| case.payload.as_ref());
                payloads.any(Self::has_resources)
            }
            TypeKind::Result(ok, error) => {
                let mut payloads = [ok, error].into_iter().flatten();
                payloads.any(|payload| payload.has_resources())
            }
            _ => false,
        }
    }

    /// Returns whether strings of digits are among its JSON values.
    pub(super) fn has_string_digits(&self) -> bool {
        matches!(&self.kind, TypeKind::Integer(integer) if integer.max_string_digits().is_some())
    }

    /// Returns the upper limit of the memory that the engine takes for a value, per unit of fuel that it charges.
    ///
    /// The two differ only for flags.
    pub(super) fn max_bytes_per_fuel(&self) -> usize {
        /// Memory and fuel of any value.
        const VALUE_BYTES: usize = size_of::<Val>();
        /// Memory of a flag that is set: a string with its name, in a vector that has grown. The engine charges only
        /// the length of the name.
        const FLAG_BYTES: usize = 64;
        let max_of = |types: &mut dyn Iterator<Item = &Self>| {
            types.map(Self::max_bytes_per_fuel).max().unwrap_or(1)
        };
        match &self.kind {
            TypeKind::Flags(flags) => {
                let name_bytes: usize = flags.iter().map(|flag| flag.name.len()).sum();
                (VALUE_BYTES + flags.len() * FLAG_BYTES).div_ceil(VALUE_BYTES + name_bytes)
            }
            TypeKind::List(inner) | TypeKind::Option(inner) => inner.max_bytes_per_fuel(),
            TypeKind::Tuple(parts) => max_of(&mut parts.iter()),
            TypeKind::Record(fields) => max_of(&mut fields.iter().map(|field| &field.ty)),
            TypeKind::Variant(cases) => {
                max_of(&mut cases.iter().filter_map(|case| case.payload.as_ref()))
            }
            TypeKind::Result(ok, error) => {
                max_of(&mut [ok, error].into_iter().filter_map(Option::as_deref))
            }
            TypeKind::Resource(constructor) => {
                let parameters = constructor.parameters.iter().map(|field| &field.ty);
                max_of(&mut parameters.chain(constructor.error.as_deref()))
            }
            _ => 1,
        }
    }
}

impl Integer {
    /// Returns the least and the greatest value.
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

    /// Returns the maximum number of digits of a 64-bit integer, which may be a string in JSON. `None` for smaller
    /// types, whose values are exact as JSON numbers.
    pub(super) fn max_string_digits(self) -> Option<usize> {
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
