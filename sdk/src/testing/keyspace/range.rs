//! A part of a bucket, as a list names it.

use crate::bindings::http::backplane::plugin::kv::Order;

/// Keys that start with a prefix, after one key and up to another in the list's direction.
#[derive(PartialEq, Eq)]
pub(super) struct Range {
    bucket: String,
    prefix: String,
    after: Option<String>,
    /// The first key that was not returned any more.
    until: Option<String>,
    order: Order,
}

impl Range {
    pub(super) fn new(bucket: &str, prefix: &str, after: Option<&str>, order: Order) -> Self {
        Self { bucket: bucket.into(), prefix: prefix.into(), after: after.map(Into::into), until: None, order }
    }

    /// Cuts off what comes after a key.
    pub(super) fn end_at(&mut self, key: &str) {
        self.until = Some(key.into());
    }

    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn order(&self) -> Order {
        self.order
    }

    pub(super) fn holds(&self, key: &str) -> bool {
        let is_after = |after: &String| match self.order {
            Order::Ascending => key > after.as_str(),
            Order::Descending => key < after.as_str(),
        };
        key.starts_with(&self.prefix)
            && self.after.as_ref().is_none_or(is_after)
            && !self.until.as_ref().is_some_and(is_after)
    }
}
