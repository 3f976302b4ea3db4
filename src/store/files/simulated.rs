//! How does a disk behave that loses, tears, refuses and damages what real ones may?
