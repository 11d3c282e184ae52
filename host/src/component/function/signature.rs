//! A function's signature as WIT writes it, for descriptions.

use super::shape::{Field, Kind, Shape};

/// A longer signature is cut.
const MAX_SIGNATURE_BYTES: usize = 1_000;

/// Such as `add: func(a: u32, b: u32) -> u32`.
pub(super) fn of(name: &str, parameters: &[Field], returns: Option<&Shape>) -> String {
    let mut writer = Writer(String::new());
    writer.put(name);
    writer.put(": func(");
    writer.fields(parameters);
    writer.put(")");
    if let Some(shape) = returns {
        writer.put(" -> ");
        writer.shape(shape);
    }
    let mut signature = writer.0;
    if signature.len() > MAX_SIGNATURE_BYTES {
        signature.truncate(signature.floor_char_boundary(MAX_SIGNATURE_BYTES));
        signature.push('…');
    }
    signature
}

struct Writer(String);

impl Writer {
    fn put(&mut self, text: &str) {
        // What will be cut need not be written.
        if self.0.len() <= MAX_SIGNATURE_BYTES {
            self.0.push_str(text);
        }
    }

    fn shape(&mut self, shape: &Shape) {
        if let Some(name) = &shape.name {
            return self.put(name);
        }
        match &shape.kind {
            Kind::Bool => self.put("bool"),
            Kind::Integer(integer) => self.put(integer.name()),
            Kind::F32 => self.put("f32"),
            Kind::F64 => self.put("f64"),
            Kind::Char => self.put("char"),
            Kind::String => self.put("string"),
            Kind::Bytes => self.put("list<u8>"),
            Kind::List(element) => self.of("list", [&**element]),
            Kind::Option(inner) => self.of("option", [&**inner]),
            Kind::Tuple(parts) => self.of("tuple", parts),
            Kind::Result(None, None) => self.put("result"),
            Kind::Result(Some(ok), None) => self.of("result", [&**ok]),
            Kind::Result(Some(ok), Some(error)) => self.of("result", [&**ok, &**error]),
            Kind::Result(None, Some(error)) => {
                self.put("result<_, ");
                self.shape(error);
                self.put(">");
            }
            // Types that WIT names; this is where the name is not to be had.
            Kind::Record(fields) => {
                self.put("record { ");
                self.fields(fields);
                self.put(" }");
            }
            Kind::Variant(cases) => self.names("variant", cases.iter().map(|case| &case.name)),
            Kind::Enum(cases) => self.names("enum", cases.iter().map(|case| &case.name)),
            Kind::Flags(flags) => self.names("flags", flags.iter().map(|flag| &flag.name)),
        }
    }

    fn of<'a>(&mut self, name: &str, parts: impl IntoIterator<Item = &'a Shape>) {
        self.put(name);
        let mut before = "<";
        for part in parts {
            self.put(before);
            self.shape(part);
            before = ", ";
        }
        self.put(">");
    }

    fn fields(&mut self, fields: &[Field]) {
        let mut before = "";
        for field in fields {
            self.put(before);
            self.put(&field.name);
            self.put(": ");
            self.shape(&field.shape);
            before = ", ";
        }
    }

    fn names<'a>(&mut self, kind: &str, names: impl Iterator<Item = &'a String>) {
        self.put(kind);
        let mut before = " { ";
        for name in names {
            self.put(before);
            self.put(name);
            before = ", ";
        }
        self.put(" }");
    }
}
