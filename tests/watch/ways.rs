//! The ways in which a file system changes what a reference names.
