//! Answers with a body of any length.

#[backplane_sdk::plugin(memory = "192MiB", cpu = "5s")]
mod big_response {
    use backplane_sdk::prelude::*;

    /// Answers with that many bytes.
    #[get("/{count}", public)]
    fn answer(Path(count): Path<usize>) -> Bytes {
        Bytes(vec![b'x'; count])
    }
}
