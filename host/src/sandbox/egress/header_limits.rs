//! Size limits for the header section of a request and of a response.
//!
//! A guest can build a request that it never sends, and the host holds it in memory until the call ends. The setters of
//! `wasi:http` are therefore limited as well. wasmtime itself limits the list of headers.

use http::header::HeaderMap;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::{HostOutgoingRequest as _, Method};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;

/// Names and values of all headers of a request, and of a response.
pub(super) const MAX_HEADER_SECTION_BYTES: usize = 32 << 10;
/// Maximum length of a method; the longest registered one has 17 bytes.
const MAX_METHOD_BYTES: usize = 64;
/// Maximum length of host and port; a domain name has at most 253 characters.
const MAX_AUTHORITY_BYTES: usize = 512;
/// Maximum length of a path with its query. The send path enforces a lower limit with its own error, so a guest can
/// tell "too long" from "malformed".
const MAX_PATH_BYTES: usize = 16 << 10;

// wasmtime's name of the interface. A test fails when wasmtime changes the version.
const TYPES: &str = "wasi:http/types@0.2.12";

/// Parameters of a setter.
type SetterArgs = (Resource<HostOutgoingRequest>, Option<String>);

/// Returns the size of all names and values.
pub(super) fn header_section_bytes(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum()
}

/// Replaces the setters of `outgoing-request` by ones that reject a long value like a malformed one.
///
/// # Errors
/// The linker does not have the interface.
pub(in crate::sandbox) fn replace_request_setters<T: WasiHttpView + 'static>(
    linker: &mut Linker<T>,
) -> wasmtime::Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: StoreContextMut<'_, T>,
         (request, method): (Resource<HostOutgoingRequest>, Method)| {
            if matches!(&method, Method::Other(name) if name.len() > MAX_METHOD_BYTES) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_method(request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: StoreContextMut<'_, T>, (request, path): SetterArgs| {
            if is_longer_than(&path, MAX_PATH_BYTES) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_path_with_query(request, path)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: StoreContextMut<'_, T>, (request, authority): SetterArgs| {
            if is_longer_than(&authority, MAX_AUTHORITY_BYTES) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_authority(request, authority)?,))
        },
    )
}

fn is_longer_than(value: &Option<String>, max_bytes: usize) -> bool {
    value.as_ref().is_some_and(|value| value.len() > max_bytes)
}
