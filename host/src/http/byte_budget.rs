//! Budgets for the bytes that the host keeps for clients: bodies that are arriving and responses that wait to be sent,
//! in all, per caller and per connection.
//!
//! Each request has a [`Budget`], which names the accounts that its bytes count in. A [`Reservation`] counts them until
//! it is dropped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

/// Bytes of all clients. With the calls that run they bound the memory of the host.
const MAX_BYTES: usize = 256 << 20;
/// Bytes of one caller: a quarter, so that one caller cannot use up those of all.
const MAX_CALLER_BYTES: usize = MAX_BYTES / 4;
/// Bytes of one connection, as for a caller: without authentication, connections are all that tells clients from each
/// other.
const MAX_CONNECTION_BYTES: usize = MAX_CALLER_BYTES;
/// Bytes of the responses on one connection that belong to no call, most of them to requests without a token. They do
/// not count in the account of all, which clients without a token could use up otherwise.
const MAX_OTHER_BYTES: usize = 32 << 10;
/// Counted for each reservation besides its bytes: headers, and the memory of the request itself.
const OVERHEAD_BYTES: usize = 1 << 10;
/// Number of remembered callers above which those without a reservation are forgotten.
const MAX_CALLERS: usize = 10_000;

/// The account that has no bytes left. `Display` is one sentence for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exhausted {
    /// The account of the caller or of the connection.
    #[error(
        "your requests and the responses that you have not read yet are larger than the limit of {} MiB; read the \
         responses, then try again",
        MAX_CALLER_BYTES >> 20
    )]
    OfCaller,
    /// The account of all clients.
    #[error("the server is at its limit of bytes to receive and to send; try again")]
    OfServer,
}

/// The account of all clients and those of the callers.
pub(super) struct ByteBudgets {
    all: Arc<Account>,
    /// By user key.
    callers: Mutex<HashMap<String, Weak<Account>>>,
}

/// The accounts of one connection.
pub(super) struct ConnectionAccounts {
    calls: Arc<Account>,
    other: Arc<Account>,
}

/// The accounts in which the bytes of one request and its response count.
#[derive(Clone)]
pub(super) struct Budget(Arc<[Arc<Account>]>);

/// Bytes that count in the accounts of a budget until this is dropped.
pub(super) struct Reservation {
    budget: Budget,
    bytes: usize,
}

struct Account {
    used: AtomicUsize,
    max: usize,
    exhausted: Exhausted,
}

impl Account {
    fn new(max: usize, exhausted: Exhausted) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicUsize::new(0),
            max,
            exhausted,
        })
    }

    /// Counts bytes if the account was not full before. The last reservation may exceed the limit: otherwise a response
    /// larger than the limit could never be sent.
    fn add(&self, bytes: usize) -> Result<(), Exhausted> {
        if self.used.fetch_add(bytes, Ordering::Relaxed) < self.max {
            return Ok(());
        }
        self.subtract(bytes);
        Err(self.exhausted)
    }

    fn subtract(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Default for ByteBudgets {
    fn default() -> Self {
        Self {
            all: Account::new(MAX_BYTES, Exhausted::OfServer),
            callers: Mutex::default(),
        }
    }
}

impl ByteBudgets {
    /// Returns the budget of a request to the endpoint. `user_key` is `None` if callers cannot be distinguished.
    pub(super) fn for_call(
        &self,
        user_key: Option<&str>,
        connection: Option<&ConnectionAccounts>,
    ) -> Budget {
        let caller = user_key.map(|key| self.caller(key));
        let connection = connection.map(|accounts| accounts.calls.clone());
        let accounts = caller.into_iter().chain(connection);
        Budget(accounts.chain([self.all.clone()]).collect())
    }

    fn caller(&self, user_key: &str) -> Arc<Account> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = callers.get(user_key).and_then(Weak::upgrade) {
            return account;
        }
        if callers.len() >= MAX_CALLERS {
            callers.retain(|_, account| account.strong_count() > 0);
        }
        let account = Account::new(MAX_CALLER_BYTES, Exhausted::OfCaller);
        callers.insert(user_key.to_owned(), Arc::downgrade(&account));
        account
    }
}

impl Default for ConnectionAccounts {
    fn default() -> Self {
        Self {
            calls: Account::new(MAX_CONNECTION_BYTES, Exhausted::OfCaller),
            other: Account::new(MAX_OTHER_BYTES, Exhausted::OfCaller),
        }
    }
}

