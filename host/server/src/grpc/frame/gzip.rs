//! gzip, within bounds: what a message becomes, and how long a thread that others wait for is busy with it.

use std::io::{self, Read as _, Write as _};

use bytes::{Buf as _, Bytes, buf::Reader};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use super::{invalid, too_large};
use crate::problem::{ApiError, ApiResult};

/// Up to here it is done where the call is answered: it takes well under a millisecond.
const SHORT_BYTES_MAX: usize = 64 << 10;
/// Shorter answers are sent as they are.
const WORTH_BYTES_MIN: usize = 1 << 10;
/// Longer ones too: to compress them would cost more time than to send them.
const WORTH_BYTES_MAX: usize = 1 << 20;

/// Returns whether an answer of that length should become shorter.
pub(super) fn is_worth(length: usize) -> bool {
    (WORTH_BYTES_MIN..=WORTH_BYTES_MAX).contains(&length)
}

/// Compresses a message; nothing when it does not become shorter.
pub(super) async fn compress(message: &[u8]) -> Option<Vec<u8>> {
    let compressed = if message.len() <= SHORT_BYTES_MAX {
        zip(message)
    } else {
        let message = message.to_vec();
        tokio::task::spawn_blocking(move || zip(&message)).await.ok()?
    };
    compressed.ok().filter(|compressed| compressed.len() < message.len())
}

fn zip(message: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(message)?;
    encoder.finish()
}

/// What is read, and what came out of it so far.
struct Unzip {
    decoder: GzDecoder<Reader<Bytes>>,
    message: Vec<u8>,
}

/// Decompresses a message of at most `bytes_max` bytes.
///
/// # Errors
/// `payload_too_large`, or `invalid_request` when it is not gzip.
pub(super) async fn decompress(compressed: Bytes, bytes_max: usize) -> ApiResult<Vec<u8>> {
    let unzip = Unzip { decoder: GzDecoder::new(compressed.reader()), message: Vec::new() };
    // One more than may be, to see that it is too long.
    let limit = bytes_max.saturating_add(1);
    let unzip = unzip.up_to(limit.min(SHORT_BYTES_MAX))?;
    let unzip = match unzip.message.len() == SHORT_BYTES_MAX && limit > SHORT_BYTES_MAX {
        true => tokio::task::spawn_blocking(move || unzip.up_to(limit)).await.map_err(ApiError::internal)??,
        false => unzip,
    };
    if unzip.message.len() > bytes_max {
        return Err(too_large(bytes_max));
    }
    Ok(unzip.message)
}

impl Unzip {
    /// Goes on until the message has `length` bytes, or is whole.
    fn up_to(mut self, length: usize) -> ApiResult<Self> {
        let missing = length.saturating_sub(self.message.len());
        let missing = u64::try_from(missing).unwrap_or(u64::MAX);
        let read = self.decoder.by_ref().take(missing).read_to_end(&mut self.message);
        read.map_err(|error| invalid("the message is not compressed with gzip").with_source(error))?;
        Ok(self)
    }
}
