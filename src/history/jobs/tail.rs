//! How does a stretch of time that no archive has yet come over REST?

use crate::{
    exchange::binance::{Call, DecodeError, rest},
    history::{
        budget::{CallError, Priority},
        jobs::{file::TakeError, held::Held},
        plan::Span,
        rest::{FillError, Piece, Source, Want},
    },
    model::{IdRange, Symbol, Trade, UnixMillis},
    store::{
        record::{Kind, Origin},
        seal::{FillCounts, FillError as StoreError, Filler},
    },
};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

/// How often the venue is asked which ids there are, and after what wait again.
const ATTEMPTS: u32 = 5;
const AGAIN: Duration = Duration::from_secs(3);
/// Pages under way to the store.
const PIECES: usize = 4;
/// Rows that are stored at once, and at most lost to an interruption: half a minute of the whole budget.
const ROWS_AT_ONCE: usize = 50_000;

/// Why a stretch did not come whole; what came is stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum TailError {
    /// The venue did not say which ids it has.
    #[error("the venue does not say which ids lie in the range")]
    Call(#[from] CallError),
    /// It said something that is none.
    #[error("the venue answers HTTP {0}")]
    Status(u16),
    /// It said something that cannot be read.
    #[error("the venue's answer cannot be read")]
    Decode(#[from] DecodeError),
    /// A run did not come to its end.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// It cannot be stored.
    #[error(transparent)]
    Take(#[from] TakeError),
    /// No thread can be had.
    #[error("it cannot be looked at")]
    Io(#[from] io::Error),
}

/// Fetches what is not held of a span, and tells `stored` of every step into the store.
pub(super) async fn fetch(
    source: &Source,
    filler: &Filler,
    held: &Held,
    span: Span,
    stored: &(dyn Fn(FillCounts) + Send + Sync),
) -> Result<(), TailError> {
    let Some(ids) = ids_of(source, &held.symbol, span).await? else { return Ok(()) };
    for ids in lacking(ids, &held.holding.shelf().runs()) {
        let (not_before, not_after) = around(held, ids).await?;
        let want = Want { symbol: held.symbol.clone(), ids, not_before, not_after };
        let (sender, receiver) = mpsc::channel(PIECES);
        let filling = async {
            let filled = source.fill(&want, Priority::Bulk, &sender).await;
            drop(sender);
            filled
        };
        let (filled, kept) = tokio::join!(filling, keep(receiver, filler, held, stored));
        kept?;
        filled?;
    }
    Ok(())
}

/// The times of the trades held before and after a run of ids.
async fn around(held: &Held, ids: IdRange) -> io::Result<(Option<UnixMillis>, Option<UnixMillis>)> {
    let holding = held.holding.clone();
    let look = move || {
        let before = ids.first.checked_sub(1).and_then(|id| holding.up_to_id(id, 1).trades.pop());
        let after = ids.last.checked_add(1).and_then(|id| holding.from_id(id, 1).trades.pop());
        (before.map(|trade| trade.time), after.map(|trade| trade.time))
    };
    tokio::task::spawn_blocking(look).await.map_err(io::Error::other)
}

/// The ids of the trades in a span that the venue reaches.
async fn ids_of(source: &Source, symbol: &Symbol, (from, to): Span) -> Result<Option<IdRange>, TailError> {
    let first = one(source, &Call::first_agg_trade_at(symbol, from)).await?;
    let beyond =
        if to < source.budget.now() { one(source, &Call::first_agg_trade_at(symbol, to)).await? } else { None };
    let last = match beyond {
        Some(beyond) => beyond.id.checked_sub(1),
        None => one(source, &Call::newest_agg_trade(symbol)).await?.map(|newest| newest.id),
    };
    Ok(first.zip(last).and_then(|(first, last)| IdRange::new(first.id, last)))
}

/// The first trade of an answer. What fails is asked for again, a few times.
async fn one(source: &Source, call: &Call) -> Result<Option<Trade>, TailError> {
    let mut attempts = 1..ATTEMPTS;
    loop {
        match ask(source, call).await {
            Err(_) if attempts.next().is_some() => sleep(AGAIN).await,
            answer => return answer,
        }
    }
}

async fn ask(source: &Source, call: &Call) -> Result<Option<Trade>, TailError> {
    let answer = source.budget.get(&*source.fetch, &source.rest_url, call, Priority::Bulk).await?;
    match answer.status {
        200 => Ok(rest::agg_trades(&answer.body)?.first().copied()),
        status => Err(TailError::Status(status)),
    }
}

/// What of `ids` no run holds.
fn lacking(ids: IdRange, runs: &[(IdRange, Origin)]) -> Vec<IdRange> {
    let (mut lacking, mut next) = (Vec::new(), ids.first);
    for (run, _) in runs.iter().filter(|(run, _)| run.last >= ids.first && run.first <= ids.last) {
        lacking.extend(run.first.checked_sub(1).and_then(|last| IdRange::new(next, last)));
        next = next.max(run.last.saturating_add(1));
    }
    lacking.extend(IdRange::new(next, ids.last));
    lacking
}

/// Stores what comes, a bounded number of rows at once.
async fn keep(
    mut pieces: mpsc::Receiver<Piece>,
    filler: &Filler,
    held: &Held,
    stored: &(dyn Fn(FillCounts) + Send + Sync),
) -> Result<(), TailError> {
    let mut waiting: Vec<Trade> = Vec::new();
    loop {
        let piece = pieces.recv().await;
        let is_last = piece.is_none();
        match piece {
            Some(Piece::Trades(trades)) => waiting.extend(trades),
            Some(Piece::Absent(absent)) => note_absent(held, absent.ids, absent.at).await?,
            Some(Piece::AwaitingArchive(_)) | None => {}
        }
        if waiting.len() >= ROWS_AT_ONCE || (is_last && !waiting.is_empty()) {
            stored(store(filler, held, std::mem::take(&mut waiting)).await?);
        }
        if is_last {
            return Ok(());
        }
    }
}

async fn store(filler: &Filler, held: &Held, trades: Vec<Trade>) -> Result<FillCounts, TakeError> {
    let (filler, contract) = (filler.clone(), held.contract);
    let (listed, is_listed) = oneshot::channel();
    let filling = move || {
        let mut fill = filler.begin(contract, Kind::Trade, Origin::Rest)?;
        fill.push(&trades)?;
        // Whoever waits may have gone: what came stays all the same.
        fill.adopt(move || listed.send(()).unwrap_or_default())
    };
    let counts = tokio::task::spawn_blocking(filling).await.map_err(io::Error::other)??;
    is_listed.await.map_err(|_| StoreError::Closed)?;
    Ok(counts)
}

async fn note_absent(held: &Held, ids: IdRange, at: UnixMillis) -> Result<(), TakeError> {
    let (library, contract) = (Arc::clone(&held.library), held.contract);
    let note = move || library.ledger().note_absent((contract, Kind::Trade), ids, Origin::Rest, at);
    Ok(tokio::task::spawn_blocking(note).await.map_err(io::Error::other)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_run_holds_is_lacking() {
        let ids = |first, last| IdRange { first, last };
        let runs = [(ids(1, 4), Origin::Stream), (ids(8, 9), Origin::Rest), (ids(20, 30), Origin::Stream)];
        assert_eq!(lacking(ids(3, 25), &runs), [ids(5, 7), ids(10, 19)]);
        assert_eq!(lacking(ids(0, 0), &runs), [ids(0, 0)]);
        assert_eq!(lacking(ids(8, 9), &runs), []);
        assert_eq!(lacking(ids(29, 40), &runs), [ids(31, 40)]);
    }
}
