//! placeholder
fn main() {
    criterion::Criterion::default();
}
