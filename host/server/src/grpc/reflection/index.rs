//! What reflection answers, whatever its version: files by their names, and by what stands in them.
//!
//! Every plugin brings a pool of its own, and two of them may have files of one name. So an answer about a symbol brings
//! all files that its file needs: nobody has to ask for one by a name that means another. A plugin may also bring what
//! looks like another one's service: of a service only who answers it is asked, and the host's own come first.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DescriptorPool, FileDescriptor};
use tonic::Code;

/// A question.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'a> {
    Nothing,
    Services,
    File(&'a str),
    Symbol(&'a str),
    Extension(&'a str, i32),
    ExtensionNumbers(&'a str),
}

/// Its answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Names of services.
    Services(Vec<String>),
    /// Encoded files, the one that was asked for first.
    Files(Vec<Vec<u8>>),
    /// A message's name, and the numbers of its extensions.
    ExtensionNumbers(String, Vec<i32>),
    Failed(Code, &'static str),
}

/// What is known at one moment.
pub(super) struct Index<'a> {
    /// The host's own first.
    pools: Vec<&'a DescriptorPool>,
    /// Services that are answered, each with the pool of who does.
    services: BTreeMap<&'a str, &'a DescriptorPool>,
}

impl<'a> Index<'a> {
    pub(super) fn new(pool: &'a DescriptorPool, services: &'a [String]) -> Self {
        let services = services.iter().map(|service| (service.as_str(), pool)).collect();
        Self { pools: vec![pool], services }
    }

    /// Adds a service that a plugin answers.
    pub(super) fn add(&mut self, service: &'a str, pool: &'a DescriptorPool) {
        // The services of one plugin may share a pool, and to ask it twice would do no harm.
        self.pools.push(pool);
        self.services.insert(service, pool);
    }

    /// Answers a question from the first pool that knows.
    pub(super) fn answer(&self, asked: Asked<'_>) -> Answer {
        let find = |find: &dyn Fn(&DescriptorPool) -> Option<FileDescriptor>| {
            self.pools.iter().find_map(|pool| find(pool)).map(|file| Answer::Files(with_imports(file)))
        };
        let found = match asked {
            Asked::Nothing => return Answer::Failed(Code::InvalidArgument, "the request asks nothing"),
            Asked::Services => {
                Some(Answer::Services(self.services.keys().map(|service| (*service).to_owned()).collect()))
            }
            Asked::File(name) => find(&|pool| pool.get_file_by_name(name)),
            Asked::Symbol(name) => match self.who_answers(name) {
                Some(pool) => file_of(pool, name).map(|file| Answer::Files(with_imports(file))),
                None => find(&|pool| file_of(pool, name)),
            },
            Asked::Extension(message, number) => find(&|pool| {
                let number = u32::try_from(number).ok()?;
                Some(pool.get_message_by_name(message)?.get_extension(number)?.parent_file())
            }),
            Asked::ExtensionNumbers(message) => {
                self.pools.iter().find_map(|pool| pool.get_message_by_name(message)).map(|message| {
                    let numbers = message.extensions().filter_map(|extension| i32::try_from(extension.number()).ok());
                    Answer::ExtensionNumbers(message.full_name().to_owned(), numbers.collect())
                })
            }
        };
        found.unwrap_or(Answer::Failed(Code::NotFound, "no service that is live has such a thing"))
    }

    /// Returns the pool of who answers a service, or the service of a method.
    fn who_answers(&self, symbol: &str) -> Option<&'a DescriptorPool> {
        let of_method = || self.services.get(symbol.rsplit_once('.')?.0);
        self.services.get(symbol).or_else(of_method).copied()
    }
}

/// Returns the file in which a symbol stands: a message, an enumeration, a service or an extension, or a method or a
/// field in one of them.
fn file_of(pool: &DescriptorPool, symbol: &str) -> Option<FileDescriptor> {
    let whole = || {
        let message = pool.get_message_by_name(symbol).map(|message| message.parent_file());
        let of_enum = || pool.get_enum_by_name(symbol).map(|of_enum| of_enum.parent_file());
        let service = || pool.get_service_by_name(symbol).map(|service| service.parent_file());
        let extension = || pool.get_extension_by_name(symbol).map(|extension| extension.parent_file());
        message.or_else(of_enum).or_else(service).or_else(extension)
    };
    let member = || {
        let (parent, name) = symbol.rsplit_once('.')?;
        let service = pool.get_service_by_name(parent);
        let method = service.filter(|service| service.methods().any(|method| method.name() == name));
        let message = || pool.get_message_by_name(parent).filter(|message| message.get_field_by_name(name).is_some());
        method.map(|service| service.parent_file()).or_else(|| Some(message()?.parent_file()))
    };
    whole().or_else(member)
}

/// Encodes a file and all that it needs, each once.
fn with_imports(file: FileDescriptor) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![file];
    let mut encoded = Vec::new();
    while let Some(file) = waiting.pop() {
        if seen.insert(file.name().to_owned()) {
            encoded.push(file.encode_to_vec());
            waiting.extend(file.dependencies());
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorProto;

    use super::{
        super::{host_pool, host_services},
        *,
    };

    fn host() -> Index<'static> {
        Index::new(host_pool(), host_services())
    }

    /// Returns the names of the files of an answer.
    fn files(asked: Asked<'_>) -> Vec<String> {
        let Answer::Files(files) = host().answer(asked) else { return Vec::new() };
        let read = |file: Vec<u8>| FileDescriptorProto::decode(file.as_slice()).expect("a file").name().to_owned();
        files.into_iter().map(read).collect()
    }

    #[test]
    fn finds_a_file_by_its_name_and_by_what_stands_in_it() {
        let expected = ["backplane/v1/plugins.proto", "google/protobuf/timestamp.proto"];
        for symbol in [
            "backplane.v1.Plugins",
            "backplane.v1.Plugins.List",
            "backplane.v1.Plugin",
            "backplane.v1.Plugin.name",
            "backplane.v1.PluginState",
        ] {
            assert_eq!(files(Asked::Symbol(symbol)), expected, "{symbol}");
        }
        assert_eq!(files(Asked::File("backplane/v1/plugins.proto")), expected);
        assert_eq!(files(Asked::File("google/protobuf/timestamp.proto")), ["google/protobuf/timestamp.proto"]);
    }

    #[test]
    fn says_what_it_does_not_know() {
        for asked in [
            Asked::File("backplane/v1/none.proto"),
            Asked::Symbol("backplane.v1.Plugins.None"),
            Asked::Symbol("backplane.v1.Plugin.none"),
            Asked::Symbol(""),
            Asked::Symbol("."),
            Asked::Extension("backplane.v1.Plugin", 1),
            Asked::Extension("backplane.v1.Plugin", -1),
            Asked::ExtensionNumbers("none"),
        ] {
            let found = host().answer(asked);
            assert!(matches!(found, Answer::Failed(Code::NotFound, _)), "{asked:?}: {found:?}");
        }
        assert!(matches!(host().answer(Asked::Nothing), Answer::Failed(Code::InvalidArgument, _)));
    }

    #[test]
    fn lists_services_and_extensions() {
        let Answer::Services(services) = host().answer(Asked::Services) else { panic!("not a list") };
        assert!(services.iter().any(|service| service == "backplane.v1.Plugins"), "{services:?}");
        let numbers = host().answer(Asked::ExtensionNumbers("backplane.v1.Plugin"));
        assert_eq!(numbers, Answer::ExtensionNumbers("backplane.v1.Plugin".to_owned(), Vec::new()));
    }

    #[test]
    fn a_service_is_described_by_who_answers_it() {
        let compile = |text: &str| {
            let folder = tempfile::tempdir().expect("a folder");
            std::fs::write(folder.path().join("same.proto"), text).expect("a file");
            let set = protox::compile(["same.proto"], [folder.path()]).expect("it compiles");
            DescriptorPool::from_file_descriptor_set(set).expect("it is valid")
        };
        let one =
            compile("syntax = \"proto3\"; package t; message M {} service A { rpc Do(M) returns (M); } service B {}");
        let two = compile("syntax = \"proto3\"; package t; message N {} service B { rpc Do(N) returns (N); }");
        let mut index = host();
        index.add("t.A", &one);
        index.add("t.B", &two);
        let Answer::Services(services) = index.answer(Asked::Services) else { panic!("not a list") };
        assert_eq!(services.iter().filter(|service| service.starts_with("t.")).collect::<Vec<_>>(), ["t.A", "t.B"]);
        let encoded = |pool: &DescriptorPool| {
            Answer::Files(vec![pool.get_file_by_name("same.proto").expect("a file").encode_to_vec()])
        };
        for (symbol, pool) in [("t.A", &one), ("t.A.Do", &one), ("t.B", &two), ("t.B.Do", &two), ("t.N", &two)] {
            assert_eq!(index.answer(Asked::Symbol(symbol)), encoded(pool), "{symbol}");
        }
        assert!(matches!(index.answer(Asked::Symbol("t.B.None")), Answer::Failed(Code::NotFound, _)));
    }
}
