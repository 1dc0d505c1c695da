//! What rows count towards a plugin's quota, in bytes, as SQL and so that it equals what Rust counts.
//!
//! SQLite answers `octet_length` from a row's header: a large value is not read for it.

use diesel::sql_types::{Binary, Text};

use crate::schema::{kv, replies};

#[diesel::declare_sql_function]
extern "SQL" {
    /// The length of a text in bytes of UTF-8.
    #[sql_name = "octet_length"]
    fn text_bytes(text: Text) -> BigInt;
    /// The length of a blob in bytes.
    #[sql_name = "octet_length"]
    fn blob_bytes(blob: Binary) -> BigInt;
}

/// The size of a key: its bucket's name, itself and its value.
#[diesel::dsl::auto_type]
pub(crate) fn kv_bytes() -> _ {
    text_bytes(kv::bucket) + blob_bytes(kv::key) + blob_bytes(kv::value)
}

/// The size of a stored reply: what it is found by, and the answer.
#[diesel::dsl::auto_type]
pub(crate) fn reply_bytes() -> _ {
    text_bytes(replies::principal)
        + text_bytes(replies::route)
        + text_bytes(replies::key)
        + blob_bytes(replies::fingerprint)
        + text_bytes(replies::headers)
        + blob_bytes(replies::body)
}
