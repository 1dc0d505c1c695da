//! Takes memory until there is none.

#[backplane_sdk::plugin]
mod memory_bomb {
    use std::hint::black_box;

    use backplane_sdk::prelude::*;

    /// Takes one MiB after the other, and writes to each.
    #[get("/bit-by-bit", public)]
    fn take_bit_by_bit() -> NoContent {
        let mut taken = Vec::new();
        loop {
            taken.push(black_box(vec![1_u8; 1 << 20]));
        }
    }

    /// Takes a GiB at once.
    #[get("/at-once", public)]
    fn take_at_once() -> String {
        black_box(vec![1_u8; 1 << 30]).len().to_string()
    }

    /// Notices that there is no memory, and answers.
    #[get("/politely", public)]
    fn take_politely() -> Result<&'static str> {
        let mut memory = Vec::<u8>::new();
        match memory.try_reserve_exact(1 << 30) {
            Ok(()) => Ok("a GiB for me"),
            Err(error) => Err(Problem::new(507, "no_memory", "there is not enough memory").with_source(error)),
        }
    }
}
