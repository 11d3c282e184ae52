//! Bounds what a guest may write into the head of a request that it does not send: the host keeps it as long as the guest
//! likes. For lists of headers the engine has a bound of its own.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::{HostOutgoingRequest as _, Method};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest as Request;

/// The longest method; the longest that is registered has 17.
const MAX_METHOD_BYTES: usize = 64;
/// The longest host and port; a name has up to 253 characters.
const MAX_AUTHORITY_BYTES: usize = 512;
/// The longest path with its query. Less than that is too long where the request is sent, which a guest can tell from a
/// path that is none.
const MAX_PATH_BYTES: usize = 16 << 10;

/// As the engine's own crate names it. A test notices when it goes on to the next version.
const TYPES: &str = "wasi:http/types@0.2.12";

/// Refuses what is too long, as the interface refuses what is no method, path or authority at all.
///
/// # Errors
/// When the engine has no such interface.
pub(in crate::sandbox) fn bound<T: WasiHttpView + 'static>(
    linker: &mut Linker<T>,
) -> wasmtime::Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: StoreContextMut<'_, T>, (request, method): (Resource<Request>, Method)| {
            if matches!(&method, Method::Other(name) if name.len() > MAX_METHOD_BYTES) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_method(request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: StoreContextMut<'_, T>, (request, path): Part| {
            if too_long(&path, MAX_PATH_BYTES) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_path_with_query(request, path)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: StoreContextMut<'_, T>, (request, authority): Part| {
            if too_long(&authority, MAX_AUTHORITY_BYTES) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_authority(request, authority)?,))
        },
    )
}

type Part = (Resource<Request>, Option<String>);

fn too_long(part: &Option<String>, max_bytes: usize) -> bool {
    part.as_ref().is_some_and(|part| part.len() > max_bytes)
}
