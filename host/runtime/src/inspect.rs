//! Reads a component's file without an engine and without running anything in it.
//!
//! Every byte is a stranger's. The pass is linear in the file's size and keeps nothing but names, the
//! manifest's text and the descriptors.

use wasmparser::{Encoding, Parser, Payload};

use crate::{
    descriptors::{DESCRIPTORS_BYTES_MAX, DESCRIPTORS_SECTION},
    manifest::MANIFEST_BYTES_MAX,
};

/// The custom section that holds the manifest.
const MANIFEST_SECTION: &str = "backplane:manifest";

/// Most imports, and most exports, of one component.
const NAMES_MAX: usize = 1000;

/// What a component's file says on its surface.
#[derive(Debug, PartialEq, Eq)]
pub struct Surface {
    /// Names of the imported interfaces, in order.
    pub imports: Vec<String>,
    /// Names of the exported interfaces and functions, in order.
    pub exports: Vec<String>,
    /// Contents of the manifest section, when there is one.
    pub manifest: Option<Vec<u8>>,
    /// Contents of the section with the descriptors of gRPC services, when there is one.
    pub descriptors: Option<Vec<u8>>,
}

/// Why a file is not a component.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SurfaceError {
    /// The file ends before the component does: it may still be growing.
    #[error("file is empty or cut off after {bytes} bytes")]
    Truncated {
        /// Length of the file.
        bytes: usize,
    },
    /// The file is something else.
    #[error("file is not WebAssembly: it does not start with `\\0asm`")]
    NotWasm,
    /// A core module, as `wasm32-unknown-unknown` and `wasm32-wasip1` make it.
    #[error("file is a core module, not a component: build it with `--target wasm32-wasip2`")]
    CoreModule,
    /// It starts like a component and then breaks the format.
    #[error("file is not a valid component: {reason}")]
    Malformed {
        /// What the parser says, with the offset.
        reason: String,
    },
    /// There is more than one manifest section.
    #[error("component has more than one `{MANIFEST_SECTION}` section")]
    TwoManifests,
    /// The manifest section is larger than a manifest may be.
    #[error("section `{MANIFEST_SECTION}` has {bytes} bytes, more than {MANIFEST_BYTES_MAX}")]
    ManifestTooLarge {
        /// Length of the section.
        bytes: usize,
    },
    /// There is more than one section with descriptors.
    #[error("component has more than one `{DESCRIPTORS_SECTION}` section")]
    TwoDescriptors,
    /// The section with the descriptors is larger than it may be.
    #[error("section `{DESCRIPTORS_SECTION}` has {bytes} bytes, more than {DESCRIPTORS_BYTES_MAX}")]
    DescriptorsTooLarge {
        /// Length of the section.
        bytes: usize,
    },
}

/// Reads what `component` imports and exports, and its sections with the manifest and the descriptors.
///
/// # Errors
/// When the bytes are not a whole component.
pub fn inspect(component: &[u8]) -> Result<Surface, SurfaceError> {
    const MAGIC: &[u8] = b"\0asm";
    if component.len() < 8 && MAGIC.starts_with(component.get(..4.min(component.len())).unwrap_or_default()) {
        return Err(SurfaceError::Truncated { bytes: component.len() });
    }
    if !component.starts_with(MAGIC) {
        return Err(SurfaceError::NotWasm);
    }
    let mut surface = Surface { imports: Vec::new(), exports: Vec::new(), manifest: None, descriptors: None };
    // How many modules and components are open around the current payload.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(|error| refuse(&error, component.len()))?;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return Err(SurfaceError::CoreModule),
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            payload => read_payload(payload, depth, component.len(), &mut surface)?,
        }
    }
    Ok(surface)
}

fn read_payload(payload: Payload<'_>, depth: usize, bytes: usize, surface: &mut Surface) -> Result<(), SurfaceError> {
    match payload {
        Payload::ComponentImportSection(section) if depth == 1 => {
            for import in section {
                push_name(&mut surface.imports, import.map_err(|error| refuse(&error, bytes))?.name.name)?;
            }
        }
        Payload::ComponentExportSection(section) if depth == 1 => {
            for export in section {
                push_name(&mut surface.exports, export.map_err(|error| refuse(&error, bytes))?.name.name)?;
            }
        }
        Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
            if section.data().len() > MANIFEST_BYTES_MAX {
                return Err(SurfaceError::ManifestTooLarge { bytes: section.data().len() });
            }
            if surface.manifest.replace(section.data().to_vec()).is_some() {
                return Err(SurfaceError::TwoManifests);
            }
        }
        Payload::CustomSection(section) if section.name() == DESCRIPTORS_SECTION => {
            if section.data().len() > DESCRIPTORS_BYTES_MAX {
                return Err(SurfaceError::DescriptorsTooLarge { bytes: section.data().len() });
            }
            if surface.descriptors.replace(section.data().to_vec()).is_some() {
                return Err(SurfaceError::TwoDescriptors);
            }
        }
        _ => {}
    }
    Ok(())
}

