//! Who notices that an actor has panicked, and puts another in its place?
//!
//! actix lets a panicked actor disappear without a word, so its address is looked at. What the next actor needs stands
//! outside the dead one.

use crate::{
    metrics::{Labels, Metrics},
    model::ContractId,
};
use std::{
    cell::RefCell,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

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
            rebuild(ward, &metrics);
        }
    }
}

fn rebuild(ward: &Ward, metrics: &Metrics) {
    metrics.actor_rebuilds.get_or_create(&Labels::new([("actor", ward.kind)])).inc();
    // One that cannot be raised now must not end the supervision of the others: it is tried again at the next look.
    let is_rebuilt = catch_unwind(AssertUnwindSafe(|| (ward.raise)())).is_ok();
    tracing::error!(actor = ward.kind, is_rebuilt, "an actor died");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test(start_paused = true)]
    async fn one_that_cannot_be_raised_is_tried_again_and_the_others_are_raised() {
        let (raised, tries) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
        let (noted, looked_at, counted) = (Rc::clone(&raised), Rc::clone(&raised), Rc::clone(&tries));
        let broken = Ward {
            kind: "broken",
            contract: None,
            is_alive: Box::new(|| false),
            raise: Box::new(move || {
                counted.set(counted.get() + 1);
                assert!(counted.get() > 3, "planted");
            }),
        };
        let sound = Ward {
            kind: "sound",
            contract: None,
            is_alive: Box::new(move || looked_at.get()),
            raise: Box::new(move || noted.set(true)),
        };
        let wards: Wards = Rc::new(RefCell::new(vec![broken, sound]));
        let metrics = Arc::new(Metrics::default());
        let watch = watch_over(wards, Arc::clone(&metrics));
        assert!(tokio::time::timeout(10 * LOOK_EVERY, watch).await.is_err(), "it never ends");
        assert!(raised.get() && tries.get() > 5, "{}", tries.get());
        let rebuilds = |kind| metrics.actor_rebuilds.get_or_create(&Labels::new([("actor", kind)])).get();
        assert_eq!(rebuilds("sound"), 1);
    }
}
