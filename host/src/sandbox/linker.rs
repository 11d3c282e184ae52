//! The imports of a guest: all of WASI 0.2, with the host's own checks before some functions, and a part of WASI 0.3 for
//! components with asynchronous functions.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView, WasiFilesystemView};
use wasmtime_wasi::p2::Network;
use wasmtime_wasi::p2::bindings::filesystem::types::{self, ErrorCode, HostDescriptor};
use wasmtime_wasi::p2::bindings::sockets::network;
use wasmtime_wasi::sockets::WasiSocketsView;
use wasmtime_wasi_config::WasiConfig;

use super::limits::{MAX_LISTED_ENTRIES, MAX_OPEN_FILES};
use super::store::StoreData;
use super::{egress, filesystem, keyvalue, sockets};
use crate::engine::Engine;
use crate::telemetry::in_call;

// The interfaces with replaced functions, as wasmtime names them. A test fails when wasmtime changes the version.
const PREOPENS: &str = "wasi:filesystem/preopens@0.2.12";
const FILESYSTEM: &str = "wasi:filesystem/types@0.2.12";
const IP_NAME_LOOKUP: &str = "wasi:sockets/ip-name-lookup@0.2.12";
const TCP_CREATE_SOCKET: &str = "wasi:sockets/tcp-create-socket@0.2.12";

/// Parameters of `open-at`.
type OpenAt = (
    Resource<Descriptor>,
    types::PathFlags,
    String,
    types::OpenFlags,
    types::DescriptorFlags,
);

/// Creates a linker with every import that the host offers.
///
/// # Errors
/// Two interfaces collide, which is a defect of the host.
pub fn new_linker<C: Send + 'static>(engine: &Engine) -> wasmtime::Result<Linker<StoreData<C>>> {
    let mut linker = Linker::new(engine.wasmtime());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_config::add_to_linker(&mut linker, |data: &mut StoreData<C>| {
        WasiConfig::from(&data.grants.config)
    })?;
    keyvalue::add_to_linker(&mut linker, |data: &mut StoreData<C>| {
        keyvalue::KeyValueView {
            buckets: data.grants.buckets.as_ref(),
            owner: data.owner.as_ref(),
            table: &mut data.table,
        }
    })?;
    // The functions below replace some that WASI's crates have added.
    linker.allow_shadowing(true);
    replace_get_directories(&mut linker)?;
    replace_file_functions(&mut linker)?;
    replace_socket_functions(&mut linker)?;
    egress::replace_request_setters(&mut linker)?;
    linker.allow_shadowing(false);
    if engine.is_concurrent() {
        add_preview3(&mut linker)?;
    }
    Ok(linker)
}

/// Adds the interfaces of WASI 0.3 that do what the grants and limits of their 0.2 forms say, since both use the context of
/// [`wasi_context`](super::store::wasi_context).
fn add_preview3<C: Send + 'static>(linker: &mut Linker<StoreData<C>>) -> wasmtime::Result<()> {
    wasmtime_wasi::p3::cli::add_to_linker(linker)?;
    wasmtime_wasi::p3::clocks::add_to_linker(linker)?;
    wasmtime_wasi::p3::random::add_to_linker(linker)
}

fn replace_get_directories<C: Send + 'static>(
    linker: &mut Linker<StoreData<C>>,
) -> wasmtime::Result<()> {
    linker.instance(PREOPENS)?.func_wrap_async(
        "get-directories",
        |mut store: StoreContextMut<'_, StoreData<C>>, (): ()| {
            Box::new(async move {
                let grants = store.data().grants.clone();
                // A guest calls this before it uses any file, so a call waits here if all threads are blocked.
                if let Some(pool) = &grants.blocking_pool
                    && !grants.dirs.is_empty()
                {
                    pool.wait_for_free_thread().await;
                }
                let table = &mut store.data_mut().table;
                Ok((filesystem::get_directories(&grants.dirs, table)?,))
            })
        },
    )
}

