//! How is the store opened from the configuration, and which threads write it?

use crate::{
    clock::Clock,
    config::{Aged, Ages, Config, Store, SyncWhen},
    market::Shelving,
    metrics::Metrics,
    model::Symbol,
    net::with_causes,
    store::{
        self, Desk, Opened,
        files::{Lock, RealDisk},
        identity::Identity,
        library::Library,
        record::Kind,
        recovery::Finding,
        retention::{self, OwnAges, Retention},
        seal::{Filler, Sealer, Step},
        storage::{Options, Storage, SyncPolicy},
        upkeep::Upkeep,
    },
};
use anyhow::Context as _;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::{
    fs,
    io::Read as _,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The storage thread looks up at least this often: for segments to list, and files to make.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The sealing thread's name.
const SEAL: &str = "seal";
/// How often its end is looked for.
const SEAL_LOOK: Duration = Duration::from_millis(20);
/// Attempts to store what is left at the end.
const DRAINS: usize = 3;
/// How long the sealing thread may take to end: what it does not finish is found and removed at the next start.
const SEAL_END: Duration = Duration::from_secs(5);
/// How long the sealing thread rests when there is nothing to do, or when it failed.
const SEAL_EVERY: Duration = Duration::from_millis(500);

/// A store that is being written.
#[derive(Debug)]
pub(super) struct Storing {
    shelving: Shelving,
    filler: Filler,
    /// Dropped, they tell the threads to end.
    stops: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
    lock: Lock,
}

/// Opens the store, gives every symbol a number in it, and starts its threads. Nothing without a directory.
///
/// # Errors
///
/// When the directory cannot be used; the message says what to do.
pub(super) fn start(config: &Config, clock: Clock, metrics: &Arc<Metrics>) -> anyhow::Result<Option<Storing>> {
    let Some(dir) = &config.store.dir else { return Ok(None) };
    let open = || -> anyhow::Result<Storing> {
        fs::create_dir_all(dir).context("it cannot be made")?;
        check_file_system(dir)?;
        let disk: Arc<dyn store::files::Disk> = Arc::new(RealDisk::new(dir));
        let wanted = Identity { store: random()?, venue: venue(config), created: clock.wall() };
        let mut opened = store::open(&disk, &wanted, options(&config.store), clock)?;
        opened.storage.set_upkeep(upkeep(config));
        run(opened, &config.symbols.named, clock, metrics)
    };
    open().map(Some).with_context(|| format!("store.dir `{}` cannot be used", dir.display()))
}

fn run(opened: Opened, symbols: &[Symbol], clock: Clock, metrics: &Arc<Metrics>) -> anyhow::Result<Storing> {
    let Opened { library, desk, mut storage, sealer, findings, identity, lock } = opened;
    findings.iter().for_each(report);
    storage.register(symbols, clock.now()).context("the contracts cannot be noted")?;
    tracing::info!(venue = identity.venue, store = format!("{:032x}", identity.store), "the tape is stored");
    let ((storage_stop, stopped), (sealer_stop, sealer_stopped)) = (bounded(1), bounded(1));
    let filler = sealer.filler();
    let (metrics, of_desk) = (Arc::clone(metrics), (desk.clone(), Arc::clone(&library)));
    let threads = vec![
        spawn("storage", move || write_on(storage, clock, &stopped, &metrics, &of_desk))?,
        spawn(SEAL, move || seal_on(sealer, &sealer_stopped))?,
    ];
    let shelving = Shelving::new(library, desk);
    Ok(Storing { shelving, filler, stops: vec![storage_stop, sealer_stop], threads, lock })
}

fn report(finding: &Finding) {
    if finding.is_damage() { report_damage(finding) } else { tracing::info!("after the last stop: {finding}") }
}

fn report_damage(finding: &Finding) {
    tracing::error!("the store is damaged: {finding}");
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

impl Storing {
    /// Where contracts find their places.
    pub(super) fn shelving(&self) -> &Shelving {
        &self.shelving
    }

    /// Where rows are handed in.
    pub(super) fn desk(&self) -> &Desk {
        self.shelving.desk()
    }

    /// What is stored.
    pub(super) fn library(&self) -> &Arc<Library> {
        self.shelving.library()
    }

    /// Where back-filled rows are handed in.
    pub(super) fn filler(&self) -> &Filler {
        &self.filler
    }

    /// Makes everything durable and ends the threads; whoever hands in trades has ended before.
    pub(super) fn stop(self) {
        drop(self.stops);
        let begun = Instant::now();
        for thread in self.threads {
            // A merge may take long, and holds nothing that is not elsewhere.
            while thread.thread().name() == Some(SEAL) && !thread.is_finished() && begun.elapsed() < SEAL_END {
                thread::sleep(SEAL_LOOK);
            }
            let is_busy = thread.thread().name() == Some(SEAL) && !thread.is_finished();
            if !is_busy && thread.join().is_err() {
                tracing::error!("a thread of the store ended in a panic");
            }
        }
        drop(self.lock);
    }
}

/// The storage thread: until it is told to end, then once more for what is left.
fn write_on(
    mut storage: Storage,
    clock: Clock,
    stopped: &Receiver<()>,
    metrics: &Metrics,
    (desk, library): &(Desk, Arc<Library>),
) {
    let _watch = Watch(desk);
    loop {
        let due_ms = storage.step(clock.now());
        tell(&storage, metrics, desk, library);
        let wait_ms = due_ms.map_or(i64::MAX, |due_ms| (due_ms - clock.monotonic_ms()).max(0));
        if storage.wait(Duration::from_millis(wait_ms.unsigned_abs()).min(LOOK_EVERY), stopped) {
            break;
        }
    }
    // A file that fails is given up: the next attempt goes to another.
    if !(0..DRAINS).any(|_| storage.drain(clock.now())) {
        tracing::error!("not every trade that was held could be stored: what is missing shows as a hole");
    }
    tell(&storage, metrics, desk, library);
}

/// Says so when the storage thread panics: then nobody stores anything any more.
struct Watch<'a>(&'a Desk);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.note_end();
        }
    }
}