fn push_name(names: &mut Vec<String>, name: &str) -> Result<(), SurfaceError> {
    if names.len() == NAMES_MAX {
        return Err(SurfaceError::Malformed { reason: format!("more than {NAMES_MAX} imports or exports") });
    }
    names.push(name.to_owned());
    Ok(())
}

fn refuse(error: &wasmparser::BinaryReaderError, bytes: usize) -> SurfaceError {
    // The parser stops where the bytes stop: a file that is still being written looks like this.
    if error.message().contains("unexpected end") || error.offset() >= bytes {
        return SurfaceError::Truncated { bytes };
    }
    SurfaceError::Malformed { reason: format!("{} at offset {:#x}", error.message(), error.offset()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn tells_the_kinds_of_wrong_files_apart() {
        assert_eq!(inspect(b""), Err(SurfaceError::Truncated { bytes: 0 }));
        assert_eq!(inspect(b"\0as"), Err(SurfaceError::Truncated { bytes: 3 }));
        assert_eq!(inspect(b"#!/bin/sh"), Err(SurfaceError::NotWasm));
        assert_eq!(inspect(b"#!"), Err(SurfaceError::NotWasm));
        assert_eq!(inspect(b"\0asm\x01\0\0\0"), Err(SurfaceError::CoreModule));
        assert!(inspect(EMPTY_COMPONENT).is_ok());
    }

    #[test]
    fn a_section_that_is_cut_off_is_truncated() {
        let cut = [EMPTY_COMPONENT, &[0, 20, 3, b'a', b'b', b'c']].concat();
        assert_eq!(inspect(&cut), Err(SurfaceError::Truncated { bytes: cut.len() }));
    }

    #[test]
    fn an_unknown_section_is_malformed() {
        let odd = [EMPTY_COMPONENT, &[200, 1, 0]].concat();
        assert!(matches!(inspect(&odd), Err(SurfaceError::Malformed { .. })));
    }

    fn section(name: &str, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(1 + name.len() + data.len()).expect("short");
        // Two bytes of LEB128, whatever the length.
        let length = [(length & 0x7f) as u8 | 0x80, (length >> 7) as u8];
        [&[0], &length[..], &[u8::try_from(name.len()).expect("short")], name.as_bytes(), data].concat()
    }

    #[test]
    fn reads_the_manifest_section_once() {
        let one = [EMPTY_COMPONENT, &section(MANIFEST_SECTION, b"{}")].concat();
        assert_eq!(inspect(&one).map(|surface| surface.manifest), Ok(Some(b"{}".to_vec())));
        let two = [&one[..], &section(MANIFEST_SECTION, b"{}")].concat();
        assert_eq!(inspect(&two), Err(SurfaceError::TwoManifests));
    }

    #[test]
    fn reads_the_descriptors_once_and_only_short_ones() {
        let one = [EMPTY_COMPONENT, &section(DESCRIPTORS_SECTION, b"any")].concat();
        assert_eq!(inspect(&one).map(|surface| surface.descriptors), Ok(Some(b"any".to_vec())));
        let two = [&one[..], &section(DESCRIPTORS_SECTION, b"")].concat();
        assert_eq!(inspect(&two), Err(SurfaceError::TwoDescriptors));
        let long = |bytes: usize| {
            let section = format!("(component (@custom \"{DESCRIPTORS_SECTION}\" \"{}\"))", "x".repeat(bytes));
            inspect(&wat::parse_str(section).expect("valid text"))
        };
        assert!(long(DESCRIPTORS_BYTES_MAX).is_ok());
        let bytes = DESCRIPTORS_BYTES_MAX + 1;
        assert_eq!(long(bytes), Err(SurfaceError::DescriptorsTooLarge { bytes }));
    }
}
