//! The sandbox: what hostile guests try, and that it costs the others nothing.

mod definitions;
mod dirs;
mod dirs_bounds;
mod egress;
mod egress_bounds;
mod floods;
mod grants;
mod keyvalue;
mod limits;
mod own;
mod policy;
mod rubbish;
mod sockets;
mod variables;
