//! The imports that a guest finds: everything of WASI, with the host's own judgement before some of it.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView as Files, WasiFilesystemView};
use wasmtime_wasi::p2::Network;
use wasmtime_wasi::p2::bindings::filesystem::types::{self, ErrorCode, HostDescriptor};
use wasmtime_wasi::p2::bindings::sockets::network;
use wasmtime_wasi::sockets::WasiSocketsView;
use wasmtime_wasi_config::WasiConfig;

use super::limits::{MAX_LISTED_ENTRIES, MAX_OPEN_FILES};
use super::store::StoreData;
use super::{dirs, egress, keyvalue, sockets};
use crate::engine::Engine;

/// A linker with everything that any guest may import.
///
/// # Errors
/// When two of the interfaces collide, which is a defect of the host.
pub fn linker<C: Send + 'static>(engine: &Engine) -> wasmtime::Result<Linker<StoreData<C>>> {
    let mut linker = Linker::new(engine.wasmtime());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_config::add_to_linker(&mut linker, |state: &mut StoreData<C>| {
        WasiConfig::from(&state.granted.config)
    })?;
    keyvalue::add_to_linker(&mut linker, |state: &mut StoreData<C>| keyvalue::View {
        kv: state.granted.kv.as_ref(),
        owner: state.owner.as_ref(),
        table: &mut state.table,
    })?;
    linker.allow_shadowing(true);
    judge_files(&mut linker)?;
    judge_sockets(&mut linker)?;
    egress::bound(&mut linker)?;
    linker.allow_shadowing(false);
    Ok(linker)
}

/// Puts the host's own judgement before what WASI has of files.
fn judge_files<C: Send + 'static>(linker: &mut Linker<StoreData<C>>) -> wasmtime::Result<()> {
    linker.instance(PREOPENS)?.func_wrap_async(
        "get-directories",
        |mut store: StoreContextMut<'_, StoreData<C>>, (): ()| {
            Box::new(async move {
                let granted = store.data().granted.clone();
                // Whoever uses files comes by here first.
                if let Some(threads) = &granted.threads
                    && !granted.dirs.is_empty()
                {
                    threads.one_is_free().await;
                }
                let table = &mut store.data_mut().table;
                Ok((dirs::directories(&granted.dirs, table)?,))
            })
        },
    )?;
    type OpenAt = (
        Resource<Descriptor>,
        types::PathFlags,
        String,
        types::OpenFlags,
        types::DescriptorFlags,
    );
    let mut files = linker.instance(FILESYSTEM)?;
    files.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store: StoreContextMut<'_, StoreData<C>>,
         (dir, path_flags, path, open_flags, flags): OpenAt| {
            Box::new(async move {
                if !store.data_mut().open_files.have_room() {
                    tracing::info!(limit.files = MAX_OPEN_FILES, "file not opened");
                    // There is no code for too many open files.
                    return Ok((Err(ErrorCode::InsufficientMemory),));
                }
                let files = store.data_mut().filesystem();
                let how = (path_flags, open_flags, flags);
                let opened = dirs::open_at(files, dir, path, how).await?;
                if let Ok(opened) = &opened {
                    let state = store.data_mut();
                    state.open_files.add(state.table.get(opened)?);
                }
                Ok((opened,))
            })
        },
    )?;
    files.func_wrap_async(
        "[method]descriptor.read-directory",
        |mut store: StoreContextMut<'_, StoreData<C>>, (dir,): (Resource<Descriptor>,)| {
            Box::new(async move {
                let state = store.data_mut();
                let entries = match dirs::entries(state.table.get(&dir)?).await {
                    Ok(entries) => entries,
                    Err(error) => return Ok((Err(error),)),
                };
                if !state.open_files.may_list(&state.table, entries) {
                    tracing::info!(limit.entries = MAX_LISTED_ENTRIES, "directory not listed");
                    return Ok((Err(ErrorCode::InsufficientMemory),));
                }
                let mut files = state.filesystem();
                let list = files.read_directory(dir).await;
                let list = dirs::told(files, list)?;
                if let Ok(list) = &list {
                    store.data_mut().open_files.list(list.rep(), entries);
                }
                Ok((list,))
            })
        },
    )?;
    files.func_wrap(
        "[method]descriptor.read-via-stream",
        |mut store: StoreContextMut<'_, StoreData<C>>,
         (file, from): (Resource<Descriptor>, u64)| {
            let stream = |files: &mut Files<'_>| files.read_via_stream(file, from);
            Ok((store.data_mut().stream(stream)?,))
        },
    )?;
    files.func_wrap(
        "[method]descriptor.write-via-stream",
        |mut store: StoreContextMut<'_, StoreData<C>>,
         (file, from): (Resource<Descriptor>, u64)| {
            let stream = |files: &mut Files<'_>| files.write_via_stream(file, from);
            Ok((store.data_mut().stream(stream)?,))
        },
    )?;
    files.func_wrap(
        "[method]descriptor.append-via-stream",
        |mut store: StoreContextMut<'_, StoreData<C>>, (file,): (Resource<Descriptor>,)| {
            let stream = |files: &mut Files<'_>| files.append_via_stream(file);
            Ok((store.data_mut().stream(stream)?,))
        },
    )
}

/// Puts the host's own judgement before what WASI has of sockets.
fn judge_sockets<C: Send + 'static>(linker: &mut Linker<StoreData<C>>) -> wasmtime::Result<()> {
    linker.instance(IP_NAME_LOOKUP)?.func_wrap(
        "resolve-addresses",
        |mut store: StoreContextMut<'_, StoreData<C>>,
         (network, name): (Resource<Network>, String)| {
            let state = store.data_mut();
            if !state.may_have_socket() {
                return Ok((Err(network::ErrorCode::OutOfMemory),));
            }
            let granted = state.granted.clone();
            Ok((sockets::resolve_addresses(
                state.sockets(),
                &granted.tcp,
                network,
                name,
            )?,))
        },
    )?;
    linker.instance(TCP_CREATE_SOCKET)?.func_wrap(
        "create-tcp-socket",
        |mut store: StoreContextMut<'_, StoreData<C>>, (family,): (network::IpAddressFamily,)| {
            let state = store.data_mut();
            if !state.may_have_socket() {
                return Ok((Err(network::ErrorCode::NewSocketLimit),));
            }
            Ok((sockets::create_tcp_socket(state.sockets(), family)?,))
        },
    )
}

/// As the engine's own crate names them. A test notices when it goes on to the next version.
const PREOPENS: &str = "wasi:filesystem/preopens@0.2.12";
const FILESYSTEM: &str = "wasi:filesystem/types@0.2.12";
const IP_NAME_LOOKUP: &str = "wasi:sockets/ip-name-lookup@0.2.12";
const TCP_CREATE_SOCKET: &str = "wasi:sockets/tcp-create-socket@0.2.12";
