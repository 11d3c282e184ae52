//! The sandbox: what hostile guests try, and that it costs the others nothing.

mod definitions;
mod dirs;
mod egress;
mod floods;
mod grants;
mod keyvalue;
mod limits;
mod policy;
mod rubbish;
mod sockets;
mod variables;
