//! The trait that a service becomes.

use std::fmt::Write as _;

use prost_build::{Comments, Method, Service, ServiceGenerator};

/// Writes a trait for each service, with a function for each method.
pub(crate) struct Traits;

impl ServiceGenerator for Traits {
    fn generate(&mut self, service: Service, code: &mut String) {
        // It is of a file that is imported, and no plugin can answer it.
        if service.methods.iter().any(|method| method.client_streaming || method.server_streaming) {
            return;
        }
        let full_name = match service.package.as_str() {
            "" => service.proto_name.clone(),
            package => format!("{package}.{}", service.proto_name),
        };
        let pair = |method: &Method| format!("{:?}", (method.name.trim_start_matches("r#"), &method.proto_name));
        let pairs: Vec<String> = service.methods.iter().map(pair).collect();
        let mut functions = String::new();
        for method in &service.methods {
            document(&method.comments, 1, &mut functions);
            // Writing to a `String` cannot fail.
            let _ = write!(
                functions,
                "    ///\n    /// # Errors\n    /// The status that the call ends with; its transaction is rolled back.\n    \
                 fn {}(\n        request: ::backplane_sdk::grpc::Request<{}>,\n    ) -> \
                 ::backplane_sdk::grpc::Result<{}>;\n",
                method.name, method.input_type, method.output_type
            );
        }
        document(&service.comments, 0, code);
        let _ = write!(
            code,
            "///\n/// The service `{full_name}`, for `#[grpc]`.\npub trait {} {{\n    /// The service's full name.\n    \
             const SERVICE: &'static str = {full_name:?};\n    /// Its functions, and the methods that they are.\n    \
             const METHODS: &'static [(&'static str, &'static str)] = &[{}];\n{functions}}}\n",
            service.name,
            pairs.join(", ")
        );
    }
}

/// Writes what the file says about something, or that it says nothing.
fn document(comments: &Comments, indent: u8, code: &mut String) {
    if comments.leading.is_empty() {
        let _ = writeln!(code, "{}/// Has no description in its file.", "    ".repeat(indent.into()));
    }
    comments.append_with_indent(indent, code);
}