fn tell(storage: &Storage, metrics: &Metrics, desk: &Desk, library: &Library) {
    let counts = storage.counts();
    let figure = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    metrics.store_health.set(desk.health() as i64);
    metrics.store_waiting_bytes.set(figure(desk.waiting_bytes() as u64));
    metrics.store_rows.set(figure(counts.rows));
    metrics.store_condemned.set(figure(counts.condemned));
    metrics.store_segments.set(figure(storage.manifest().segments.len() as u64));
    let upkeep = storage.upkeep_counts();
    metrics.store_merges.set(figure(upkeep.merges));
    metrics.store_checked.set(figure(upkeep.checked));
    metrics.store_findings.set(figure(upkeep.findings));
    metrics.store_damaged_reads.set(figure(library.damaged_reads()));
}

/// The sealing thread.
fn seal_on(mut sealer: Sealer, stopped: &Receiver<()>) {
    let mut failing = false;
    loop {
        match sealer.step() {
            Step::Made => {
                failing = false;
                continue;
            }
            Step::Ended => break,
            Step::Failed(error) if !failing => {
                // Said once, until it succeeds again.
                failing = true;
                tracing::warn!("journal files wait to be sealed: {}", with_causes(&error));
            }
            Step::Failed(_) | Step::Idle => {}
        }
        if stopped.recv_timeout(SEAL_EVERY) == Err(crossbeam::channel::RecvTimeoutError::Disconnected) {
            break;
        }
    }
}

fn options(store: &Store) -> Options {
    Options {
        file_bytes: store.journal_file_bytes.next_multiple_of(4096),
        roll_ms: millis(store.journal_roll),
        write_ms: millis(store.write_wait),
        sync: match store.sync {
            SyncWhen::Never => SyncPolicy::Never,
            SyncWhen::Interval => SyncPolicy::EveryMs(millis(store.sync_interval)),
            SyncWhen::EveryBatch => SyncPolicy::EveryBatch,
        },
        queue_bytes: store.queue_bytes_max,
    }
}

fn upkeep(config: &Config) -> Upkeep {
    Upkeep { retention: retention(config), scrub_ms: config.store.scrub.map(millis), ..Upkeep::default() }
}

