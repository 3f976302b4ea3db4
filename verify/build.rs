//! Turns on the loom primitives in src/ring for this package, and writes a copy of src/ring for each planted weakening.
//!
//! A planting replaces one piece of the real source. When that piece is gone, or is there more than once, the build
//! fails, so no planting outlives the code it was made for.

use std::{env, fs, io, path::Path};

/// One weakening: its name, the models that must each catch it, and what it changes.
struct Planting {
    name: &'static str,
    caught_by: &'static [&'static str],
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

/// Every weakening that the models must catch.
const PLANTINGS: &[Planting] = &[
    Planting {
        name: "stamp_stored_relaxed",
        caught_by: &["publish"],
        file: "slots.rs",
        from: "store(stamp_of(position), Ordering::Release)",
        to: "store(stamp_of(position), Ordering::Relaxed)",
    },
    Planting {
        name: "stamp_loaded_relaxed",
        caught_by: &["publish"],
        file: "slots.rs",
        from: "stamp.load(Ordering::Acquire)",
        to: "stamp.load(Ordering::Relaxed)",
    },
    Planting {
        name: "no_empty_stamp",
        caught_by: &["overwrite", "read_newest_lapped"],
        file: "slots.rs",
        from: "slot.stamp.store(EMPTY, Ordering::Relaxed);\n        //",
        to: "//",
    },
    Planting {
        name: "no_release_fence",
        caught_by: &["overwrite", "read_newest_lapped"],
        file: "slots.rs",
        from: "fence(Ordering::Release);",
        to: "",
    },
    Planting {
        name: "no_acquire_fence_in_read",
        caught_by: &["overwrite"],
        file: "slots.rs",
        from: "fence(Ordering::Acquire);\n        if",
        to: "if",
    },
    Planting {
        name: "no_acquire_fence_in_newest",
        caught_by: &["read_newest_lapped"],
        file: "slots.rs",
        from: "fence(Ordering::Acquire);\n        let",
        to: "let",
    },
    Planting {
        name: "no_second_look_in_read",
        caught_by: &["overwrite"],
        file: "slots.rs",
        from: "if slot.holds(position) { Ok(words) } else { Err(Lost) }",
        to: "Ok(words)",
    },
    Planting {
        name: "no_second_look_in_newest",
        caught_by: &["read_newest_lapped"],
        file: "slots.rs",
        from: "!self.slot(position).holds(position)",
        to: "position > head",
    },
    Planting {
        name: "head_stored_relaxed",
        caught_by: &["read_newest"],
        file: "slots.rs",
        from: "ring.head.store(self.head, Ordering::Release)",
        to: "ring.head.store(self.head, Ordering::Relaxed)",
    },
    Planting {
        name: "head_loaded_relaxed",
        caught_by: &["read_newest"],
        file: "slots.rs",
        from: "self.head.load(Ordering::Acquire)",
        to: "self.head.load(Ordering::Relaxed)",
    },
    Planting {
        name: "ring_given_up_relaxed",
        caught_by: &["adopt"],
        file: "slots.rs",
        from: "owned.store(false, Ordering::Release)",
        to: "owned.store(false, Ordering::Relaxed)",
    },
    Planting {
        name: "ring_adopted_relaxed",
        caught_by: &["adopt"],
        file: "slots.rs",
        from: "exchange(false, true, Ordering::Acquire",
        to: "exchange(false, true, Ordering::Relaxed",
    },
    Planting {
        name: "loss_untold",
        caught_by: &["follow"],
        file: "cursor.rs",
        from: "lost.end = self.next;",
        to: "lost.end = from;",
    },
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
        let folder = Path::new(&out).join(planting.name);
        plant(planting, &ring, &folder)?;
        modules += &module(planting, &folder.join("mod.rs"), &models);
    }
    fs::write(Path::new(&out).join("planted.rs"), modules)
}

/// The planted ring, the models over it, and a test a model.
fn module(Planting { name, caught_by, .. }: &Planting, ring: &Path, models: &Path) -> String {
    let test = |model| format!("#[test] fn is_caught_by_{model}() {{ crate::assert_caught(models::{model}); }}\n");
    let tests: String = caught_by.iter().map(test).collect();
    format!("pub mod {name} {{\n#[path = {ring:?}] pub mod ring;\n#[path = {models:?}] pub mod models;\n{tests}}}\n")
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
