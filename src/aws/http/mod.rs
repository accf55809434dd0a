//! stub
/// stub
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpCounts {
    /// x
    pub connects: u64,
    /// x
    pub bytes_out: u64,
    /// x
    pub bytes_in: u64,
}
