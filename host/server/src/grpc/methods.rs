//! Every method of the host's services: who may call it, how long it may take, and what it is called in the audit
//! trail.

use std::time::Duration;

use backplane_auth::{Access, Names};

use crate::{
    identity::ADMIN_ROLE,
    problem::{ApiError, ApiResult, codes},
};

/// Longest time of a call that only looks.
const LOOK: Duration = Duration::from_secs(30);
/// Longest time of a call that waits for a component to be compiled.
const DEPLOY: Duration = Duration::from_secs(10 * 60);

/// One method.
#[derive(Debug)]
pub(super) struct Method {
    /// As the path of its requests names it.
    pub(super) path: &'static str,
    /// Who may call it.
    pub(super) who: Who,
    /// How long a call may take; when absent as long as the caller likes, once its message is there.
    pub(super) time_max: Option<Duration>,
    /// What the change is called in the audit trail; absent for what changes nothing.
    pub(super) action: Option<&'static str>,
}

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Anybody,
    /// More is said by the operator's rules about topics, which the service knows.
    SignedIn,
    Administrators,
}

impl Who {
    pub(super) fn access(self) -> Access {
        match self {
            Self::Anybody => Access::Public,
            Self::SignedIn => Access::signed_in(),
            Self::Administrators => {
                let roles_any = Names::new([ADMIN_ROLE]).expect("a word of letters is the name of a role");
                Access::SignedIn { roles_any, scopes_all: Names::default() }
            }
        }
    }
}

const METHODS: &[Method] = &[
    look("/backplane.v1.Plugins/List", Who::Administrators),
    look("/backplane.v1.Plugins/Get", Who::Administrators),
    look("/backplane.v1.Plugins/ListVersions", Who::Administrators),
    change("/backplane.v1.Plugins/Upload", "plugin.upload"),
    change("/backplane.v1.Plugins/Rollback", "plugin.rollback"),
    change("/backplane.v1.Plugins/Remove", "plugin.remove"),
    stream("/backplane.v1.Plugins/Watch", Who::Administrators),
    look("/backplane.v1.Events/Publish", Who::SignedIn),
    look("/backplane.v1.Events/PublishMany", Who::SignedIn),
    stream("/backplane.v1.Events/Subscribe", Who::SignedIn),
    look("/grpc.health.v1.Health/Check", Who::Anybody),
    stream("/grpc.health.v1.Health/Watch", Who::Anybody),
    stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Who::Anybody),
    stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Who::Anybody),
];

const fn look(path: &'static str, who: Who) -> Method {
    Method { path, who, time_max: Some(LOOK), action: None }
}

const fn change(path: &'static str, action: &'static str) -> Method {
    Method { path, who: Who::Administrators, time_max: Some(DEPLOY), action: Some(action) }
}

const fn stream(path: &'static str, who: Who) -> Method {
    Method { path, who, time_max: None, action: None }
}

/// Returns the method of a path.
///
/// # Errors
/// `unknown_method`, also when there is no such service.
pub(super) fn find(path: &str) -> ApiResult<&'static Method> {
    METHODS.iter().find(|method| method.path == path).ok_or_else(|| {
        ApiError::new(codes::UNKNOWN_METHOD, "no service has this method: reflection lists those that there are")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::reflection::host_pool, *};

    #[test]
    fn lists_every_method_of_every_service() {
        let pool = host_pool();
        let services: Vec<_> = pool.services().collect();
        let described: BTreeSet<_> = services
            .iter()
            .flat_map(|service| {
                service.methods().map(move |method| format!("/{}/{}", service.full_name(), method.name()))
            })
            .collect();
        let listed: BTreeSet<_> = METHODS.iter().map(|method| method.path.to_owned()).collect();
        assert_eq!(listed, described);
        for service in &services {
            for method in service.methods() {
                let found = find(&format!("/{}/{}", service.full_name(), method.name())).expect("it is listed");
                assert_eq!(found.time_max.is_none(), method.is_server_streaming(), "{}", found.path);
            }
        }
    }

    #[test]
    fn nothing_else_is_a_method() {
        for path in ["", "/", "/backplane.v1.Plugins", "/backplane.v1.Plugins/", "/backplane.v1.Plugins/list", "/a/b"] {
            assert_eq!(find(path).map_err(|error| error.code().to_owned()).err().as_deref(), Some("unknown_method"));
        }
    }
}
