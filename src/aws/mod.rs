//! What every call to AWS needs: credentials, a signature, HTTP.

pub mod credentials;
pub mod http;
pub mod message;
pub mod partition;
pub mod shared_config;
pub mod signer;
