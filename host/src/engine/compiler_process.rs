//! The compiler process: compiles the components that the host sends, within the limits that it sends with them.
//!
//! The process limits itself with `setrlimit(2)`, and its threads have a low priority. It ends with the host: it waits for the next
//! request while it compiles, and exits when its standard input ends.

use std::io::{self, Read, Write};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::compile::new_pool;
use super::compile_error::error_summary;
use super::compiler_protocol::{MAX_COMPILED_BYTES, kind};
use super::settings::{Concurrency, compiler_settings};

/// Serves requests until standard input ends.
///
/// # Errors
/// The engine or its threads cannot be started, or the input is cut short.
pub fn run_compiler_process() -> io::Result<()> {
    prefer_for_out_of_memory();
    // A core file would contain the component, and take time and disk space.
    limit(Resource::Core, 0)?;
    let engine = new_engine(Concurrency::Off)?;
    let mut concurrent_engine = None;
    // Started before the memory is limited.
    let pool = new_pool().map_err(io::Error::other)?;
    let mut input = io::stdin().lock();
    while let Some(component_bytes) = read_number_or_end(&mut input)? {
        let memory_bytes = read_number(&mut input)?;
        let cpu_seconds = read_number(&mut input)?;
        let engine = match read_number(&mut input)? {
            0 => engine.clone(),
            _ => match &concurrent_engine {
                Some(engine) => wasmtime::Engine::clone(engine),
                None => concurrent_engine
                    .insert(new_engine(Concurrency::On)?)
                    .clone(),
            },
        };
        limit(Resource::As, memory_bytes)?;
        limit(Resource::Cpu, used_cpu_seconds() + cpu_seconds)?;
        let mut component = vec![0; usize::try_from(component_bytes).map_err(io::Error::other)?];
        input.read_exact(&mut component)?;
        // A panic on a thread of the pool aborts the process.
        pool.spawn(move || {
            if respond(&engine, &component).is_err() {
                std::process::exit(1);
            }
        });
    }
    Ok(())
}

fn new_engine(concurrency: Concurrency) -> io::Result<wasmtime::Engine> {
    wasmtime::Engine::new(&compiler_settings(concurrency)).map_err(io::Error::other)
}

/// Compiles one component and writes the response.
fn respond(engine: &wasmtime::Engine, component: &[u8]) -> io::Result<()> {
    let (kind, payload) = match engine.precompile_component(component) {
        Ok(compiled) if compiled.len() > MAX_COMPILED_BYTES => (kind::TOO_LARGE, Vec::new()),
        Ok(compiled) => (kind::COMPILED, compiled),
        Err(error) if error.is::<wasmtime::error::OutOfMemory>() => {
            (kind::OUT_OF_MEMORY, Vec::new())
        }
        Err(error) => (kind::INVALID, error_summary(&error).into_bytes()),
    };
    let mut output = io::stdout().lock();
    output.write_all(&[kind])?;
    output.write_all(&(payload.len() as u64).to_le_bytes())?;
    output.write_all(&payload)?;
    output.flush()
}

/// Reads a number; returns `None` at the end of the input.
fn read_number_or_end(input: &mut impl Read) -> io::Result<Option<u64>> {
    let mut first = [0];
    if input.read(&mut first)? == 0 {
        return Ok(None);
    }
    let mut bytes = [first[0], 0, 0, 0, 0, 0, 0, 0];
    input.read_exact(&mut bytes[1..])?;
    Ok(Some(u64::from_le_bytes(bytes)))
}

fn read_number(input: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Sets the soft limit, which can be raised again for the next component.
fn limit(resource: Resource, value: u64) -> io::Result<()> {
    let maximum = getrlimit(resource).maximum;
    let current = Some(maximum.map_or(value, |maximum| maximum.min(value)));
    Ok(setrlimit(resource, Rlimit { current, maximum })?)
}

fn used_cpu_seconds() -> u64 {
    // The clock does not return negative values.
    u64::try_from(clock_gettime(ClockId::ProcessCPUTime).tv_sec).unwrap_or_default()
}

/// Makes Linux choose this process rather than the host when the machine or the container runs out of memory.
fn prefer_for_out_of_memory() {
    // Other systems, and containers without `/proc`, lack the file.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}
