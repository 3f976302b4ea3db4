//! What does the archive's host give: listings, CHECKSUMs, zips?

use crate::{
    clock::Clock,
    exchange::binance::archive::{
        ChecksumError, Folder, ListingError, Period, Place, Sha256, checksum, listing, listing_query,
    },
    history::download::{
        staging::{Staged, Staging},
        tries::{Said, Tries, blames_way, is_final, said},
        ways::Ways,
    },
    model::UnixMillis,
    net::{Download, FetchError, Response},
};
use futures_util::StreamExt as _;
use std::{collections::BTreeMap, io, sync::Arc};
use xxhash_rust::xxh3::xxh3_64;

/// Pages of one listing at most; a folder of ten years has eight.
const PAGES_MAX: usize = 64;
/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 20;

/// Where the archive is, and what a file of it may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Root of the files, without a slash at its end.
    pub url: String,
    /// Root of the listings, without a slash at its end.
    pub list_url: String,
    /// The longest zip.
    pub zip_bytes_max: u64,
    /// Of the waits between attempts.
    pub seed: u64,
}

/// A file that is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Which.
    pub place: Place,
    /// Its length.
    pub bytes: u64,
    /// When it was last put there.
    pub modified: Option<UnixMillis>,
    /// The server's tag for its content; empty when it gives none.
    pub etag: String,
}

impl Published {
    /// What the listing says of it, as one number: another one for another content.
    pub fn stamp(&self) -> u64 {
        let modified = self.modified.map(UnixMillis::get);
        // 0 stands for none in the ledger.
        xxh3_64(format!("{} {modified:?} {}", self.bytes, self.etag).as_bytes()).max(1)
    }

    /// Whether it can be trusted at `now`. A day's file that is listed earlier than its kind is as a rule may lack trades yet.
    pub fn is_trusted(&self, now: UnixMillis) -> bool {
        self.place.period().is_trusted(now)
    }
}