/// How long what is stored is kept, and how much of it.
pub(super) fn retention(config: &Config) -> Retention {
    let (store, all) = (&config.store, config.clone());
    let budget = |kind: Kind, bytes_max: Option<u64>| Some((kind, bytes_max?));
    let budgets = [
        budget(Kind::Trade, store.trades_bytes_max),
        budget(Kind::RawTrade, store.trades_bytes_max),
        budget(Kind::Candle, store.candles_bytes_max),
    ];
    Retention {
        ages: ages(config.ages()),
        own: OwnAges::new(move |symbol| Some(all.contract(symbol).ages).filter(|own| *own != all.ages()).map(ages)),
        kind_bytes_max: budgets.into_iter().flatten().collect(),
        bytes_max: store.bytes_max,
    }
}

fn ages(kept: Ages) -> retention::Ages {
    let kinds = [
        (Kind::Trade, Aged::Trades),
        (Kind::RawTrade, Aged::Trades),
        (Kind::Candle, Aged::Candles),
        (Kind::Mark, Aged::Marks),
        (Kind::Funding, Aged::Funding),
        (Kind::OpenInterest, Aged::OpenInterest),
        (Kind::Liquidation, Aged::Liquidations),
        (Kind::BookLevel, Aged::Books),
    ];
    kinds.into_iter().filter_map(|(kind, aged)| Some((kind, millis(kept.of(aged)?)))).collect()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What is recorded: what the configuration says, or the host of the venue's REST interface.
fn venue(config: &Config) -> String {
    config.store.venue.clone().unwrap_or_else(|| host(&config.binance.rest_url).to_owned())
}

/// The host of an address that was checked when the configuration was read.
fn host(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or(authority);
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}

fn random() -> anyhow::Result<u128> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("there is no randomness")?;
    Ok(u128::from_le_bytes(bytes))
}

/// Refuses file systems on which a reader may see other bytes than a writer wrote, and warns of those that forget.
fn check_file_system(dir: &Path) -> anyhow::Result<()> {
    let kind = rustix::fs::statfs(dir).context("its file system is not known")?.f_type;
    match kind {
        0x6969 => anyhow::bail!("NFS is not coherent enough for a tape: use a local disk"),
        0x0102_1997 => anyhow::bail!("9P is not coherent enough for a tape: use a local disk"),
        0x6573_5546 => anyhow::bail!("FUSE is not coherent enough for a tape: use a local disk"),
        0x0102_1994 => {
            tracing::warn!(dir = %dir.display(), "the tape is stored in memory (tmpfs): a power cut loses it")
        }
        0x794c_7630 => {
            tracing::warn!(dir = %dir.display(), "the tape is stored in a container's layer (overlayfs): mount a volume")
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{host, retention};
    use crate::{
        config::{Config, Settings, Sources},
        store::record::Kind,
    };
    use std::{path::Path, sync::Arc};

    #[test]
    fn every_kind_that_is_handed_in_has_an_age() {
        let keys = ["trades", "candles", "marks", "funding", "open_interest", "liquidations", "books"];
        let text: String = keys.iter().map(|key| format!("{key}_days = 1\n")).collect();
        let file = (Arc::from(Path::new("my.toml")), Ok(format!("[store]\n{text}")));
        let settings = Settings::gather(Sources { files: vec![file], ..Sources::default() }).expect("settings");
        let retention = retention(&Config::new(&settings).expect("a configuration"));
        let aged = |kind: Kind| retention.ages.iter().any(|(own, age)| (*own, *age) == (kind, 86_400_000));
        let without: Vec<_> = Kind::ALL.into_iter().filter(|kind| !kind.is_derived() && !aged(*kind)).collect();
        assert_eq!(without, [Kind::Contract, Kind::BookTicker]);
    }

    #[test]
    fn the_venue_is_named_by_its_host() {
        for (url, expected) in [
            ("https://fapi.binance.com", "fapi.binance.com"),
            ("http://127.0.0.1:8700/x", "127.0.0.1"),
            ("http://[::1]:8700", "[::1]"),
            ("http://[::1]", "[::1]"),
        ] {
            assert_eq!(host(url), expected);
        }
    }
}
