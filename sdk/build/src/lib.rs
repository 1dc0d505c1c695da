//! Turns the `.proto` files of a plugin that answers gRPC calls into Rust. For its build script:
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), backplane_sdk_build::Error> {
//!     backplane_sdk_build::compile_protos(&["proto/payments/v1/payments.proto"], &["proto"])
//! }
//! ```
//!
//! Nothing has to be installed. What comes of a package `payments.v1` is included with
//! `backplane_sdk::include_proto!("payments.v1")`: a struct for each message, which are prost's, and a trait for each
//! service, for `#[grpc]`. The descriptors of all files are written beside them; the attribute puts them into the
//! component, where the host finds them for reflection and for JSON.

mod service;

use std::{
    collections::BTreeSet,
    env, fs, io,
    path::{Path, PathBuf},
};

use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

/// The file in `OUT_DIR` that the descriptors are written to. `#[grpc]` reads it.
const DESCRIPTORS: &str = "backplane.descriptors.bin";

/// Most bytes of descriptors that a host reads.
const DESCRIPTORS_BYTES_MAX: usize = 256 << 10;

/// Number of the field `service` in a file's descriptor, and of `method` in a service's: `google/protobuf/descriptor.proto`
/// has them.
const SERVICES: i32 = 6;
const METHODS: i32 = 2;

/// Why files cannot be compiled. The message says where.
#[derive(thiserror::Error)]
pub enum Error {
    /// A file is not there, or is no valid `.proto`.
    #[error("{0:?}")]
    Protobuf(#[from] protox::Error),
    /// A method streams.
    #[error(
        "{file}:{line}: `{service}/{method}` streams, and a plugin answers unary methods only: take `stream` out of it"
    )]
    Streams {
        /// The file.
        file: String,
        /// The line in it, from 1.
        line: i32,
        /// The service's full name.
        service: String,
        /// The method.
        method: String,
    },
    /// The descriptors are longer than a host reads.
    #[error(
        "the descriptors of these files have {bytes} bytes, and a host reads {DESCRIPTORS_BYTES_MAX}: import less, or \
         make two plugins"
    )]
    TooLarge {
        /// Their length.
        bytes: usize,
    },
    /// Something cannot be written. Outside of a build script there is no `OUT_DIR`.
    #[error("{}: {source}", path.display())]
    Output {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

// A build script that fails prints its error this way, and should read like the message.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// Compiles the files `protos` and what they import. `includes` are the folders that imports are looked for in; each of
/// the files lies in one of them. A service that streams may stand in a file that is imported; it becomes no trait.
///
/// A build script calls this once, with all files: a second call writes its descriptors over those of the first.
///
/// # Errors
/// When a file is not valid, a method streams, or nothing can be written.
#[expect(clippy::disallowed_methods, reason = "cargo tells a build script through the environment where to write")]
pub fn compile_protos(protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<(), Error> {
    for path in protos.iter().map(AsRef::as_ref).chain(includes.iter().map(AsRef::as_ref)) {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    compile_into(&out, protos, includes)
}

fn compile_into(out: &Path, protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<(), Error> {
    let mut compiler = protox::Compiler::new(includes)?;
    compiler.include_source_info(true).include_imports(true).open_files(protos)?;
    let imported: BTreeSet<_> = compiler.files().filter(|file| file.is_import()).map(|file| file.name()).collect();
    let files = compiler.file_descriptor_set();
    files.file.iter().filter(|file| !imported.contains(file.name())).try_for_each(require_unary)?;
    write(&out.join(DESCRIPTORS), &descriptors(&files)?)?;
    let mut config = prost_build::Config::new();
    config
        .out_dir(out)
        .prost_path("::backplane_sdk::grpc::prost")
        .prost_types_path("::backplane_sdk::grpc::prost_types")
        .service_generator(Box::new(service::Traits));
    let written = config.compile_fds(files);
    written.map_err(|source| Error::Output { path: out.to_owned(), source })
}

fn require_unary(file: &FileDescriptorProto) -> Result<(), Error> {
    for (of_service, service) in (0..).zip(&file.service) {
        for (of_method, method) in (0..).zip(&service.method) {
            if method.client_streaming() || method.server_streaming() {
                return Err(Error::Streams {
                    file: file.name().to_owned(),
                    line: line(file, &[SERVICES, of_service, METHODS, of_method]),
                    service: format!("{}.{}", file.package(), service.name()).trim_start_matches('.').to_owned(),
                    method: method.name().to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// Returns the line that something stands in, by its path through the fields of the file's descriptor.
fn line(file: &FileDescriptorProto, path: &[i32]) -> i32 {
    let places = file.source_code_info.iter().flat_map(|info| &info.location);
    let place = places.filter(|place| place.path == path).find_map(|place| place.span.first());
    place.map_or(1, |line| line + 1)
}

/// Returns the files as the component carries them: without their comments and the places of things in them.
fn descriptors(files: &FileDescriptorSet) -> Result<Vec<u8>, Error> {
    let mut files = files.clone();
    for file in &mut files.file {
        file.source_code_info = None;
    }
    let bytes = files.encode_to_vec();
    if bytes.len() > DESCRIPTORS_BYTES_MAX { Err(Error::TooLarge { bytes: bytes.len() }) } else { Ok(bytes) }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).map_err(|source| Error::Output { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
