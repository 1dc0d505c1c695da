//! Families over a store in memory: rotation, reuse, grace, and many at once.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use super::*;

/// The smallest store that keeps the port's promises.
#[derive(Default)]
struct Rows(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    families: HashMap<String, Family>,
    tokens: HashMap<[u8; 32], Token>,
}

struct Token {
    new: NewRefreshToken,
    used_at: Option<UnixMs>,
    uses: u32,
}

const NOW: UnixMs = UnixMs(1_700_000_000_000);

impl Rows {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().expect("no panic")
    }
}

impl Tables {
    fn add(&mut self, new: NewRefreshToken) {
        self.tokens.insert(new.digest, Token { new, used_at: None, uses: 0 });
    }

    fn row(&self, digest: [u8; 32]) -> Option<RefreshRow> {
        let Token { new, used_at, uses } = self.tokens.get(&digest)?;
        let used: Vec<_> = self.tokens.values().filter(|token| token.uses > 0).map(|token| &token.new).collect();
        let is_sibling = |other: &NewRefreshToken| other.parent == new.parent && other.digest != digest;
        Some(RefreshRow {
            digest,
            family: self.families.get(&new.family_id)?.clone(),
            issued_at: new.issued_at,
            used_at: *used_at,
            uses: *uses,
            successor_used: used.iter().any(|other| other.parent == Some(digest)),
            sibling_used: new.parent.is_some() && used.iter().any(|other| is_sibling(other)),
        })
    }
}

impl RefreshStore for Rows {
    fn open_family(&self, family: Family, first: NewRefreshToken) -> BoxFuture<'_, Result<(), RefreshStoreError>> {
        let mut tables = self.tables();
        tables.families.insert(family.id.clone(), family);
        tables.add(first);
        Box::pin(async { Ok(()) })
    }

    fn find(&self, digest: [u8; 32]) -> BoxFuture<'_, Result<Option<RefreshRow>, RefreshStoreError>> {
        Box::pin(async move {
            // Others get between a look and the change that follows it.
            tokio::task::yield_now().await;
            Ok(self.tables().row(digest))
        })
    }

    fn rotate(&self, request: RotationRequest) -> BoxFuture<'_, Result<RotationResult, RefreshStoreError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let mut tables = self.tables();
            let is_used = |row: &RefreshRow| row.successor_used || row.sibling_used;
            let is_open = |row: RefreshRow| row.family.revoked_at.is_none() && !is_used(&row);
            let is_open = tables.row(request.digest).is_some_and(is_open);
            match tables.tokens.get_mut(&request.digest) {
                Some(token) if is_open && token.uses == request.uses => {
                    token.used_at.get_or_insert(request.at);
                    token.uses += 1;
                    tables.add(request.successor);
                    Ok(RotationResult::Done)
                }
                _ => Ok(RotationResult::Stale),
            }
        })
    }

    fn revoke_family<'a>(&'a self, id: &'a str, at: UnixMs) -> BoxFuture<'a, Result<(), RefreshStoreError>> {
        if let Some(family) = self.tables().families.get_mut(id) {
            family.revoked_at.get_or_insert(at);
        }
        Box::pin(async { Ok(()) })
    }
}

fn sessions() -> (Arc<Rows>, RefreshTokens) {
    let rows = Arc::new(Rows::default());
    (Arc::clone(&rows), RefreshTokens::new(rows, RefreshPolicy::default(), SystemRandom::new()))
}

fn later(milliseconds: i64) -> UnixMs {
    UnixMs(NOW.0 + milliseconds)
}

#[tokio::test]
async fn a_session_goes_on_from_token_to_token() {
    let (_, sessions) = sessions();
    let opening = sessions.open("u1", "console", NOW).await.expect("opens");
    assert_eq!(opening.family.expires_at, NOW.after(RefreshPolicy::default().lifetime));
    let mut token = opening.token;
    for step in 1..50 {
        let rotated = sessions.rotate(&token, later(step * 600_000)).await.expect("rotates");
        assert_eq!(rotated.family, opening.family);
        assert_ne!(rotated.token.expose_secret(), token.expose_secret());
        token = rotated.token;
    }
}

#[tokio::test]
async fn a_second_use_ends_the_session_for_both() {
    let (_, sessions) = sessions();
    let stolen = sessions.open("u1", "console", NOW).await.expect("opens").token;
    let current = sessions.rotate(&stolen, later(1)).await.expect("rotates").token;
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let reused = is_send(sessions.rotate(&stolen, later(10_001))).await;
    assert!(matches!(reused, Err(RefreshError::Reused { family }) if family.subject == "u1"));
    assert!(matches!(sessions.rotate(&current, later(10_002)).await, Err(RefreshError::Revoked)));
    assert!(matches!(sessions.rotate(&stolen, later(10_003)).await, Err(RefreshError::Revoked)));
}

#[tokio::test]
async fn a_lost_answer_can_be_asked_for_again() {
    let (_, sessions) = sessions();
    let first = sessions.open("u1", "console", NOW).await.expect("opens").token;
    let _lost = sessions.rotate(&first, later(1)).await.expect("rotates");
    let again = sessions.rotate(&first, later(5_000)).await.expect("rotates again").token;
    let next = sessions.rotate(&again, later(6_000)).await.expect("rotates").token;
    assert!(sessions.rotate(&next, later(7_000)).await.is_ok());
}

