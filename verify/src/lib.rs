//! Does src/ring hold in every execution that the memory model allows, and would we notice if it did not?
//!
//! Each loom model runs over the ring as it is written, where it must pass, and over copies with one weakening each
//! (`build.rs` lists them), where it must fail: the negative controls are part of the run.

#![cfg(test)]

pub mod models;
#[path = "../../src/ring/mod.rs"]
pub mod ring;

use std::panic::{AssertUnwindSafe, catch_unwind};

mod as_written {
    use crate::models;

    #[test]
    fn publish() {
        models::publish();
    }

    #[test]
    fn overwrite() {
        models::overwrite();
    }

    #[test]
    fn read_newest() {
        models::read_newest();
    }

    #[test]
    fn read_newest_lapped() {
        models::read_newest_lapped();
    }

    #[test]
    fn follow() {
        models::follow();
    }

    #[test]
    fn adopt() {
        models::adopt();
    }
}

include!(concat!(env!("OUT_DIR"), "/planted.rs"));

/// Passes when `model` fails by one of its own assertions, which all begin with "broken: "; any other failure counts
/// for nothing.
fn assert_caught(model: fn()) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(model)) else { panic!("the model did not notice") };
    let said = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().map_or_else(|_| String::new(), |text| (*text).to_owned()),
    };
    assert!(said.contains("broken: "), "the model failed for another reason: {said}");
}
