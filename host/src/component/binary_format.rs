//! Recognises files that are not WebAssembly components before a compiler sees them.

use wasmparser::{ComponentExport, ComponentExternalKind, Encoding, Parser, Payload};

/// The reason why a file is not a component.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAComponent {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file is a core module: WebAssembly without the component model.
    #[error(
        "it is a core module, not a component; build for `wasm32-wasip2`, or wrap it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    /// The file has the text format.
    #[error("it is WebAssembly text; assemble it with `wasm-tools parse` first")]
    Text,
    /// The file is something other than WebAssembly.
    #[error("it is not a WebAssembly component (it does not start with the bytes `\\0asm`)")]
    Unknown,
    /// The file is a component of a draft of the format.
    #[error("it was made for a draft of components from 2023; build it again with current tools")]
    Draft,
    /// The file is a WIT package in the binary format.
    #[error("it is a WIT package, which holds types only; build a component that implements it")]
    WitPackage,
    /// The file is truncated, or its sections are malformed.
    #[error("it is cut short or damaged; build or copy it again")]
    Damaged,
}

/// Checks the header of a component and the framing of its sections. The sections' content is left to the compiler.
///
/// # Errors
/// The reason why `bytes` are not a component.
pub(super) fn check(bytes: &[u8]) -> Result<(), NotAComponent> {
    if bytes.is_empty() {
        return Err(NotAComponent::Empty);
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(match is_text_format(bytes) {
            true => NotAComponent::Text,
            false => NotAComponent::Unknown,
        });
    }
    if is_draft(bytes) {
        return Err(NotAComponent::Draft);
    }
    let mut content = Content::default();
    for (index, payload) in Parser::new(0).parse_all(bytes).enumerate() {
        if let Ok(payload) = &payload {
            content.add(payload);
        }
        match payload {
            Ok(Payload::Version {
                encoding: Encoding::Module,
                ..
            }) if index == 0 => return Err(NotAComponent::CoreModule),
            Ok(_) => {}
            Err(_) => return Err(NotAComponent::Damaged),
        }
    }
    match content.is_wit_package() {
        true => Err(NotAComponent::WitPackage),
        false => Ok(()),
    }
}

/// Returns whether the header has the layer of components and the version of a draft.
fn is_draft(bytes: &[u8]) -> bool {
    const FIRST_VERSION: u8 = 0x0d;
    matches!(bytes.get(4..8), Some([version, 0, 1, 0]) if *version < FIRST_VERSION)
}

/// The content of a component at its top.
#[derive(Default)]
struct Content {
    depth: u32,
    exports_types: bool,
    has_anything_else: bool,
}

impl Content {
    fn add(&mut self, payload: &Payload<'_>) {
        match payload {
            Payload::Version { .. } => {
                self.depth += 1;
                self.has_anything_else |= self.depth > 1;
            }
            Payload::End(_) => self.depth -= 1,
            Payload::ComponentExportSection(exports) if self.depth == 1 => {
                let mut exports = exports.clone().into_iter().flatten();
                let is_type =
                    |export: ComponentExport<'_>| export.kind == ComponentExternalKind::Type;
                match exports.all(is_type) {
                    true => self.exports_types = true,
                    false => self.has_anything_else = true,
                }
            }
            Payload::ComponentImportSection(_) if self.depth == 1 => self.has_anything_else = true,
            _ => {}
        }
    }

    fn is_wit_package(&self) -> bool {
        self.exports_types && !self.has_anything_else
    }
}

fn is_text_format(bytes: &[u8]) -> bool {
    const MAX_PREFIX_BYTES: usize = 4_096;
    let prefix = &bytes[..bytes.len().min(MAX_PREFIX_BYTES)];
    let text = std::str::from_utf8(prefix).unwrap_or_default().trim_start();
    ["(component", "(module", ";;", "(;"]
        .iter()
        .any(|start| text.starts_with(start))
}