/// Replaces the functions that open files, listings and streams, to enforce their limits.
fn replace_file_functions<C: Send + 'static>(
    linker: &mut Linker<StoreData<C>>,
) -> wasmtime::Result<()> {
    let mut files = linker.instance(FILESYSTEM)?;
    files.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store: StoreContextMut<'_, StoreData<C>>,
         (dir, path_flags, path, open_flags, flags): OpenAt| {
            Box::new(async move {
                if !store.data_mut().open_files.has_room_for_file() {
                    in_call(|| tracing::info!(limit.files = MAX_OPEN_FILES, "file not opened"));
                    // WASI has no error code for too many open files.
                    return Ok((Err(ErrorCode::InsufficientMemory),));
                }
                let grants = store.data().grants.clone();
                let files = store.data_mut().filesystem();
                let flags = (path_flags, open_flags, flags);
                let opened = filesystem::open_at(files, &grants.dirs, dir, path, flags).await?;
                if let Ok(opened) = &opened {
                    let data = store.data_mut();
                    data.open_files.add_file(data.table.get(opened)?);
                }
                Ok((opened,))
            })
        },
    )?;
    files.func_wrap_async(
        "[method]descriptor.read-directory",
        |mut store: StoreContextMut<'_, StoreData<C>>, (dir,): (Resource<Descriptor>,)| {
            Box::new(async move {
                let data = store.data_mut();
                let entries = match filesystem::count_entries(data.table.get(&dir)?).await {
                    Ok(entries) => entries,
                    Err(error) => return Ok((Err(error),)),
                };
                if !data.open_files.has_room_for_listing(&data.table, entries) {
                    in_call(|| {
                        tracing::info!(limit.entries = MAX_LISTED_ENTRIES, "directory not listed");
                    });
                    return Ok((Err(ErrorCode::InsufficientMemory),));
                }
                let mut files = data.filesystem();
                let listing = files.read_directory(dir).await;
                let listing = filesystem::to_guest_result(files, listing)?;
                if let Ok(listing) = &listing {
                    let open_files = &mut store.data_mut().open_files;
                    open_files.add_listing(listing.rep(), entries);
                }
                Ok((listing,))
            })
        },
    )?;
    files.func_wrap(
        "[method]descriptor.read-via-stream",
        |mut store: StoreContextMut<'_, StoreData<C>>,
         (file, offset): (Resource<Descriptor>, u64)| {
            let open = |files: &mut WasiFilesystemCtxView<'_>| files.read_via_stream(file, offset);
            Ok((store.data_mut().open_stream(open)?,))
        },
    )?;
    files.func_wrap(
        "[method]descriptor.write-via-stream",
        |mut store: StoreContextMut<'_, StoreData<C>>,
         (file, offset): (Resource<Descriptor>, u64)| {
            let open = |files: &mut WasiFilesystemCtxView<'_>| files.write_via_stream(file, offset);
            Ok((store.data_mut().open_stream(open)?,))
        },
    )?;
    files.func_wrap(
        "[method]descriptor.append-via-stream",
        |mut store: StoreContextMut<'_, StoreData<C>>, (file,): (Resource<Descriptor>,)| {
            let open = |files: &mut WasiFilesystemCtxView<'_>| files.append_via_stream(file);
            Ok((store.data_mut().open_stream(open)?,))
        },
    )
}

/// Replaces the functions that look up names and create sockets, to enforce the grant and the limit on sockets.
fn replace_socket_functions<C: Send + 'static>(
    linker: &mut Linker<StoreData<C>>,
) -> wasmtime::Result<()> {
    linker.instance(IP_NAME_LOOKUP)?.func_wrap(
        "resolve-addresses",
        |mut store: StoreContextMut<'_, StoreData<C>>,
         (network, name): (Resource<Network>, String)| {
            let data = store.data_mut();
            if !data.count_socket() {
                return Ok((Err(network::ErrorCode::OutOfMemory),));
            }
            let grants = data.grants.clone();
            let sockets = data.sockets();
            Ok((sockets::resolve_addresses(
                sockets,
                &grants.tcp,
                network,
                name,
            )?,))
        },
    )?;
    linker.instance(TCP_CREATE_SOCKET)?.func_wrap(
        "create-tcp-socket",
        |mut store: StoreContextMut<'_, StoreData<C>>, (family,): (network::IpAddressFamily,)| {
            let data = store.data_mut();
            if !data.count_socket() {
                return Ok((Err(network::ErrorCode::NewSocketLimit),));
            }
            Ok((sockets::create_tcp_socket(data.sockets(), family)?,))
        },
    )
}
