//! The methods of gRPC that all live plugins answer, by the path of their calls.
//!
//! It is built with the routes, and a part of their table: one moment has both. A service is one plugin's alone.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use backplane_runtime::{Generation, manifest::Transaction};

use super::{Bounds, BuildTableError, Mounted, Target, target::Method};

/// An immutable table of methods.
#[derive(Debug, Default)]
pub struct GrpcTable {
    methods: HashMap<String, Arc<Target>>,
    /// Who answers each service.
    services: BTreeMap<String, Arc<Generation>>,
}

impl GrpcTable {
    /// Adds a plugin's services, and returns its methods as routes: the path below the mount, and what answers there.
    ///
    /// # Errors
    /// When another plugin has one of them.
    pub(super) fn add(
        &mut self,
        mounted: &Mounted,
        bounds: Bounds<'_>,
    ) -> Result<Vec<(String, Arc<Target>)>, BuildTableError> {
        let (generation, mut added) = (&mounted.generation, Vec::new());
        let manifest = generation.manifest();
        for service in &manifest.grpc {
            if let Some(other) = self.services.insert(service.service.clone(), Arc::clone(generation)) {
                return Err(BuildTableError::ServiceTaken {
                    plugin: manifest.name.to_string(),
                    service: service.service.clone(),
                    other: other.manifest().name.to_string(),
                });
            }
        }
        for (index, service, method) in manifest.grpc_methods() {
            let Some(policy) = mounted.policy.of_method(index) else { continue };
            let path = path_of(&service.service, &method.name);
            let handler = Method {
                index,
                only_looks: method.transaction != Transaction::Write,
                json: mounted.json.of_method(index).cloned(),
            };
            let has_json = handler.json.is_some();
            let target = Arc::new(Target::of_method(mounted, &path, handler, method, policy, bounds));
            if has_json {
                added.push((format!("{}{path}", mounted.mount), Arc::clone(&target)));
            }
            self.methods.insert(path, target);
        }
        Ok(added)
    }

    /// Finds the method of a call.
    pub fn find(&self, path: &str) -> Option<&Arc<Target>> {
        self.methods.get(path)
    }

    /// Lists the services, each with who answers it.
    pub fn services(&self) -> impl Iterator<Item = (&str, &Arc<Generation>)> {
        self.services.iter().map(|(service, generation)| (service.as_str(), generation))
    }

    /// Returns who answers a service.
    pub fn of_service(&self, service: &str) -> Option<&Arc<Generation>> {
        self.services.get(service)
    }
}

/// Returns the path of a method's calls (gRPC over HTTP/2, `Path`).
pub(super) fn path_of(service: &str, method: &str) -> String {
    format!("/{service}/{method}")
}
