//! Who notices that an actor has panicked, and puts another in its place?
//!
//! actix lets a panicked actor disappear without a word, so its address is looked at. What the next actor needs stands
//! outside the dead one.

use crate::{
    metrics::{Labels, Metrics},
    model::ContractId,
};
use std::{cell::RefCell, fmt, rc::Rc, sync::Arc, time::Duration};

/// How often addresses are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// An actor under supervision.
pub(super) struct Ward {
    /// For logs and counters.
    pub(super) kind: &'static str,
    /// Of which contract alone, if of one.
    pub(super) contract: Option<ContractId>,
    /// Whether it takes messages.
    pub(super) is_alive: Box<dyn Fn() -> bool>,
    /// Starts one over the state that the last one left; also the first time.
    pub(super) raise: Box<dyn Fn()>,
}

impl fmt::Debug for Ward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ward({})", self.kind)
    }
}

/// All that are watched over, on the supervising thread.
pub(super) type Wards = Rc<RefCell<Vec<Ward>>>;

/// Raises wards that die, for ever; whoever makes them raises them the first time.
pub(super) async fn watch_over(wards: Wards, metrics: Arc<Metrics>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        for ward in wards.borrow().iter().filter(|ward| !(ward.is_alive)()) {
            metrics.actor_rebuilds.get_or_create(&Labels::new([("actor", ward.kind)])).inc();
            tracing::error!(actor = ward.kind, "an actor died and is rebuilt");
            (ward.raise)();
        }
    }
}
