//! Records leave: what a request is ([`batch`]), how it is written and its answer read ([`put_records`], [`classify`]), what became of it ([`outcome`]),
//! when to try again ([`backoff`]), how large and which part of it ([`size_limit`], [`bisection`]), and where to ([`endpoint`]).

pub mod backoff;
pub mod batch;
pub mod bisection;
pub mod classify;
pub mod endpoint;
pub mod outcome;
pub mod put_records;
pub mod size_limit;