#[tokio::test]
async fn an_answer_that_was_used_was_not_lost() {
    let (_, sessions) = sessions();
    let first = sessions.open("u1", "console", NOW).await.expect("opens").token;
    let second = sessions.rotate(&first, later(1)).await.expect("rotates").token;
    sessions.rotate(&second, later(2)).await.expect("rotates");
    assert!(matches!(sessions.rotate(&first, later(3)).await, Err(RefreshError::Reused { .. })));
}

#[tokio::test]
async fn refreshes_at_once_are_one_after_another() {
    let (rows, sessions) = sessions();
    let first = sessions.open("u1", "console", NOW).await.expect("opens").token;
    let (one, other) = tokio::join!(sessions.rotate(&first, later(1)), sessions.rotate(&first, later(1)));
    let (one, other) = (one.expect("rotates"), other.expect("rotates"));
    assert_ne!(one.token.expose_secret(), other.token.expose_secret());
    let uses: u32 = rows.tables().tokens.values().map(|token| token.uses).sum();
    assert_eq!((uses, rows.tables().tokens.len()), (2, 3));
}

/// The owner goes on with the answer while somebody else asks for it again: one of the two is a thief.
#[tokio::test]
async fn an_answer_that_is_used_meanwhile_was_not_lost() {
    let (_, sessions) = sessions();
    let first = sessions.open("u1", "console", NOW).await.expect("opens").token;
    let second = sessions.rotate(&first, later(1)).await.expect("rotates").token;
    // Both look at their rows before either changes one.
    let (owner, thief) = tokio::join!(sessions.rotate(&second, later(2)), sessions.rotate(&first, later(2)));
    assert!(matches!(thief, Err(RefreshError::Reused { .. })), "{thief:?}");
    assert!(matches!(sessions.rotate(&owner.expect("rotates").token, later(3)).await, Err(RefreshError::Revoked)));
}

/// A thief asks again in time, so that both have an answer of their own.
#[tokio::test]
async fn an_answer_that_is_used_after_another_one_was_ends_the_session() {
    let (_, sessions) = sessions();
    let stolen = sessions.open("u1", "console", NOW).await.expect("opens").token;
    let owner = sessions.rotate(&stolen, later(1)).await.expect("rotates").token;
    let thief = sessions.rotate(&stolen, later(3_000)).await.expect("rotates again").token;
    let next = sessions.rotate(&owner, later(600_000)).await.expect("rotates").token;
    let reused = sessions.rotate(&thief, later(600_001)).await;
    assert!(matches!(&reused, Err(RefreshError::Reused { family }) if family.subject == "u1"), "{reused:?}");
    assert!(matches!(sessions.rotate(&next, later(600_002)).await, Err(RefreshError::Revoked)));
}

#[tokio::test]
async fn two_answers_that_are_used_at_once_end_the_session() {
    let (_, sessions) = sessions();
    let first = sessions.open("u1", "console", NOW).await.expect("opens").token;
    let one = sessions.rotate(&first, later(1)).await.expect("rotates").token;
    let other = sessions.rotate(&first, later(1)).await.expect("rotates again").token;
    // Both look at their rows before either changes one.
    let next = match tokio::join!(sessions.rotate(&one, later(2)), sessions.rotate(&other, later(2))) {
        (Ok(next), Err(RefreshError::Reused { .. })) | (Err(RefreshError::Reused { .. }), Ok(next)) => next.token,
        both => panic!("{both:?}"),
    };
    assert!(matches!(sessions.rotate(&next, later(3)).await, Err(RefreshError::Revoked)));
}

#[tokio::test]
async fn what_was_never_issued_is_not_known() {
    let (_, sessions) = sessions();
    let opening = sessions.open("u1", "console", NOW).await.expect("opens");
    let other = create_secret(REFRESH_TOKEN_PREFIX, &SystemRandom::new()).expect("a secret");
    for text in
        ["", "bpr_", "eyJ.eyJ.x", other.expose_secret(), &opening.token.expose_secret()[1..], &"x".repeat(1 << 20)]
    {
        let refused = sessions.rotate(&SecretString::from(text), later(1)).await;
        assert!(matches!(refused, Err(RefreshError::Unknown)), "{text}");
    }
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let (_, sessions) = sessions();
    let opening = sessions.open("u1", "console", NOW).await.expect("opens");
    sessions.revoke(&opening.family.id, later(1)).await.expect("revokes");
    assert!(matches!(sessions.rotate(&opening.token, later(2)).await, Err(RefreshError::Revoked)));
}

#[tokio::test]
async fn rows_hold_no_secret() {
    let (rows, sessions) = sessions();
    let token = sessions.open("u1", "console", NOW).await.expect("opens").token;
    let secret = &token.expose_secret()[4..47];
    let tables = rows.tables();
    let row = tables.tokens.values().next().expect("a row");
    assert_eq!(row.new.digest, digest_of(secret));
}
