//! How many different publishers may clients have made of one contract?
//!
//! A view of a book and the size of large trades are whatever a client asks for, and each different one is a publisher of
//! its own, which works whenever the contract moves.

use crate::live::{Channel, Topic, Unavailable};
use std::{
    collections::BTreeMap,
    mem::discriminant,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Different views of one contract's book, and different sizes of its large trades, at most, for all sessions together.
pub const VARIANTS_MAX: usize = 64;

/// What clients have chosen that is subscribed to.
#[derive(Debug, Default)]
pub(super) struct Variants {
    /// How many subscriptions there are of each. A lock, since sessions of all threads are to be answered at once.
    held: Mutex<BTreeMap<Topic, usize>>,
}

/// A subscription's part in a variant, which is given back when it is dropped, wherever that is.
#[derive(Debug)]
pub(super) struct Place {
    topic: Topic,
    of: Arc<Variants>,
}

impl Variants {
    /// A place for a subscription to `topic`; none for what is no client's choice.
    ///
    /// # Errors
    ///
    /// When the contract has so many other variants that this one has to wait.
    pub(super) fn take(self: &Arc<Self>, topic: Topic) -> Result<Option<Place>, Unavailable> {
        if !matches!(topic.channel, Channel::BookView(..) | Channel::LargeTrades(_)) {
            return Ok(None);
        }
        let mut held = self.held();
        let first = Topic { channel: Channel::Trades, ..topic };
        let of_contract = held.range(first..).take_while(|(other, _)| other.contract == topic.contract);
        let alike = of_contract.filter(|(other, _)| discriminant(&other.channel) == discriminant(&topic.channel));
        if !held.contains_key(&topic) && alike.count() >= VARIANTS_MAX {
            return Err(Unavailable::Crowded);
        }
        *held.entry(topic).or_default() += 1;
        Ok(Some(Place { topic, of: Arc::clone(self) }))
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Topic, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.of.held();
        let left = held.get(&self.topic).map_or(0, |count| count.saturating_sub(1));
        if left > 0 {
            held.insert(self.topic, left);
        } else {
            held.remove(&self.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContractId, QuoteVolume};

    fn view(contract: u32, levels: u16) -> Topic {
        Topic { contract: ContractId::new(contract), channel: Channel::BookView(None, levels) }
    }

    fn size(contract: u32, units: i128) -> Topic {
        let channel = Channel::LargeTrades(QuoteVolume::from_units(units));
        Topic { contract: ContractId::new(contract), channel }
    }

    #[test]
    fn so_many_variants_of_a_kind_and_contract_and_any_number_of_subscriptions_to_each() {
        let variants = Arc::new(Variants::default());
        let mut places: Vec<_> = (1..=64).map(|levels| variants.take(view(7, levels)).expect("room")).collect();
        assert!(matches!(variants.take(view(7, 65)), Err(Unavailable::Crowded)));
        places.push(variants.take(view(7, 1)).expect("it is there"));
        places.extend([view(8, 65), size(7, 1), size(6, 1)].map(|topic| variants.take(topic).expect("room")));
        assert!(places.iter().all(Option::is_some));
        let trades = Topic { channel: Channel::Trades, ..view(7, 1) };
        assert!(matches!(variants.take(trades), Ok(None)), "no client's choice");
        drop(places.remove(0));
        assert!(matches!(variants.take(view(7, 65)), Err(Unavailable::Crowded)), "another subscription has it");
        drop(places.remove(0));
        assert!(variants.take(view(7, 65)).is_ok());
        drop(places);
        assert!(variants.held().is_empty());
    }
}
