//! How is a file read once, on three threads?

use crate::{
    exchange::binance::archive::Table,
    history::archive::{
        error::{Cause, ReadError},
        inflate::{BLOCK_BYTES, Inflated, Inflater, inflate},
        lines::{Halt, Lines},
        order::{Batches, Order, Outcome, Task},
        reading::Opened,
    },
};
use crossbeam::channel::{Receiver, Sender, bounded};
use flate2::Crc;
use std::{
    io::{Read, Seek},
    panic::resume_unwind,
    thread::{Builder, ScopedJoinHandle, scope},
};

/// Blocks under way.
const BLOCKS: usize = 6;
/// Batches under way.
const BATCHES: usize = 4;

/// Blocks going to the parser, and back.
struct Blocks {
    full: Receiver<Vec<u8>>,
    free: Sender<Vec<u8>>,
}

/// What the parser found.
struct Parsed<R> {
    crc: u32,
    outcome: Outcome<R>,
}

/// Reads the file once and hands its rows to `stage`. An outcome means that every check of the file was passed.
pub(super) fn pass<F, T, E>(
    file: &mut F,
    opened: &Opened<'_, T>,
    task: Task<T::Row>,
    mut stage: impl FnMut(&[T::Row]) -> Result<(), E>,
) -> Result<Outcome<T::Row>, ReadError<E>>
where
    F: Read + Seek + Send,
    T: Table,
{
    scope(|scope| {
        let (full_sender, full) = bounded(BLOCKS);
        let (free, free_receiver) = bounded(BLOCKS);
        for _ in 1..BLOCKS {
            // There is room.
            drop(free.try_send(Vec::with_capacity(BLOCK_BYTES)));
        }
        let (out, rows) = bounded::<Vec<T::Row>>(BATCHES);
        let (spare, spare_receiver) = bounded(BATCHES);
        let inflater = Inflater::new(opened.entry, full_sender, free_receiver);
        let order = Order::new(opened.span, task, Batches::new(out, spare_receiver));
        let start = || -> std::io::Result<_> {
            let inflating =
                Builder::new().name("archive inflate".into()).spawn_scoped(scope, || inflate(file, inflater))?;
            let parse = move || parse(opened.table, order, &Blocks { full, free });
            Ok((inflating, Builder::new().name("archive parse".into()).spawn_scoped(scope, parse)?))
        };
        let (inflating, parsing) = start().map_err(|error| opened.refused(Cause::Io(error)))?;
        let staged = rows.iter().try_for_each(|batch| {
            stage(&batch)?;
            // When there is enough to be filled again, it is let go.
            drop(spare.try_send(batch));
            Ok(())
        });
        drop(rows);
        let (inflated, parsed) = (ended(inflating), ended(parsing));
        staged.map_err(ReadError::Staging)?;
        let inflated = inflated.map_err(|error| opened.refused(Cause::Io(error)))?;
        judge(opened, inflated, parsed).map_err(|cause| opened.refused(cause))
    })
}

/// What a thread returned; its panic goes on here.
fn ended<V>(thread: ScopedJoinHandle<'_, V>) -> V {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// The checksum comes first: whatever else is wrong with a file that was damaged in transit is no news.
fn judge<T: Table>(
    opened: &Opened<'_, T>,
    inflated: Inflated,
    parsed: Result<Parsed<T::Row>, Halt>,
) -> Result<Outcome<T::Row>, Cause> {
    opened.check(inflated.sha256)?;
    inflated.entry?;
    let Parsed { crc, outcome } = match parsed {
        Ok(parsed) => parsed,
        Err(Halt::Cause(cause)) => return Err(cause),
        Err(Halt::Gone) => return Err(Cause::Io(std::io::ErrorKind::BrokenPipe.into())),
    };
    if crc == opened.entry.crc { Ok(outcome) } else { Err(Cause::Crc { declared: opened.entry.crc, found: crc }) }
}

/// Reads blocks until there are no more.
fn parse<T: Table>(table: &T, mut order: Order<T>, blocks: &Blocks) -> Result<Parsed<T::Row>, Halt> {
    let (mut crc, mut lines) = (Crc::new(), Lines::new(table));
    for block in &blocks.full {
        crc.update(&block);
        lines.read(&block, &mut order)?;
        // The inflater may have ended.
        drop(blocks.free.send(block));
    }
    Ok(Parsed { crc: crc.sum(), outcome: order.finish()? })
}
