//! The names of the interfaces that the host offers, to find what a component lacks before it is compiled.

/// The interfaces of [`new_linker`](super::new_linker). Those with an incomplete version have every patch of it.
const INTERFACES: [&str; 33] = [
    "wasi:cli/environment@0.2",
    "wasi:cli/exit@0.2",
    "wasi:cli/stderr@0.2",
    "wasi:cli/stdin@0.2",
    "wasi:cli/stdout@0.2",
    "wasi:cli/terminal-input@0.2",
    "wasi:cli/terminal-output@0.2",
    "wasi:cli/terminal-stderr@0.2",
    "wasi:cli/terminal-stdin@0.2",
    "wasi:cli/terminal-stdout@0.2",
    "wasi:clocks/monotonic-clock@0.2",
    "wasi:clocks/wall-clock@0.2",
    "wasi:config/store@0.2.0-rc.1",
    "wasi:filesystem/preopens@0.2",
    "wasi:filesystem/types@0.2",
    "wasi:http/outgoing-handler@0.2",
    "wasi:http/types@0.2",
    "wasi:io/error@0.2",
    "wasi:io/poll@0.2",
    "wasi:io/streams@0.2",
    "wasi:keyvalue/atomics@0.2.0-draft",
    "wasi:keyvalue/batch@0.2.0-draft",
    "wasi:keyvalue/store@0.2.0-draft",
    "wasi:random/insecure-seed@0.2",
    "wasi:random/insecure@0.2",
    "wasi:random/random@0.2",
    "wasi:sockets/instance-network@0.2",
    "wasi:sockets/ip-name-lookup@0.2",
    "wasi:sockets/network@0.2",
    "wasi:sockets/tcp-create-socket@0.2",
    "wasi:sockets/tcp@0.2",
    "wasi:sockets/udp-create-socket@0.2",
    "wasi:sockets/udp@0.2",
];

/// The interfaces of WASI 0.3 that [`new_linker`](super::new_linker) adds for components with asynchronous functions.
const PREVIEW3_INTERFACES: [&str; 15] = [
    "wasi:cli/environment@0.3",
    "wasi:cli/exit@0.3",
    "wasi:cli/stderr@0.3",
    "wasi:cli/stdin@0.3",
    "wasi:cli/stdout@0.3",
    "wasi:cli/terminal-input@0.3",
    "wasi:cli/terminal-output@0.3",
    "wasi:cli/terminal-stderr@0.3",
    "wasi:cli/terminal-stdin@0.3",
    "wasi:cli/terminal-stdout@0.3",
    "wasi:clocks/monotonic-clock@0.3",
    "wasi:clocks/system-clock@0.3",
    "wasi:random/insecure-seed@0.3",
    "wasi:random/insecure@0.3",
    "wasi:random/random@0.3",
];

/// Returns whether the host offers an interface that a component imports.
pub fn has_interface(import: &str) -> bool {
    INTERFACES.contains(&without_patch(import).unwrap_or(import))
}

/// Returns whether the host offers an interface of WASI 0.3 to components with asynchronous functions.
pub fn has_preview3_interface(import: &str) -> bool {
    without_patch(import).is_some_and(|name| PREVIEW3_INTERFACES.contains(&name))
}

/// Returns a name that ends in a version `0.2.x` or `0.3.x` without the patch, which the engine disregards; `None` for
/// any other name, a pre-release included.
fn without_patch(import: &str) -> Option<&str> {
    let (name, patch) = import.rsplit_once('.')?;
    let patch = patch.split('+').next().unwrap_or_default();
    let is_number = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
    let is_release = name.ends_with("@0.2") || name.ends_with("@0.3");
    (is_number && is_release).then_some(name)
}
