//! The sandbox: what hostile guests try, and that it costs the others nothing.

mod definitions;
mod floods;
mod grants;
mod limits;
mod rubbish;
