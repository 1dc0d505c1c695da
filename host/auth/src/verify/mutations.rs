//! A valid token with something changed, many thousand times: none of them verifies.
//!
//! The numbers are random and printed when one does.

use ring::rand::SystemRandom;

use crate::{
    random::random_bytes,
    testing::{Host, NOW, claims},
};

/// Splitmix64 (Steele, Lea and Flood 2014): numbers that a seed repeats.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }
}

const CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ {}\"\0";

fn mutate(token: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut changed = token.to_vec();
    for _ in 0..=numbers.below(3) {
        if changed.is_empty() {
            break;
        }
        let at = numbers.below(changed.len());
        let character = CHARACTERS[numbers.below(CHARACTERS.len())];
        match numbers.below(9) {
            0 => changed[at] ^= 1 << numbers.below(7),
            1 | 2 => changed[at] = character,
            3 => changed.insert(at, character),
            4 => drop(changed.remove(at)),
            5 => changed.truncate(at),
            6 => {
                let end = (at + numbers.below(40)).min(changed.len());
                let piece = changed[at..end].to_vec();
                changed.splice(at..at, piece);
            }
            7 => {
                let end = (at + numbers.below(40)).min(changed.len());
                changed.drain(at..end);
            }
            _ => {
                let from = numbers.below(other.len());
                let piece = &other[from..(from + numbers.below(200)).min(other.len())];
                let end = (at + piece.len()).min(changed.len());
                changed.splice(at..end, piece.iter().copied());
            }
        }
    }
    changed
}

#[test]
fn a_changed_token_never_verifies() {
    let host = Host::new();
    let seed = u64::from_le_bytes(random_bytes(&SystemRandom::new()).expect("randomness"));
    let mut numbers = Numbers(seed);
    let (token, other) = (host.token(), host.sign(&host.header().to_string(), &claims().to_string()));
    assert!(host.verify(&token, NOW).is_ok() && host.verify(&other, NOW).is_ok());
    let mut refused = 0;
    for _ in 0..40_000 {
        let changed = mutate(token.as_bytes(), other.as_bytes(), &mut numbers);
        let Ok(changed) = String::from_utf8(changed) else { continue };
        if changed != token && changed != other {
            assert!(host.verify(&changed, NOW).is_err(), "seed {seed}: {changed}");
            refused += 1;
        }
    }
    assert!(refused > 30_000, "{refused}");
}

/// Every single bit, not a sample of them.
#[test]
fn a_token_with_any_one_bit_flipped_never_verifies() {
    let host = Host::new();
    let token = host.token();
    for at in 0..token.len() {
        for bit in 0..8 {
            let mut changed = token.clone().into_bytes();
            changed[at] ^= 1 << bit;
            if let Ok(changed) = String::from_utf8(changed) {
                assert!(host.verify(&changed, NOW).is_err(), "{changed}");
            }
        }
    }
}
