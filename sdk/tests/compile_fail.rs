//! Wrong use of the attributes is a compile error that says what to write. Each file in `compile_fail/` holds the
//! mistakes of one kind, its `.stderr` what the author reads. `TRYBUILD=overwrite cargo test -p backplane-sdk` writes
//! them anew.

#[test]
fn says_what_to_write_instead() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
