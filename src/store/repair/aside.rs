//! How does a damaged file get out of the way without being lost?

use crate::store::{
    files::{Disk, parent, read_whole, write_all_at},
    recovery::QUARANTINE,
};
use std::io;

/// A manifest is never longer.
const COPY_BYTES_MAX: u64 = 1 << 30;

/// Moves a file to the quarantine and says where it was and is; nothing when it is gone already.
pub(super) fn put(disk: &dyn Disk, path: &str) -> io::Result<Option<(String, String)>> {
    let to = free_name(disk, path)?;
    match disk.rename(path, &to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        renamed => renamed?,
    }
    disk.sync_dir(QUARANTINE)?;
    disk.sync_dir(parent(path))?;
    Ok(Some((path.to_owned(), to)))
}

/// Copies a file that is about to be replaced to the quarantine; nothing when there is none.
pub(super) fn keep_copy(disk: &dyn Disk, path: &str) -> io::Result<Option<(String, String)>> {
    let bytes = match read_whole(disk, path, COPY_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let to = free_name(disk, path)?;
    let file = disk.create(&to)?;
    write_all_at(&*file, &bytes, 0)?;
    file.sync()?;
    disk.sync_dir(QUARANTINE)?;
    Ok(Some((path.to_owned(), to)))
}

/// A name in the quarantine that nothing has: what was put there before stays.
fn free_name(disk: &dyn Disk, path: &str) -> io::Result<String> {
    let (taken, plain) = (disk.list(QUARANTINE)?, path.replace('/', "-"));
    let numbered = (1..).map(|count: u64| format!("{plain}.{count}"));
    let name = std::iter::once(plain.clone()).chain(numbered).find(|name| !taken.contains(name));
    Ok(format!("{QUARANTINE}/{}", name.unwrap_or(plain)))
}
