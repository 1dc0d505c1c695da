//! Logs more than anybody reads, and lines that try to be more than one.

#[backplane_sdk::plugin(cpu = "5s")]
mod log_flood {
    use backplane_sdk::{log::Level, prelude::*};

    /// Writes that many lines.
    #[get("/lines/{count}", public)]
    fn write_lines(Path(count): Path<u32>) -> NoContent {
        for line in 0..count {
            log::info!("flood line {line}");
        }
        NoContent
    }

    /// Writes that many lines to standard error.
    #[get("/stderr/{count}", public)]
    fn write_to_stderr(Path(count): Path<u32>) -> NoContent {
        for line in 0..count {
            eprintln!("flood line {line}");
        }
        NoContent
    }

    /// Writes one line of 1 MiB.
    #[get("/long", public)]
    fn write_long_line() -> NoContent {
        log::write(Level::Info, &"long".repeat(1 << 18), &[]);
        NoContent
    }

    /// Writes one line that would end and start another, and colour the operator's terminal.
    #[get("/forged", public)]
    fn write_forged_line() -> NoContent {
        log::write(Level::Info, "forged\n{\"level\":\"ERROR\"}\r\u{1b}[31mred", &[]);
        NoContent
    }
}
