//! stub?
