//! The brakes under attack, on a clock that the test moves.

use std::net::Ipv4Addr;

use tokio::time::advance;

use super::*;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn throttle() -> SignInThrottle {
    let fast = NonZero::new(1_000_000).expect("not zero");
    SignInThrottle::new(ThrottleLimits { account_per_minute: fast, address_per_minute: fast })
}

fn attacker(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number))
}

/// Tries a wrong password, and returns how long it would have to wait.
fn fail(throttle: &SignInThrottle, account: &str, address: IpAddr) -> Option<u64> {
    throttle.admit(account, address).err().map(|delayed| delayed.retry_after.as_secs_f64().round() as u64)
}

#[tokio::test(start_paused = true)]
async fn the_delay_grows_to_fifteen_minutes_and_no_further() {
    let throttle = throttle();
    for _ in 0..FREE_FAILURES {
        assert_eq!(fail(&throttle, "ada", HOME), None);
    }
    for expected in [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900] {
        assert_eq!(fail(&throttle, "ada", HOME), Some(expected));
        advance(Duration::from_secs(expected)).await;
        assert_eq!(fail(&throttle, "ada", HOME), None);
    }
    for _ in 0..100 {
        advance(DELAY_MAX).await;
        assert_eq!(fail(&throttle, "ada", HOME), None);
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_during_the_delay_do_not_make_it_longer() {
    let throttle = throttle();
    for _ in 0..FREE_FAILURES + 1 {
        fail(&throttle, "ada", HOME);
    }
    for left in [2, 1] {
        assert_eq!(fail(&throttle, "ada", HOME), Some(left));
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(fail(&throttle, "ada", HOME), None);
}

#[tokio::test(start_paused = true)]
async fn many_addresses_and_many_at_once_are_no_way_around() {
    let throttle = throttle();
    let admitted: Vec<_> = (0..1000).filter_map(|number| throttle.admit("Ada", attacker(number)).ok()).collect();
    assert_eq!(admitted.len(), 5);
    drop(admitted);
    assert!(fail(&throttle, "aDA", attacker(1001)).is_some());
    assert_eq!(fail(&throttle, "grace", attacker(1)), None);
}

#[tokio::test(start_paused = true)]
async fn a_success_forgets_the_failures() {
    let throttle = throttle();
    for _ in 0..FREE_FAILURES - 1 {
        fail(&throttle, "ada", HOME);
    }
    throttle.admit("ada", HOME).expect("admitted").succeeded();
    for _ in 0..FREE_FAILURES {
        assert_eq!(fail(&throttle, "ada", HOME), None);
    }
    assert_eq!(fail(&throttle, "ada", HOME), Some(2));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_password_was_not_compared_is_no_failure() {
    let throttle = throttle();
    for _ in 0..FREE_FAILURES - 1 {
        assert_eq!(fail(&throttle, "ada", HOME), None);
    }
    for _ in 0..20 {
        throttle.admit("ada", HOME).expect("admitted").not_checked();
        advance(Duration::from_secs(60)).await;
    }
    assert_eq!(fail(&throttle, "ada", HOME), None);
    assert_eq!(fail(&throttle, "ada", HOME), Some(2));
}

#[tokio::test(start_paused = true)]
async fn strangers_cannot_keep_the_owner_out() {
    let throttle = throttle();
    throttle.admit("ada", HOME).expect("admitted").succeeded();
    for number in 0..100 {
        fail(&throttle, "ada", attacker(number));
    }
    assert!(fail(&throttle, "ada", attacker(7)).is_some());
    throttle.admit("ada", HOME).expect("the owner is let in").succeeded();
    // The owner's address is slowed down by its own failures.
    for _ in 0..FREE_FAILURES {
        assert_eq!(fail(&throttle, "ada", HOME), None);
    }
    assert_eq!(fail(&throttle, "ada", HOME), Some(2));
    // And after a month it is a stranger's.
    advance(KNOWN_FOR).await;
    for number in 0..FREE_FAILURES + 1 {
        fail(&throttle, "ada", attacker(number));
    }
    assert!(fail(&throttle, "ada", HOME).is_some());
}

#[tokio::test(start_paused = true)]
async fn failures_are_forgotten_after_a_day() {
    let throttle = throttle();
    for _ in 0..FREE_FAILURES {
        fail(&throttle, "ada", HOME);
    }
    advance(FORGOTTEN_AFTER).await;
    for _ in 0..FREE_FAILURES {
        assert_eq!(fail(&throttle, "ada", HOME), None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_has_a_bucket_whatever_it_tries() {
    let throttle = SignInThrottle::new(ThrottleLimits::default());
    for number in 0..30 {
        assert_eq!(fail(&throttle, &format!("user{number}"), HOME), None);
    }
    assert_eq!(fail(&throttle, "another", HOME), Some(2));
    assert_eq!(fail(&throttle, "another", attacker(1)), None);
    advance(Duration::from_secs(2)).await;
    assert_eq!(fail(&throttle, "another", HOME), None);
}

#[tokio::test(start_paused = true)]
async fn an_account_has_a_bucket_even_when_every_attempt_succeeds() {
    let throttle = SignInThrottle::new(ThrottleLimits::default());
    for _ in 0..10 {
        throttle.admit("ada", attacker(1)).expect("admitted").succeeded();
    }
    // The first attempt came from a stranger, the others from an address of the account's own.
    throttle.admit("ada", attacker(1)).expect("admitted").succeeded();
    assert!(fail(&throttle, "ada", attacker(1)).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_names_takes_no_more_memory_than_there_is_room() {
    let fast = NonZero::new(1_000_000).expect("not zero");
    let limits = ThrottleLimits { account_per_minute: fast, address_per_minute: fast };
    let throttle = SignInThrottle::with_room(limits, 100);
    for number in 0..10_000 {
        fail(&throttle, &format!("user{number}"), attacker(number));
    }
    for cache in [&throttle.accounts, &throttle.addresses] {
        cache.run_pending_tasks();
        assert!(cache.entry_count() <= 100, "{}", cache.entry_count());
    }
    throttle.failures.run_pending_tasks();
    assert!(throttle.failures.entry_count() <= 100);
}
