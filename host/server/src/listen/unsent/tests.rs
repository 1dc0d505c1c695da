//! How answers are counted, and when a connection is given up.

use http_body_util::{BodyExt as _, Full, StreamBody};
use tokio::{
    task::spawn,
    time::{Instant, timeout},
};

use super::*;

/// Room for one answer at a time to one address, and for two in all.
fn two_addresses() -> [Arc<Unsent>; 2] {
    let all = Unsent::of_all(20_000);
    [(); 2].map(|()| all.of_address(10_000).of_connection())
}

fn full(bytes: usize, unsent: &Arc<Unsent>) -> Counted<Full<Bytes>> {
    Counted::new(Full::new(Bytes::from(vec![7; bytes])), unsent)
}

fn is_marked(unsent: &Unsent) -> bool {
    let mut extensions = Extensions::new();
    unsent.mark(&mut extensions);
    is_crowded(&extensions)
}

#[test]
fn an_answer_counts_until_its_last_byte_is_dropped() {
    let [one, other] = two_addresses();
    let answer = full(10_000, &one);
    assert!(is_marked(&one) && !is_marked(&other));
    let mut extensions = Extensions::new();
    let second = full(10_000, &other);
    assert!(is_marked(&other));
    drop(second);
    drop(answer);
    one.mark(&mut extensions);
    assert!(!is_crowded(&extensions) && !is_marked(&other));
}

#[tokio::test]
async fn a_piece_that_is_still_somewhere_keeps_its_answer() {
    let [one, _] = two_addresses();
    let mut answer = full(10_000, &one);
    let piece = answer.frame().await.expect("there is one").expect("nothing fails").into_data().expect("it is data");
    assert!(answer.is_end_stream());
    drop(answer);
    let tail = piece.slice(9_999..);
    drop(piece);
    assert!(is_marked(&one));
    drop(tail);
    assert!(!is_marked(&one));
}

#[tokio::test]
async fn what_is_counted_arrives_whole_and_says_how_long_it_is() {
    let [one, _] = two_addresses();
    for bytes in [0, 1, 1023, 1024, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES] {
        let mut answer = full(bytes, &one);
        let mut left = bytes;
        while !answer.is_end_stream() {
            assert_eq!(answer.size_hint().exact(), Some(left as u64));
            let frame = answer.frame().await.expect("there is more").expect("nothing fails");
            let piece = frame.into_data().expect("it is data");
            assert!(piece.iter().all(|byte| *byte == 7) && piece.len() <= PIECE_BYTES.max(1024));
            left -= piece.len();
        }
        assert_eq!(left, 0);
    }
    assert!(!is_marked(&one));
}

#[tokio::test]
async fn what_has_no_length_is_passed_on() {
    let [one, _] = two_addresses();
    let frames = [Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![0; 50_000])))];
    let mut answer = Counted::new(StreamBody::new(tokio_stream::iter(frames)), &one);
    assert!(!is_marked(&one));
    let frame = answer.frame().await.expect("there is one").expect("nothing fails");
    assert_eq!(frame.into_data().map(|data| data.len()).ok(), Some(50_000));
}

#[tokio::test]
async fn what_is_not_counted_shows_that_a_client_takes_something_while_an_answer_waits() {
    let [one, _] = two_addresses();
    let read = || async {
        let mut short = full(10, &one);
        while !short.is_end_stream() {
            drop(short.frame().await);
        }
        one.gone.load(Ordering::Relaxed)
    };
    assert_eq!(read().await, 0);
    let waiting = full(10_000, &one);
    assert_eq!(read().await, 1);
    drop(waiting);
    assert_eq!(read().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_given_up_when_nothing_of_its_answers_is_taken() {
    let [one, _] = two_addresses();
    // Nothing waits.
    assert!(timeout(10 * STALL_MAX, one.stalled()).await.is_err());
    // A client that takes a piece now and then.
    let mut answer = full(20 * PIECE_BYTES, &one);
    let unsent = Arc::clone(&one);
    let stalled = spawn(async move { unsent.stalled().await });
    for _ in 0..19 {
        sleep(STALL_MAX - Duration::from_secs(1)).await;
        drop(answer.frame().await);
        assert!(!stalled.is_finished());
    }
    let last_taken = Instant::now();
    stalled.await.expect("it ends");
    let elapsed = last_taken.elapsed();
    assert!(elapsed >= STALL_MAX && elapsed <= STALL_MAX + LOOK_INTERVAL, "{elapsed:?}");
}
