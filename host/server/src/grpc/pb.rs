//! What is made of `proto/`: messages, and a trait for each service.

#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    reason = "generated; its documentation is in proto/"
)]

tonic::include_proto!("backplane.v1");

/// The files of the host's services and all that they import, encoded.
pub(crate) const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("backplane.v1");
