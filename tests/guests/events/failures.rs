//! What becomes of an event that is not handled.

use std::time::Duration;

use backplane_sdk::prelude::*;

use super::case::{Case, Place, eventually, text, write};
use super::outcomes::panic_on_purpose;

/// How long a handler here lets an event wait, so that a case is over soon.
const SOON: Duration = Duration::from_millis(10);

pub(super) const CASES: &[Case] = &[
    Case {
        name: "tries_again_after_an_err",
        steps: &[write(|place| place.publish("a").map(drop)), eventually(|place| place.expect_log("a:2"))],
        handle: |place, event| match event.attempt {
            1 => Err(Problem::conflict("not yet")),
            _ => note_attempt(place, event),
        },
    },
    Case {
        name: "tries_again_after_a_trap",
        steps: &[write(|place| place.publish("a").map(drop)), eventually(|place| place.expect_log("a:2"))],
        handle: |place, event| match event.attempt {
            1 => panic_on_purpose(),
            _ => note_attempt(place, event),
        },
    },
    Case {
        name: "undoes_what_a_failed_attempt_did",
        steps: &[
            write(|place| place.publish("a").map(drop)),
            eventually(|place| place.expect_log("a:3")),
            write(|place| place.publish("end").map(drop)),
            eventually(|place| place.expect_log("a:3 end:1")),
        ],
        handle: |place, event| {
            note_attempt(place, event)?;
            if text(event) == "a" && event.attempt < 3 {
                place.publish("lost")?;
                return Err(soon());
            }
            Ok(())
        },
    },
    Case {
        name: "holds_back_what_comes_behind_a_failure",
        steps: &[
            write(|place| {
                for text in ["first", "second", "third"] {
                    place.publish(text)?;
                }
                Ok(())
            }),
            write(|place| place.publish("fourth").map(drop)),
            eventually(|place| place.expect_log("first:3 second:1 third:1 fourth:1")),
        ],
        handle: |place, event| {
            if text(event) == "first" && event.attempt < 3 {
                return Err(soon());
            }
            note_attempt(place, event)
        },
    },
    Case {
        name: "keeps_what_was_handled_before_a_failure",
        steps: &[
            write(|place| {
                for key in ["a", "b", "c", "d"] {
                    place.publish_as(key, key)?;
                }
                Ok(())
            }),
            eventually(|place| {
                place.expect_key("a", "1")?;
                place.expect_key("b", "2")?;
                place.expect_key("c", "1")?;
                place.expect_key("d", "2")
            }),
        ],
        handle: |place, event| {
            let key = text(event);
            place.bucket().set(&key, event.attempt.to_string())?;
            if ["b", "d"].contains(&key.as_str()) && event.attempt == 1 {
                return Err(soon());
            }
            Ok(())
        },
    },
    Case {
        name: "gives_up_after_the_last_attempt",
        steps: &[
            write(|place| place.publish("poison").map(drop)),
            write(|place| place.publish("next").map(drop)),
            eventually(|place| place.expect_log("next:1")),
        ],
        handle: |place, event| {
            // A fourth attempt would be handled, and be seen.
            if text(event) == "poison" && event.attempt <= 3 {
                return Err(soon());
            }
            note_attempt(place, event)
        },
    },
    Case {
        name: "gives_up_at_once_where_the_handler_says_so",
        steps: &[
            write(|place| place.publish("poison").map(drop)),
            write(|place| place.publish("next").map(drop)),
            eventually(|place| place.expect_log("next:1")),
        ],
        handle: |place, event| {
            if text(event) == "poison" {
                // A second attempt would be handled, and be seen.
                return match event.attempt {
                    1 => Err(Problem::unprocessable("never").fatal()),
                    _ => note_attempt(place, event),
                };
            }
            note_attempt(place, event)
        },
    },
];

impl Place {
    #[track_caller]
    fn expect_key(self, key: &str, expected: &str) -> Result<()> {
        super::case::expect(self.bucket().get_text(key)?.as_deref(), Some(expected))
    }
}

fn note_attempt(place: Place, event: &Event<Bytes>) -> Result<()> {
    place.note(&format!("{}:{}", text(event), event.attempt))
}

fn soon() -> Problem {
    Problem::conflict("not yet").retry_after(SOON)
}
