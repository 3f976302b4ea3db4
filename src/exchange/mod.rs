//! Whose words does the tape arrive in? One module a venue; no I/O here, and no panic on any bytes.

pub mod binance;
