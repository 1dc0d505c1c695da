//! The status of a response.

/// An HTTP status from 200 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status(u16);

impl Status {
    /// 200.
    pub const OK: Self = Self(200);
    /// 201.
    pub const CREATED: Self = Self(201);
    /// 202: noted, to be done later.
    pub const ACCEPTED: Self = Self(202);
    /// 304: what the client has is still right.
    pub const NOT_MODIFIED: Self = Self(304);
    /// 404. A [`Problem`](crate::Problem) says more, and rolls back.
    pub const NOT_FOUND: Self = Self(404);

    /// Makes any status.
    ///
    /// # Panics
    /// When the code is not from 200 to 599; in a `const` that is a compile error.
    #[expect(clippy::panic, reason = "a status is written in the source, and a wrong one is a bug there")]
    pub const fn new(code: u16) -> Self {
        if code < 200 || code > 599 {
            panic!("a status is from 200 to 599");
        }
        Self(code)
    }

    /// Returns the number.
    pub const fn code(self) -> u16 {
        self.0
    }
}
