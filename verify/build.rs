//! Turns on the loom primitives in src/ring for this package, and writes a copy of src/ring for each planted weakening.
//!
//! A planting replaces one piece of the real source. When that piece is gone, or is there more than once, the build
//! fails, so no planting outlives the code it was made for.

use std::{env, fmt::Write as _, fs, io, path::Path};

/// One weakening: its name, the model that must catch it, and what it changes.
struct Planting {
    name: &'static str,
    caught_by: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

const fn planting(
    [name, caught_by]: [&'static str; 2],
    file: &'static str,
    [from, to]: [&'static str; 2],
) -> Planting {
    Planting { name, caught_by, file, from, to }
}

/// Every weakening that the models must catch.
const PLANTINGS: &[Planting] = &[
    planting(
        ["stamp_stored_relaxed", "publish"],
        "slots.rs",
        ["store(stamp_of(position), Ordering::Release)", "store(stamp_of(position), Ordering::Relaxed)"],
    ),
    planting(
        ["stamp_loaded_relaxed", "publish"],
        "slots.rs",
        ["stamp.load(Ordering::Acquire)", "stamp.load(Ordering::Relaxed)"],
    ),
    planting(["no_release_fence", "overwrite"], "slots.rs", ["fence(Ordering::Release);", ""]),
    planting(["no_acquire_fence", "overwrite"], "slots.rs", ["fence(Ordering::Acquire);", ""]),
    planting(["no_empty_stamp", "overwrite"], "slots.rs", ["slot.stamp.store(EMPTY, Ordering::Relaxed);\n        //", "//"]),
    planting(
        ["no_second_look_at_the_stamp", "overwrite"],
        "slots.rs",
        ["if slot.stamp.load(Ordering::Relaxed) == stamp { Ok(words) } else { Err(Lost) }", "Ok(words)"],
    ),
    planting(
        ["head_stored_relaxed", "read_newest"],
        "slots.rs",
        ["self.ring.head.store(self.head, Ordering::Release)", "self.ring.head.store(self.head, Ordering::Relaxed)"],
    ),
    planting(
        ["head_loaded_relaxed", "read_newest"],
        "slots.rs",
        ["self.head.load(Ordering::Acquire)", "self.head.load(Ordering::Relaxed)"],
    ),
    planting(["hole_in_the_newest", "read_newest_lapped"], "slots.rs", ["records.clear();", ""]),
    planting(
        ["ring_given_up_relaxed", "adopt"],
        "slots.rs",
        ["owned.store(false, Ordering::Release)", "owned.store(false, Ordering::Relaxed)"],
    ),
    planting(
        ["ring_adopted_relaxed", "adopt"],
        "slots.rs",
        ["exchange(false, true, Ordering::Acquire", "exchange(false, true, Ordering::Relaxed"],
    ),
    planting(["loss_untold", "follow"], "cursor.rs", ["lost.end = self.next;", ""]),
];

fn main() -> io::Result<()> {
    println!("cargo::rustc-check-cfg=cfg(loom)");
    println!("cargo::rustc-cfg=loom");
    let verify = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let ring = Path::new(&verify).join("../src/ring");
    let models = Path::new(&verify).join("src/models.rs");
    println!("cargo::rerun-if-changed={}", ring.display());
    println!("cargo::rerun-if-changed=build.rs");

    let mut modules = String::new();
    for planting in PLANTINGS {
        let Planting { name, caught_by, .. } = planting;
        let folder = Path::new(&out).join(name);
        plant(planting, &ring, &folder)?;
        write!(
            modules,
            "pub mod {name} {{\n\
             #[path = {ring:?}] pub mod ring;\n\
             #[path = {models:?}] pub mod models;\n\
             #[test] fn is_caught_by_{caught_by}() {{ crate::assert_caught(models::{caught_by}); }}\n\
             }}\n",
            ring = folder.join("mod.rs"),
        )
        .expect("a string takes it");
    }
    fs::write(Path::new(&out).join("planted.rs"), modules)
}

/// Copies the ring's sources, one of them with the planting in it.
fn plant(planting: &Planting, ring: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(ring)? {
        let entry = entry?;
        let mut text = fs::read_to_string(entry.path())?;
        if entry.file_name() == planting.file {
            let found = text.matches(planting.from).count();
            assert_eq!(found, 1, "{}: `{}` must stand once in {}", planting.name, planting.from, planting.file);
            text = text.replace(planting.from, planting.to);
        }
        fs::write(folder.join(entry.file_name()), text)?;
    }
    Ok(())
}
