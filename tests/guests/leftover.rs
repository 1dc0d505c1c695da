//! Looks for what an earlier instance left in its memory.

#[backplane_sdk::plugin]
mod leftover {
    use std::hint::black_box;

    const BYTES: usize = 16 << 20;

    /// Answers how many bytes of new memory are not zero, and leaves a mark in each.
    #[get("/", public)]
    fn look() -> String {
        // Memory that the allocator has just got from the host is not cleared again.
        let mut memory = black_box(vec![0_u8; BYTES]);
        let dirty = memory.iter().filter(|byte| **byte != 0).count();
        memory.fill(0xA5);
        black_box(&memory);
        dirty.to_string()
    }
}
