//! Answers with more and longer headers than a response may have.

#[backplane_sdk::plugin]
mod huge_headers {
    use backplane_sdk::prelude::*;

    /// Answers with that many header lines.
    #[get("/lines/{count}", public)]
    fn answer_with_lines(Path(count): Path<u32>) -> (Headers, NoContent) {
        ((0..count).map(|line| (format!("x-line-{line}"), "1")).collect(), NoContent)
    }

    /// Answers with one header line of that many bytes.
    #[get("/bytes/{count}", public)]
    fn answer_with_bytes(Path(count): Path<usize>) -> (Headers, NoContent) {
        (Headers::new().with("x-long", "x".repeat(count)), NoContent)
    }
}
