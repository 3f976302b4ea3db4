//! What does a frame say that is not as the venue writes it today, or that is no hot shape? White space, escapes and unknown
//! fields are taken; repeated fields, missing ones and wrong types are errors. This parser alone decides what is an error.

mod book;
mod contract;
mod frame;
mod marks;
mod prints;
mod ticker;

pub(super) use frame::event;
pub(super) use prints::AggTradeRow;
