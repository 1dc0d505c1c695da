//! The messages and the service that gRPC is measured with.

#![allow(missing_docs, clippy::all, unused_qualifications, reason = "generated")]

tonic::include_proto!("probe.v1");
