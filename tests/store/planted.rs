//! Would the crash test notice the mistakes that stores make with their disks?

use crate::{
    crash::{Plant, run},
    seam::Bug,
};

/// Seeds that may pass before a planted bug is found.
const SEEDS: u64 = 100;

fn is_caught(plant: Plant, complaint: &str) {
    let found = (1..=SEEDS).find_map(|seed| run(seed, plant).err().map(|error| (seed, error)));
    let (seed, error) = found.unwrap_or_else(|| panic!("{plant:?} is not noticed in {SEEDS} seeds"));
    eprintln!("{plant:?}: seed {seed}: {error}");
    assert!(error.contains(complaint), "{plant:?} is noticed by chance: {error}");
}

#[test]
fn names_that_were_never_synced_are_noticed() {
    is_caught(Plant { bug: Some(Bug::NoDirectorySync), bias: 0 }, "is lost");
}

#[test]
fn a_watermark_before_the_sync_is_noticed() {
    is_caught(Plant { bug: Some(Bug::NoSync), bias: 0 }, "is lost");
}

#[test]
fn an_error_taken_for_success_is_noticed() {
    is_caught(Plant { bug: Some(Bug::SwallowedErrors), bias: 0 }, "");
}

#[test]
fn a_failed_sync_that_is_tried_again_is_noticed() {
    is_caught(Plant { bug: Some(Bug::RetriedSync), bias: 0 }, "is lost");
}

#[test]
fn an_id_too_many_is_noticed() {
    is_caught(Plant { bug: None, bias: 1 }, "is lost");
}
