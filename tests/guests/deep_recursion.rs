//! Recurses without end, on each of the two stacks that a guest has.

#[backplane_sdk::plugin]
mod deep_recursion {
    use std::hint::black_box;

    /// Fills the stack in the guest's own memory: every call keeps an array there.
    #[get("/frames", public)]
    fn fill_frames() -> String {
        framed(1).to_string()
    }

    /// Fills the host's stack for the guest: a call keeps nothing but where it returns to.
    #[get("/calls", public)]
    fn fill_calls() -> String {
        plain(1).to_string()
    }

    #[expect(unconditional_recursion, reason = "that is the attack")]
    fn framed(depth: u64) -> u64 {
        let frame = black_box([depth; 64]);
        framed(black_box(depth + 1)) + frame.iter().sum::<u64>()
    }

    #[expect(unconditional_recursion, reason = "that is the attack")]
    fn plain(depth: u64) -> u64 {
        plain(depth.wrapping_mul(3)).wrapping_mul(5).wrapping_add(depth)
    }
}