/// Why something could not be had.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// No answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An answer that is none.
    #[error("the archive answers HTTP {0}")]
    Status(u16),
    /// Longer than allowed.
    #[error("the file has more than {bytes_max} bytes")]
    TooLong {
        /// The limit.
        bytes_max: u64,
    },
    /// What came is not the part that was asked for.
    #[error("the archive sends another part of the file than was asked for")]
    Part,
    /// It cannot be put anywhere.
    #[error("a download cannot be staged")]
    Staging(#[from] io::Error),
    /// The CHECKSUM says nothing.
    #[error("the CHECKSUM is not understood")]
    Checksum(#[from] ChecksumError),
    /// The listing says nothing.
    #[error("the listing is not understood")]
    Listing(#[from] ListingError),
    /// The listing does not end.
    #[error("the listing has more than {PAGES_MAX} pages")]
    Endless,
}

/// The archive's host.
#[derive(Debug)]
pub struct Host {
    options: Options,
    ways: Ways,
    staging: Arc<Staging>,
    clock: Clock,
}

/// A file as far as it came.
struct Arriving {
    staged: Staged,
    /// Not written yet.
    waiting: Vec<u8>,
}

impl Host {
    /// The host behind `ways`, whose files come to lie in `staging`.
    pub fn new(options: Options, ways: Ways, staging: Arc<Staging>, clock: Clock) -> Self {
        Self { options, ways, staging, clock }
    }

    /// The files of `folder` whose periods meet `[from, to)`, by period.
    ///
    /// # Errors
    ///
    /// When the listing cannot be had whole.
    pub async fn files(
        &self,
        folder: &Folder,
        (from, to): (UnixMillis, UnixMillis),
    ) -> Result<BTreeMap<Period, Published>, GetError> {
        let mut found = BTreeMap::new();
        let first = folder.place(from).key();
        // Keys are listed behind the marker: without its suffix, the first file's own key is.
        let mut marker = first.strip_suffix(".zip").map(str::to_owned);
        for _ in 0..PAGES_MAX {
            let query = listing_query(&folder.prefix(), marker.as_deref());
            let url = format!("{}?{query}", self.options.list_url);
            // A folder without files is answered with an empty page.
            let answer = self.whole(&url).await?.ok_or(GetError::Status(404))?;
            let page = listing(&answer.body)?;
            let mut is_behind = false;
            for file in page.files {
                let Some(place) = folder.place_of(&file.key) else { continue };
                is_behind = place.period().start() >= to;
                if !is_behind {
                    let (bytes, modified, etag) = (file.bytes, file.modified, file.etag);
                    found.insert(place.period(), Published { place, bytes, modified, etag });
                }
            }
            match page.next {
                Some(next) if !is_behind => marker = Some(next),
                _ => return Ok(found),
            }
        }
        Err(GetError::Endless)
    }

    /// The first period of all that `folder` has a file of.
    ///
    /// # Errors
    ///
    /// When the listing cannot be had.
    pub async fn first(&self, folder: &Folder) -> Result<Option<Period>, GetError> {
        let url = format!("{}?{}", self.options.list_url, listing_query(&folder.prefix(), None));
        let answer = self.whole(&url).await?.ok_or(GetError::Status(404))?;
        let files = listing(&answer.body)?.files;
        Ok(files.iter().filter_map(|file| folder.place_of(&file.key)).map(|place| place.period()).min())
    }

    /// The sum of a file's bytes as published; nothing while it is not there.
    ///
    /// # Errors
    ///
    /// When no attempt gave an answer that is one.
    pub async fn checksum(&self, place: &Place) -> Result<Option<Sha256>, GetError> {
        let url = format!("{}/{}", self.options.url, place.checksum_path());
        let Some(answer) = self.whole(&url).await? else { return Ok(None) };
        Ok(Some(checksum(&answer.body, &place.zip_name())?))
    }

    /// A file's bytes, staged; nothing while it is not there. `arrived` is told how many came, again and again. A transfer
    /// that breaks off goes on where it broke off.
    ///
    /// # Errors
    ///
    /// When no attempt gave the file, or it cannot be staged.
    pub async fn zip(&self, place: &Place, arrived: &(dyn Fn(u64) + Send + Sync)) -> Result<Option<Staged>, GetError> {
        let url = format!("{}/{}", self.options.url, place.path());
        let mut tries = self.tries(&url);
        let mut arriving = self.arriving()?;
        loop {
            let (way, fetch) = self.ways.next(self.clock.monotonic_ms());
            let had = arriving.len();
            let download = fetch.download(&url, had).await;
            let (failure, retry_after) = match download {
                Err(error) => (error.into(), None),
                Ok(download) => match said(download.status) {
                    Said::Absent => return Ok(None),
                    Said::Never => return Err(GetError::Status(download.status)),
                    Said::Later => {
                        let retry_after = download.header("retry-after").map(str::to_owned);
                        (GetError::Status(download.status), retry_after)
                    }
                    Said::Anew => {
                        arriving = self.arriving()?;
                        (GetError::Part, None)
                    }
                    Said::Here => match self.take(&mut arriving, download, arrived).await {
                        Ok(()) => return Ok(Some(arriving.staged)),
                        Err(failure) => (failure, None),
                    },
                },
            };
            self.judge(way, &failure);
            if is_final(&failure) {
                return Err(failure);
            }
            if arriving.len() > had {
                tries.progressed();
            }
            tries.wait(&url, failure, retry_after.as_deref()).await?;
        }
    }

    /// Takes the whole body, or as much as comes.
    async fn take(
        &self,
        arriving: &mut Arriving,
        mut download: Download,
        arrived: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), GetError> {
        let had = arriving.len();
        let is_part = download.status == 206;
        if is_part && !download.header("content-range").is_some_and(|range| range.starts_with(&format!("bytes {had}-")))
        {
            return Err(GetError::Part);
        }
        if !is_part && had > 0 {
            *arriving = self.arriving()?;
        }
        let bytes_max = self.options.zip_bytes_max;
        while let Some(piece) = download.body.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    arriving.write().await?;
                    return Err(error.into());
                }
            };
            if piece.len() as u64 > bytes_max.saturating_sub(arriving.len()) {
                return Err(GetError::TooLong { bytes_max });
            }
            arriving.waiting.extend_from_slice(&piece);
            arrived(arriving.len());
            if arriving.waiting.len() >= WRITE_BYTES {
                arriving.write().await?;
            }
        }
        arriving.write().await
    }

    fn arriving(&self) -> Result<Arriving, GetError> {
        Ok(Arriving { staged: self.staging.create()?, waiting: Vec::new() })
    }

    /// A short answer; nothing when there is no such thing.
    async fn whole(&self, url: &str) -> Result<Option<Response>, GetError> {
        let mut tries = self.tries(url);
        loop {
            let (way, fetch) = self.ways.next(self.clock.monotonic_ms());
            let (failure, retry_after) = match fetch.get(url).await {
                Err(error) => (GetError::from(error), None),
                Ok(answer) => match said(answer.status) {
                    Said::Here => return Ok(Some(answer)),
                    Said::Absent => return Ok(None),
                    Said::Never | Said::Anew => return Err(GetError::Status(answer.status)),
                    Said::Later => {
                        let retry_after = answer.header("retry-after").map(str::to_owned);
                        (GetError::Status(answer.status), retry_after)
                    }
                },
            };
            self.judge(way, &failure);
            if is_final(&failure) {
                return Err(failure);
            }
            tries.wait(url, failure, retry_after.as_deref()).await?;
        }
    }

    /// Lets a way rest that failed.
    fn judge(&self, way: usize, failure: &GetError) {
        if blames_way(failure) {
            self.ways.rest(way, self.clock.monotonic_ms());
        }
    }

    /// Every file waits for times of its own.
    fn tries(&self, url: &str) -> Tries {
        let of_url = url.bytes().fold(self.options.seed, |seed, byte| seed.rotate_left(5) ^ u64::from(byte));
        Tries::new(of_url)
    }
}

impl Arriving {
    fn len(&self) -> u64 {
        self.staged.len() + self.waiting.len() as u64
    }

    async fn write(&mut self) -> Result<(), GetError> {
        let waiting = std::mem::take(&mut self.waiting);
        Ok(self.staged.append(waiting).await?)
    }
}
