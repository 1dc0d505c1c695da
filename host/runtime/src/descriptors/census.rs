//! Counts what a FileDescriptorSet holds, before anything is built of it.
//!
//! It reads the wire format of Protocol Buffers itself, keeps nothing, and calls itself only as deep as
//! [`NESTING_MAX`]. What makes memory out of few bytes is bounded: how many things there are, and how long the full
//! name of each of them is. It does not know whether they fit together.

/// Most files.
const FILES_MAX: usize = 100;
/// Most messages and enums, all files together.
const TYPES_MAX: usize = 2_000;
/// Most fields, extensions, oneofs, values of enums, and methods, all files together.
const FIELDS_MAX: usize = 10_000;
/// Most imports of one file.
const IMPORTS_MAX: usize = 100;
/// Most messages within each other.
const NESTING_MAX: usize = 32;
/// Longest name of a file, and longest full name of anything in it, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// What stands at a number of a descriptor.
#[derive(Clone, Copy)]
enum Part {
    Message,
    Enum,
    Service,
    /// Something small that has a name: a field, an extension, a oneof, a value of an enum, a method.
    Field,
}

// The numbers are those of google/protobuf/descriptor.proto.
const OF_SET_FILE: u32 = 1;
const OF_FILE_PACKAGE: u32 = 2;
const OF_FILE_IMPORT: u32 = 3;
const OF_FILE_SYNTAX: u32 = 12;
const OF_FILE: &[(u32, Part)] = &[(4, Part::Message), (5, Part::Enum), (6, Part::Service), (7, Part::Field)];
const OF_MESSAGE: &[(u32, Part)] =
    &[(2, Part::Field), (3, Part::Message), (4, Part::Enum), (6, Part::Field), (8, Part::Field)];
const OF_ENUM: &[(u32, Part)] = &[(2, Part::Field)];
const OF_SERVICE: &[(u32, Part)] = &[(2, Part::Field)];
/// The name of every descriptor.
const NAME: u32 = 1;

#[derive(Default)]
struct Census {
    types: usize,
    fields: usize,
}

/// Counts what is in `set`, a FileDescriptorSet.
///
/// # Errors
/// With what is wrong, when there is too much of something or when it is not in the wire format.
pub(super) fn count(set: &[u8]) -> Result<(), String> {
    let mut census = Census::default();
    let mut files = 0;
    for field in Fields(set) {
        if let (OF_SET_FILE, Some(file)) = field? {
            files += 1;
            bound(files, FILES_MAX, "files")?;
            census.count_file(file)?;
        }
    }
    Ok(())
}

impl Census {
    fn count_file(&mut self, file: &[u8]) -> Result<(), String> {
        let (mut imports, mut scope) = (0, 0);
        for field in Fields(file) {
            match field? {
                (NAME, Some(name)) if name.len() > NAME_BYTES_MAX => return Err(too_long()),
                (OF_FILE_PACKAGE, Some(package)) => {
                    check_name(package, b"._")?;
                    scope = scope.max(package.len());
                }
                (OF_FILE_IMPORT, Some(_)) => imports += 1,
                (OF_FILE_SYNTAX, Some(syntax)) if ![&b""[..], b"proto2", b"proto3"].contains(&syntax) => {
                    return Err("has a file that is neither `proto2` nor `proto3`".to_owned());
                }
                _ => {}
            }
        }
        bound(imports, IMPORTS_MAX, "imports in one file")?;
        self.count_parts(file, OF_FILE, scope, 0)
    }

    /// Counts the parts of a descriptor whose full name has `scope` bytes, within `depth` messages.
    fn count_parts(
        &mut self,
        descriptor: &[u8],
        parts: &[(u32, Part)],
        scope: usize,
        depth: usize,
    ) -> Result<(), String> {
        for field in Fields(descriptor) {
            let (number, Some(bytes)) = field? else { continue };
            if let Some((_, part)) = parts.iter().find(|(at, _)| *at == number) {
                self.count_part(*part, bytes, scope, depth)?;
            }
        }
        Ok(())
    }

    fn count_part(&mut self, part: Part, bytes: &[u8], scope: usize, depth: usize) -> Result<(), String> {
        let scope = scope + 1 + name_length(bytes)?;
        if scope > NAME_BYTES_MAX {
            return Err(too_long());
        }
        let (parts, depth) = match part {
            Part::Message => (OF_MESSAGE, depth + 1),
            Part::Enum => (OF_ENUM, depth),
            Part::Service => (OF_SERVICE, depth),
            Part::Field => {
                self.fields += 1;
                return bound(self.fields, FIELDS_MAX, "fields");
            }
        };
        self.types += 1;
        bound(self.types, TYPES_MAX, "messages and enums")?;
        bound(depth, NESTING_MAX, "messages within each other")?;
        self.count_parts(bytes, parts, scope, depth)
    }
}

fn bound(count: usize, max: usize, what: &str) -> Result<(), String> {
    if count > max { Err(format!("has more than {max} {what}")) } else { Ok(()) }
}

fn too_long() -> String {
    format!("has a name of more than {NAME_BYTES_MAX} bytes")
}

/// Returns the length of the longest name that `descriptor` gives itself: the last one counts, and a later reader
/// may see it otherwise.
fn name_length(descriptor: &[u8]) -> Result<usize, String> {
    let mut length = 0;
    for field in Fields(descriptor) {
        if let (NAME, Some(name)) = field? {
            check_name(name, b"_")?;
            length = length.max(name.len());
        }
    }
    Ok(length)
}

fn check_name(name: &[u8], signs: &[u8]) -> Result<(), String> {
    match name.iter().all(|byte| byte.is_ascii_alphanumeric() || signs.contains(byte)) {
        true => Ok(()),
        false => Err("has a name that is no identifier".to_owned()),
    }
}

/// The fields of a message in the wire format: their numbers, and the bytes of those that have a length.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Option<&'a [u8]>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| "is not a FileDescriptorSet in the binary encoding of Protocol Buffers".to_owned()))
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Option<(u32, Option<&'a [u8]>)> {
        let key = u32::try_from(self.varint()?).ok()?;
        let number = key >> 3;
        // Types 3 and 4 are groups, which no descriptor has.
        match key & 7 {
            0 => self.varint().map(|_| (number, None)),
            1 => self.take(8).map(|_| (number, None)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.take(length).map(|bytes| (number, Some(bytes)))
            }
            5 => self.take(4).map(|_| (number, None)),
            _ => None,
        }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}
