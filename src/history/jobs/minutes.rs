//! How do the candles of one minute follow the trades that were filled in?

use crate::{
    history::{
        jobs::{file::TakeError, held::Held},
        plan::Span,
    },
    model::IdRange,
    store::{
        record::{Kind, Origin},
        seal::{Fill, FillError, Filler},
    },
};
use std::io;
use tokio::sync::oneshot;

/// Computes the minutes of trades, and stores those that are not as the trades say.
pub(super) async fn follow(filler: &Filler, held: &Held, ids: IdRange) -> Result<(), TakeError> {
    let (filler, held) = (filler.clone(), held.clone());
    let (listed, is_listed) = oneshot::channel();
    let computing = move || {
        let Some(fill) = computed(&filler, &held, ids)? else { return Ok(false) };
        // Whoever waits may have gone: what was computed stays all the same.
        fill.adopt(move || listed.send(()).unwrap_or_default())?;
        Ok::<_, FillError>(true)
    };
    if tokio::task::spawn_blocking(computing).await.map_err(io::Error::other)?? {
        is_listed.await.map_err(|_| FillError::Closed)?;
    }
    Ok(())
}

/// The ids of a span's trades that are held, and of the holes between them. Blocks on the disk.
pub(super) fn ids_of(held: &Held, (from, to): Span) -> Option<IdRange> {
    let first = held.holding.first_id_at(from)?;
    let last = held.holding.first_id_at(to).map_or(u64::MAX, |next| next.saturating_sub(1));
    IdRange::new(first, last)
}

/// The minutes to be stored, if there are any.
fn computed(filler: &Filler, held: &Held, ids: IdRange) -> Result<Option<Fill>, FillError> {
    let (mut fill, mut failure) = (None, None);
    held.holding.wrong_minutes(ids, |minutes| {
        if failure.is_some() {
            return;
        }
        let pushed = match &mut fill {
            Some(fill) => Fill::push(fill, minutes),
            none => filler
                .begin(held.contract, Kind::Candle, Origin::Derived)
                .and_then(|begun| none.insert(begun).push(minutes)),
        };
        failure = pushed.err();
    });
    failure.map_or(Ok(fill), Err)
}
