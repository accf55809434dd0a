//! Where a region's Kinesis is.