impl ConnectionAccounts {
    /// Returns the budget of a response that belongs to no call.
    pub(super) fn for_other(&self) -> Budget {
        Budget([self.other.clone()].into())
    }
}

impl Budget {
    /// Reserves bytes.
    ///
    /// # Errors
    /// The first account that is full.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Reservation, Exhausted> {
        let mut reservation = Reservation {
            budget: self.clone(),
            bytes: 0,
        };
        reservation.grow(bytes + OVERHEAD_BYTES)?;
        Ok(reservation)
    }
}

impl Reservation {
    /// Adds bytes to the reservation.
    ///
    /// # Errors
    /// The first account that is full. The reservation keeps the bytes that it had.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        for (index, account) in self.budget.0.iter().enumerate() {
            if let Err(exhausted) = account.add(bytes) {
                for account in &self.budget.0[..index] {
                    account.subtract(bytes);
                }
                return Err(exhausted);
            }
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Returns the same data, which keeps this reservation until the last copy and part of it is dropped.
    pub(super) fn attach(self, data: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        attach(self, data)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        for account in self.budget.0.iter() {
            account.subtract(self.bytes);
        }
    }
}

/// Returns the same data, which keeps `guard` until the last copy and part of it is dropped.
pub(super) fn attach(guard: impl Send + 'static, data: impl AsRef<[u8]> + Send + 'static) -> Bytes {
    struct Guarded<D, G> {
        data: D,
        _guard: G,
    }
    impl<D: AsRef<[u8]>, G> AsRef<[u8]> for Guarded<D, G> {
        fn as_ref(&self) -> &[u8] {
            self.data.as_ref()
        }
    }
    let _guard = guard;
    Bytes::from_owner(Guarded { data, _guard })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn used(budget: &Budget) -> Vec<usize> {
        let used = |account: &Arc<Account>| account.used.load(Ordering::Relaxed);
        budget.0.iter().map(used).collect()
    }

    #[test]
    fn accounts_are_shared_by_caller_and_by_connection() {
        let (budgets, first, second) =
            <(ByteBudgets, ConnectionAccounts, ConnectionAccounts)>::default();
        let alice = budgets.for_call(Some("alice"), Some(&first));
        let held = alice.reserve(MAX_CALLER_BYTES).unwrap();
        for (user, connection, exhausted) in [
            ("alice", Some(&first), true),
            ("alice", Some(&second), true),
            ("alice", None, true),
            // The connection is full too.
            ("bob", Some(&first), true),
            ("bob", Some(&second), false),
        ] {
            let budget = budgets.for_call(Some(user), connection);
            let error = budget.reserve(1).err();
            assert_eq!(error, exhausted.then_some(Exhausted::OfCaller), "{user}");
        }
        drop(held);
        assert_eq!(used(&alice), [0, 0, 0]);
        alice.reserve(1).unwrap();
    }

    #[test]
    fn one_caller_cannot_use_up_the_bytes_of_all() {
        let budgets = ByteBudgets::default();
        let mut held = Vec::new();
        for caller in 0..5 {
            let budget = budgets.for_call(Some(&caller.to_string()), None);
            // The last reservation of an account may exceed its limit.
            held.extend(
                (0..3).map_while(|_| budget.reserve(MAX_CALLER_BYTES / 2 - OVERHEAD_BYTES).ok()),
            );
        }
        assert_eq!(held.len(), 8);
        let late = budgets.for_call(Some("late"), None);
        assert_eq!(late.reserve(1).err(), Some(Exhausted::OfServer));
        // The bytes counted in the caller's account before are taken back.
        assert_eq!(used(&late)[0], 0);
        held.pop();
        late.reserve(1).unwrap();
    }

    #[test]
    fn data_keeps_its_reservation_until_its_last_part_is_dropped() {
        let accounts = ConnectionAccounts::default();
        let budget = accounts.for_other();
        let mut data = budget.reserve(10).unwrap().attach(vec![7; 10]);
        let part = data.split_to(4);
        drop(data);
        assert_eq!(used(&budget), [10 + OVERHEAD_BYTES]);
        assert_eq!(part, vec![7; 4]);
        drop(part);
        assert_eq!(used(&budget), [0]);
    }
}
