//! The gRPC services of a plugin as an operator sees them.

use backplane_runtime::{
    Manifest,
    manifest::{self, Transaction},
};
use serde::Serialize;

use super::shown;
use crate::dispatch::{Policy, Transcodings};

/// One service.
#[derive(Debug, Serialize)]
pub struct ServiceView {
    /// Full name.
    pub service: String,
    /// Its methods.
    pub methods: Vec<MethodView>,
}

/// One method.
#[derive(Debug, Serialize)]
pub struct MethodView {
    /// Its name in the service.
    pub name: String,
    /// Who may call: what the plugin asks for and what the operator asks for.
    pub access: manifest::Access,
    /// How it uses state.
    pub transaction: Transaction,
    /// Where it answers `POST` in JSON; absent where its messages have none.
    pub json: Option<String>,
}

impl ServiceView {
    /// Lists what a plugin answers over gRPC, and in JSON below a mount.
    pub fn list(manifest: &Manifest, policy: &Policy, json: Option<(&str, &Transcodings)>) -> Vec<Self> {
        let mut methods = manifest.grpc_methods();
        let view = |(index, service, method): (u32, &manifest::GrpcService, &manifest::GrpcMethod)| {
            let mount = json.filter(|(_, known)| known.of_method(index).is_some()).map(|(mount, _)| mount);
            Some(MethodView {
                name: method.name.clone(),
                access: shown(&policy.of_method(index)?.access),
                transaction: method.transaction,
                json: mount.map(|mount| format!("{mount}/{}/{}", service.service, method.name)),
            })
        };
        let of_service = |service: &manifest::GrpcService| Self {
            service: service.service.clone(),
            methods: methods.by_ref().take(service.methods.len()).filter_map(view).collect(),
        };
        manifest.grpc.iter().map(of_service).collect()
    }
}
