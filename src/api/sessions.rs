//! Which sessions are open, and how are they all told goodbye?

use crate::live::SessionKey;
use actix::prelude::*;
use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The process is about to end.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Goodbye;

/// The open sessions. Bounded by the server's connections.
#[derive(Debug, Default)]
pub struct Sessions {
    next: AtomicU64,
    /// Touched when a session begins or ends, never while it runs.
    open: Mutex<HashMap<SessionKey, Recipient<Goodbye>>>,
}

impl Sessions {
    /// A key that no session has had.
    pub fn key(&self) -> SessionKey {
        SessionKey(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Notes an open session.
    pub fn add(&self, key: SessionKey, session: Recipient<Goodbye>) {
        self.open().insert(key, session);
    }

    /// Forgets a session.
    pub fn remove(&self, key: SessionKey) {
        self.open().remove(&key);
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open().len()
    }

    /// Tells every session goodbye; a session whose mailbox is full is cut with the server.
    pub fn goodbye(&self) {
        for session in self.open().values() {
            if session.try_send(Goodbye).is_err() {
                tracing::debug!("a session took no goodbye");
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SessionKey, Recipient<Goodbye>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
