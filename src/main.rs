//! The program: the only place where the process ends.
fn main() {}
