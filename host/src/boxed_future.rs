//! Futures on the heap that are not copied there.

use std::pin::Pin;

/// Returns the future that `make` creates, on the heap.
///
/// `Box::pin` takes a future that exists already, so the compiler creates it on the stack and copies all of its bytes,
/// unused ones too. Here the memory comes first, and only the captured values are written to it.
pub(crate) fn boxed_future<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(Box::write(Box::new_uninit(), make()))
}
