//! Settings that the manifest cannot hold.

#[backplane_sdk::plugin]
mod settings {
    use backplane_sdk::prelude::*;

    #[config]
    struct Generic<T> {
        value: T,
    }

    #[config]
    struct Tuple(String);

    #[config]
    enum NotAStruct {}

    #[config]
    struct WrongDefault {
        #[default("five")]
        limit: u32,
    }

    #[config]
    struct NotALiteral {
        #[default(2 + 3)]
        limit: u32,
    }

    #[config]
    struct ObjectDefault {
        #[default("a")]
        map: std::collections::BTreeMap<String, String>,
    }

    #[config]
    struct DefaultWithoutValue {
        #[default]
        limit: u32,
    }

    #[config]
    struct Name {
        _limit: u32,
    }

    #[config]
    struct Settings {
        limit: u32,
    }

    #[config]
    struct MoreSettings {
        more: u32,
    }

    #[get("/")]
    fn root() -> &'static str {
        ""
    }
}

fn main() {}
