//! What the messages of a plugin's gRPC services look like: a FileDescriptorSet in a section of the component.
//!
//! Every byte is a stranger's. What could cost more than it is worth is counted first (`census.rs`), without a library
//! and with bounded recursion; then the descriptors are built; then they are held against the manifest. A
//! [`Descriptors`] that exists has every service of its manifest, with exactly its methods, all of them unary. This
//! module does not know who reads it: calls carry bytes, and are not checked against it.

mod census;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, panic::catch_unwind};

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use crate::manifest::{GrpcService, Manifest};

/// The custom section that holds the descriptors.
pub(crate) const DESCRIPTORS_SECTION: &str = "backplane:descriptors";
/// Longest section in bytes.
pub(crate) const DESCRIPTORS_BYTES_MAX: usize = 256 * 1024;
/// Longest reason of a library that is shown, in bytes.
const REASON_BYTES_MAX: usize = 500;

/// The descriptors of a plugin's gRPC services.
pub struct Descriptors {
    pool: DescriptorPool,
    bytes: Vec<u8>,
}

/// Why a component's descriptors are refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorsError {
    /// There are none, and the manifest lists services.
    #[error(
        "manifest lists gRPC services, but the component has no section `{DESCRIPTORS_SECTION}` that describes them"
    )]
    Missing,
    /// They are not a FileDescriptorSet, or one that is too large or breaks a rule.
    #[error("section `{DESCRIPTORS_SECTION}` {reason}")]
    Invalid {
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// They and the manifest do not say the same, or a method is of a kind that no plugin can answer.
    #[error("{reason}")]
    Mismatch {
        /// Of which service or method what is wrong.
        reason: String,
    },
}

impl Descriptors {
    /// Reads the section of a component, if it has one, for the services of its manifest.
    pub(crate) fn read(section: Option<Vec<u8>>, manifest: &Manifest) -> Result<Option<Self>, DescriptorsError> {
        let Some(bytes) = section else {
            return if manifest.grpc.is_empty() { Ok(None) } else { Err(DescriptorsError::Missing) };
        };
        census::count(&bytes).map_err(DescriptorsError::invalid)?;
        let pool = build(&bytes).map_err(DescriptorsError::invalid)?;
        pool.all_messages().try_for_each(|message| check_map(&message)).map_err(DescriptorsError::invalid)?;
        for service in &manifest.grpc {
            check_service(&pool, service).map_err(|reason| DescriptorsError::Mismatch { reason })?;
        }
        Ok(Some(Self { pool, bytes }))
    }

    /// Returns all messages, enums and services, among them what they import.
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// Returns the FileDescriptorSet as the component carries it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Descriptors({} bytes)", self.bytes.len())
    }
}

impl DescriptorsError {
    fn invalid(reason: String) -> Self {
        Self::Invalid { reason }
    }
}

/// Builds the descriptors. The library is made for what a compiler wrote, and has panicked at what none would write: that
/// must not end the thread that looks at every plugin.
fn build(bytes: &[u8]) -> Result<DescriptorPool, String> {
    match catch_unwind(|| DescriptorPool::decode(bytes)) {
        Ok(built) => built.map_err(|error| shown(&error)),
        Err(_) => Err("is not valid: its parts do not fit together".to_owned()),
    }
}

/// Says what a library says about text of a stranger's.
fn shown(error: &impl fmt::Display) -> String {
    let mut reason = format!("is not valid: {error}").replace(char::is_control, " ");
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    reason
}

/// Refuses a map that is none: the library takes its shape for granted when it reads JSON.
fn check_map(message: &MessageDescriptor) -> Result<(), String> {
    let is_key = |field: FieldDescriptor| {
        !field.is_list()
            && !matches!(field.kind(), Kind::Double | Kind::Float | Kind::Bytes | Kind::Message(_) | Kind::Enum(_))
    };
    let is_value = |field: FieldDescriptor| !field.is_list();
    let is_map = || message.get_field(1).is_some_and(is_key) && message.get_field(2).is_some_and(is_value);
    if message.is_map_entry() && !is_map() {
        return Err(format!("is not valid: `{}` is said to be the entry of a map, and is none", message.full_name()));
    }
    Ok(())
}

fn check_service(pool: &DescriptorPool, listed: &GrpcService) -> Result<(), String> {
    let name = &listed.service;
    let Some(described) = pool.get_service_by_name(name) else {
        return Err(format!("manifest lists the gRPC service `{name}`, which the component's descriptors do not have"));
    };
    if let Some(method) = described.methods().find(is_streaming) {
        return Err(format!(
            "`{name}/{}` streams, and a plugin answers unary methods only: answer with a repeated field, or publish \
             events that clients follow",
            method.name()
        ));
    }
    let described: BTreeSet<_> = described.methods().map(|method| method.name().to_owned()).collect();
    let listed: BTreeSet<_> = listed.methods.iter().map(|method| method.name.clone()).collect();
    if let Some(method) = listed.difference(&described).next() {
        return Err(format!("manifest lists the gRPC method `{name}/{method}`, which its descriptors do not have"));
    }
    match described.difference(&listed).next() {
        Some(method) => Err(format!("manifest lists the gRPC service `{name}` without its method `{method}`")),
        None => Ok(()),
    }
}

fn is_streaming(method: &MethodDescriptor) -> bool {
    method.is_client_streaming() || method.is_server_streaming()
}
