//! Can any bytes in place of a stream's frame do harm, or be read in two ways?
#![no_main]

use libfuzzer_sys::fuzz_target;
use tapedeck::exchange::binance::{Decoded, Decoder, Event};

/// What a frame says, rows and all; nothing when it is refused.
fn read<'a>(decoder: &mut Decoder, frame: &'a [u8]) -> Option<Decoded<'a>> {
    decoder.decode(frame).ok()
}

fuzz_target!(|data: &[u8]| {
    let (mut strict, mut tolerant) = (Decoder::default(), Decoder::default());
    let first = read(&mut strict, data);
    // White space in front is the tolerant parser's alone.
    let spaced = [b" ", data].concat();
    let second = read(&mut tolerant, &spaced);
    assert_eq!(first.as_ref().map(|decoded| &decoded.event), second.as_ref().map(|decoded| &decoded.event));
    match first.map(|decoded| decoded.event) {
        Some(Event::Depth { update, .. }) => {
            assert!(update.first_id <= update.last_id);
            assert_eq!((strict.bids(), strict.asks()), (tolerant.bids(), tolerant.asks()));
        }
        Some(Event::MarkPrices { .. }) => {
            assert_eq!(strict.mark_prices(), tolerant.mark_prices());
            let symbols: usize = strict.mark_prices().iter().map(|(symbol, _)| symbol.len()).sum();
            assert!(symbols <= data.len() && !strict.mark_prices().is_empty());
        }
        Some(Event::Tickers { .. }) => assert_eq!(strict.tickers(), tolerant.tickers()),
        _ => {}
    }
});
