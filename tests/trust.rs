//! `[trust]`: signatures of components, the keys and identities that are trusted, and signed-only mode.

mod configurations;
mod files;
mod follow;
mod forms;
mod reload;
mod remote;
