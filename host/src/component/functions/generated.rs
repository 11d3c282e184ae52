//! A function with types generated from bytes, so that fuzz targets test the conversions without a compiled component.

use serde_json::{Map, Value};

use super::decode::decode;
use super::encode::encode;
use super::json_schema::object_schema;
use super::types::{Case, Field, Integer, Label, NamedItems, TypeKind, WitType};
use crate::component::schema::Strings;

/// Maximum nesting of the generated types.
const MAX_DEPTH: usize = 6;
/// Maximum number of fields, cases, flags or elements of one generated type.
const MAX_ITEMS: u8 = 5;
/// Maximum size of the JSON that the values are converted to.
const MAX_JSON_BYTES: usize = 1 << 20;

/// Names of fields and cases. Some have a meaning in JSON Schema or in the JSON forms of types.
const NAMES: [&str; 6] = ["a", "some", "ok", "error", "type", "properties"];

/// The parameters of a function that no component has.
pub struct GeneratedFunction {
    parameters: Vec<Field>,
}

impl GeneratedFunction {
    /// Generates up to five parameters. Missing bytes count as zero.
    pub fn new(bytes: &mut impl Iterator<Item = u8>) -> Self {
        Self {
            parameters: TypeSource { bytes }.fields(MAX_DEPTH),
        }
    }

    /// Returns the schema of its arguments.
    pub fn schema(&self) -> Value {
        object_schema(&self.parameters)
    }

    /// Converts the arguments of a call to the parameters and back.
    ///
    /// # Errors
    /// The error message of the call, or that the values are larger than [`MAX_JSON_BYTES`].
    pub fn round_trip(&self, arguments: &Value) -> Result<Value, String> {
        let values = decode(&self.parameters, arguments, Strings::Exact)?;
        let mut members = Map::new();
        for (field, value) in self.parameters.iter().zip(&values) {
            let value = encode(&field.ty, value, MAX_JSON_BYTES);
            let value = value.ok_or_else(|| format!("`{}` is too large", field.name))?;
            members.insert(field.name.clone(), value);
        }
        Ok(Value::Object(members))
    }
}

/// Turns bytes into types.
struct TypeSource<'b, B> {
    bytes: &'b mut B,
}

impl<B: Iterator<Item = u8>> TypeSource<'_, B> {
    fn byte(&mut self) -> u8 {
        self.bytes.next().unwrap_or(0)
    }

    fn ty(&mut self, depth: usize) -> WitType {
        WitType {
            kind: self.kind(depth),
            name: None,
            docs: None,
        }
    }

    fn boxed(&mut self, depth: usize) -> Box<WitType> {
        Box::new(self.ty(depth))
    }

    fn kind(&mut self, depth: usize) -> TypeKind {
        const INTEGERS: [Integer; 8] = [
            Integer::S8,
            Integer::U8,
            Integer::S16,
            Integer::U16,
            Integer::S32,
            Integer::U32,
            Integer::S64,
            Integer::U64,
        ];
        let kinds = if depth == 0 { 7 } else { 15 };
        match self.byte() % kinds {
            0 => TypeKind::Bool,
            1 => TypeKind::Integer(INTEGERS[usize::from(self.byte()) % INTEGERS.len()]),
            2 => TypeKind::F32,
            3 => TypeKind::F64,
            4 => TypeKind::Char,
            5 => TypeKind::String,
            6 => TypeKind::Bytes,
            // The type reader turns a list of bytes into `Bytes`.
            7 => match self.boxed(depth - 1) {
                element if matches!(element.kind, TypeKind::Integer(Integer::U8)) => {
                    TypeKind::Bytes
                }
                element => TypeKind::List(element),
            },
            8 => {
                let count = self.count();
                TypeKind::Tuple((0..count).map(|_| self.ty(depth - 1)).collect())
            }
            9 => TypeKind::Record(self.fields(depth - 1)),
            10 => {
                let cases = self.names().into_iter().map(|name| Case {
                    name,
                    docs: None,
                    payload: (self.byte().is_multiple_of(2)).then(|| self.ty(depth - 1)),
                });
                let cases = cases.collect();
                TypeKind::Variant(NamedItems::new(cases, |case| &case.name))
            }
            11 => TypeKind::Enum(self.labels()),
            12 => TypeKind::Flags(self.labels()),
            13 => TypeKind::Option(self.boxed(depth - 1)),
            _ => {
                let ok = (self.byte().is_multiple_of(2)).then(|| self.boxed(depth - 1));
                let error = (self.byte().is_multiple_of(2)).then(|| self.boxed(depth - 1));
                TypeKind::Result(ok, error)
            }
        }
    }

    fn fields(&mut self, depth: usize) -> Vec<Field> {
        let names = self.names().into_iter();
        let fields = names.map(|name| Field {
            name,
            docs: None,
            ty: self.ty(depth),
        });
        fields.collect()
    }

    fn labels(&mut self) -> NamedItems<Label> {
        let labels = self.names().into_iter();
        let labels = labels.map(|name| Label { name, docs: None }).collect();
        NamedItems::new(labels, |label| &label.name)
    }

    fn count(&mut self) -> u8 {
        1 + self.byte() % MAX_ITEMS
    }

    /// Returns different names.
    fn names(&mut self) -> Vec<String> {
        let first = usize::from(self.byte());
        let count = usize::from(self.count());
        let names = (first..first + count).map(|index| NAMES[index % NAMES.len()].to_owned());
        names.collect()
    }
}
