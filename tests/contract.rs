//! The tool contract: definitions and results of a component reach clients in MCP's form, and violations of the
//! contract are rejected.

mod arguments;
mod calls;
mod content;
mod definitions;
mod output;
mod versions;
