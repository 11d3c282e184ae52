//! Signatures of functions in the syntax of WIT, for descriptions.

use super::types::{Field, TypeKind, WitType};
use crate::text::ellipsize;

/// Maximum length of a signature; a longer one is truncated.
const MAX_SIGNATURE_BYTES: usize = 1_000;

/// Formats a signature, such as `add: func(a: u32, b: u32) -> u32`.
pub(super) fn format_signature(
    name: &str,
    is_async: bool,
    parameters: &[Field],
    returns: Option<&WitType>,
) -> String {
    let mut writer = SignatureWriter(String::new());
    writer.put(name);
    writer.put(if is_async { ": async func(" } else { ": func(" });
    writer.fields(parameters);
    writer.put(")");
    if let Some(ty) = returns {
        writer.put(" -> ");
        writer.put_type(ty);
    }
    ellipsize(&writer.0, MAX_SIGNATURE_BYTES).into_owned()
}

/// Formats a type, such as `list<u32>`.
pub(super) fn format_type(ty: &WitType) -> String {
    let mut writer = SignatureWriter(String::new());
    writer.put_type(ty);
    ellipsize(&writer.0, MAX_SIGNATURE_BYTES).into_owned()
}

struct SignatureWriter(String);

impl SignatureWriter {
    /// Appends text, unless the signature is going to be truncated before it.
    fn put(&mut self, text: &str) {
        if self.0.len() <= MAX_SIGNATURE_BYTES {
            self.0.push_str(text);
        }
    }

    fn put_type(&mut self, ty: &WitType) {
        if let Some(name) = &ty.name {
            return self.put(name);
        }
        match &ty.kind {
            TypeKind::Bool => self.put("bool"),
            TypeKind::Integer(integer) => self.put(integer.name()),
            TypeKind::F32 => self.put("f32"),
            TypeKind::F64 => self.put("f64"),
            TypeKind::Char => self.put("char"),
            TypeKind::String => self.put("string"),
            TypeKind::Bytes => self.put("list<u8>"),
            TypeKind::List(element) => self.generic("list", [&**element]),
            TypeKind::Option(inner) => self.generic("option", [&**inner]),
            TypeKind::Tuple(parts) => self.generic("tuple", parts),
            TypeKind::Result(None, None) => self.put("result"),
            TypeKind::Result(Some(ok), None) => self.generic("result", [&**ok]),
            TypeKind::Result(Some(ok), Some(error)) => self.generic("result", [&**ok, &**error]),
            TypeKind::Result(None, Some(error)) => {
                self.put("result<_, ");
                self.put_type(error);
                self.put(">");
            }
            // WIT always names the types below. Without the declarations, their structure is shown instead.
            TypeKind::Resource(constructor) => self.put(&constructor.resource),
            TypeKind::Record(fields) => {
                self.put("record { ");
                self.fields(fields);
                self.put(" }");
            }
            TypeKind::Variant(cases) => {
                self.name_list("variant", cases.iter().map(|case| &case.name))
            }
            TypeKind::Enum(cases) => self.name_list("enum", cases.iter().map(|case| &case.name)),
            TypeKind::Flags(flags) => self.name_list("flags", flags.iter().map(|flag| &flag.name)),
        }
    }

    fn generic<'a>(&mut self, name: &str, parts: impl IntoIterator<Item = &'a WitType>) {
        self.put(name);
        let mut separator = "<";
        for part in parts {
            self.put(separator);
            self.put_type(part);
            separator = ", ";
        }
        self.put(">");
    }

    fn fields(&mut self, fields: &[Field]) {
        let mut separator = "";
        for field in fields {
            self.put(separator);
            self.put(&field.name);
            self.put(": ");
            self.put_type(&field.ty);
            separator = ", ";
        }
    }

    fn name_list<'a>(&mut self, kind: &str, names: impl Iterator<Item = &'a String>) {
        self.put(kind);
        let mut separator = " { ";
        for name in names {
            self.put(separator);
            self.put(name);
            separator = ", ";
        }
        self.put(" }");
    }
}
