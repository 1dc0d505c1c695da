//! The gRPC services of a plugin as an operator sees them.

use backplane_runtime::{
    Descriptors, Manifest,
    manifest::{self, Transaction},
};
use serde::Serialize;

use super::shown;
use crate::dispatch::{Policy, has_json};

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
    /// Lists what a plugin answers over gRPC, and in JSON below `mount`; in JSON nothing for one that is not mounted.
    pub fn list(
        mount: Option<&str>,
        manifest: &Manifest,
        policy: &Policy,
        descriptors: Option<&Descriptors>,
    ) -> Vec<Self> {
        let empty = |service: &manifest::GrpcService| Self { service: service.service.clone(), methods: Vec::new() };
        let mut views: Vec<_> = manifest.grpc.iter().map(empty).collect();
        for (index, service, method) in manifest.grpc_methods() {
            let view = views.iter_mut().find(|view| view.service == service.service);
            if let Some((view, policy)) = view.zip(policy.of_method(index)) {
                let has_json = descriptors.is_some_and(|known| has_json(known.pool(), &service.service, &method.name));
                view.methods.push(MethodView {
                    name: method.name.clone(),
                    access: shown(&policy.access),
                    transaction: method.transaction,
                    json: mount.filter(|_| has_json).map(|mount| format!("{mount}/{}/{}", view.service, method.name)),
                });
            }
        }
        views
    }
}
