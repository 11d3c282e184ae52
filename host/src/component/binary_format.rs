//! What the bytes are, told before a compiler sees them.

use wasmparser::{Encoding, Parser, Payload};

/// Why the bytes are no component, and what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAComponent {
    /// Nothing.
    #[error("the file is empty")]
    Empty,
    /// WebAssembly, but of the older kind.
    #[error(
        "it is a core module, not a component; build for `wasm32-wasip2`, or wrap it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    /// WebAssembly text.
    #[error("it is WebAssembly text; assemble it with `wasm-tools parse` first")]
    Text,
    /// Not WebAssembly at all.
    #[error("it is not a WebAssembly component (it does not start with the bytes `\\0asm`)")]
    Unknown,
    /// It ends in the middle.
    #[error("it is cut short or damaged; build or copy it again")]
    Damaged,
}

/// Checks the header and that every section is there; not what the sections say.
///
/// # Errors
/// What the bytes are instead.
pub(super) fn check(bytes: &[u8]) -> Result<(), NotAComponent> {
    if bytes.is_empty() {
        return Err(NotAComponent::Empty);
    }
    if !bytes.starts_with(b"\0asm") {
        let text = std::str::from_utf8(&bytes[..bytes.len().min(4096)])
            .unwrap_or_default()
            .trim_start();
        let is_text = ["(component", "(module", ";;", "(;"]
            .iter()
            .any(|start| text.starts_with(start));
        return Err(if is_text {
            NotAComponent::Text
        } else {
            NotAComponent::Unknown
        });
    }
    for (index, payload) in Parser::new(0).parse_all(bytes).enumerate() {
        match payload {
            Ok(Payload::Version {
                encoding: Encoding::Module,
                ..
            }) if index == 0 => return Err(NotAComponent::CoreModule),
            Ok(_) => {}
            Err(_) => return Err(NotAComponent::Damaged),
        }
    }
    Ok(())
}
