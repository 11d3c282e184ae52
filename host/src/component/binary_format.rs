//! Recognises files that are not WebAssembly components before a compiler sees them.

use wasmparser::{Encoding, Parser, Payload};

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

fn is_text_format(bytes: &[u8]) -> bool {
    const MAX_PREFIX_BYTES: usize = 4_096;
    let prefix = &bytes[..bytes.len().min(MAX_PREFIX_BYTES)];
    let text = std::str::from_utf8(prefix).unwrap_or_default().trim_start();
    ["(component", "(module", ";;", "(;"]
        .iter()
        .any(|start| text.starts_with(start))
}
