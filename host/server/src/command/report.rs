//! What is said about a component that was checked: for people, or as JSON.

use std::fmt::{self, Write};

use backplane_runtime::{
    ContentHash, Described, PluginName,
    manifest::{Access, Route},
};
use bytesize::ByteSize;
use serde::Serialize;

/// A component that could go live.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Name of the plugin.
    pub name: PluginName,
    /// Its semantic version.
    pub version: String,
    /// Length of the component.
    pub size_bytes: usize,
    /// Hash of the component, by which a server keeps it.
    pub sha256: String,
    /// What it answers.
    pub routes: Vec<Route>,
    /// The capabilities that it asks for, as names of interfaces.
    pub imports: Vec<String>,
    /// What is worth a look, one sentence each.
    pub warnings: Vec<String>,
}

impl Report {
    /// Makes the report on a component that was described.
    pub fn new(component: &[u8], described: Described) -> Self {
        Self {
            name: described.manifest.name,
            version: described.manifest.version.to_string(),
            size_bytes: component.len(),
            sha256: ContentHash::of(component).to_string(),
            routes: described.manifest.routes,
            imports: described.surface.imports,
            warnings: described.warnings,
        }
    }

    /// Prints the report to standard output.
    pub fn print(&self, as_json: bool) {
        if as_json {
            let json = serde_json::to_string_pretty(self).expect("a report has string keys only");
            println!("{json}");
        } else {
            print!("{self}");
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = ByteSize::b(u64::try_from(self.size_bytes).unwrap_or(u64::MAX));
        writeln!(f, "{} {}, {}, sha256 {}", self.name, self.version, size.display().iec(), self.sha256)?;
        let paths: Vec<_> = self.routes.iter().map(|route| self.full_path(route)).collect();
        let width = paths.iter().map(String::len).max().unwrap_or_default();
        for (route, path) in self.routes.iter().zip(paths) {
            let mut line = format!("  {:7} {path:width$}  {}", route.method.as_str(), access(&route.access));
            if !route.summary.is_empty() {
                write!(line, ": {}", route.summary)?;
            }
            writeln!(f, "{line}")?;
        }
        if self.routes.is_empty() {
            writeln!(f, "  no routes")?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}

impl Report {
    /// The path where the route answers unless the operator mounts the plugin elsewhere.
    fn full_path(&self, route: &Route) -> String {
        format!("/{}{}", self.name, route.path.as_str().trim_end_matches('/'))
    }
}

fn access(access: &Access) -> String {
    match access {
        Access::Public => "public".to_owned(),
        Access::SignedIn => "signed in".to_owned(),
        Access::Roles { roles } => format!("roles {}", roles.join(", ")),
    }
}
