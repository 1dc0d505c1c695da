//! Accounts and sessions from two sides at once: the server's writer, and a command on a connection of its own.

use std::{fmt::Debug, sync::Barrier, thread};

use super::fixture::Fixture;
use crate::{
    CommandStore, Connection, StoreError,
    identity::{
        PasswordHash, WrappedKey, revocations, sessions,
        signing_keys::{self, KeyChange, SigningKey},
        testing::{ADMIN, add_user, digest, new_user, open_family, rotation},
        users::{self, CreateUserError, NewUser, UpdateUserError, UserChange},
    },
};

/// How often two things are done at once.
const ROUNDS: u16 = 20;

impl Fixture {
    fn commands(&self) -> CommandStore {
        CommandStore::open(self.store.path()).unwrap()
    }

    fn prepare(&self, job: impl FnOnce(&mut Connection) + Send + 'static) {
        let job = |connection: &mut Connection| {
            job(connection);
            Ok::<_, StoreError>(())
        };
        self.store.write(job).wait().unwrap();
    }

    /// Does one job through the server and the other through a command, at once.
    fn at_once<T, E>(
        &self,
        server: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
        command: impl FnOnce(&mut Connection) -> Result<T, E> + Send,
    ) -> [Result<T, E>; 2]
    where
        T: Send + 'static,
        E: From<StoreError> + Send + Debug + 'static,
    {
        let mut commands = self.commands();
        let start = Barrier::new(2);
        thread::scope(|scope| {
            let command = scope.spawn(|| {
                start.wait();
                commands.write(command)
            });
            start.wait();
            [self.store.write(server).wait(), command.join().unwrap()]
        })
    }
}

#[test]
fn of_two_refreshes_at_once_one_happens() {
    let fixture = Fixture::new();
    fixture.prepare(|connection| {
        let ada = add_user(connection, "ada", "");
        open_family(connection, &ada, "s1", 0);
    });
    let mut token = 0;
    for round in 1..=ROUNDS {
        let successors = [10 * round, 10 * round + 1];
        let rotate = |successor| {
            let rotation = rotation("s1", token, 0, successor);
            move |connection: &mut Connection| sessions::rotate(connection, &rotation)
        };
        let [server, command] = successors.map(rotate);
        let happened = fixture.at_once(server, command).map(Result::unwrap);
        let kept =
            successors.into_iter().zip(happened).filter(|(_, happened)| *happened).map(|(successor, _)| successor);
        let kept: Vec<_> = kept.collect();
        assert_eq!(kept.len(), 1, "{happened:?}");
        let row = fixture.store.read(|connection| sessions::find(connection, digest(token))).unwrap().unwrap();
        assert_eq!((row.uses, row.used_at_ms), (1, Some(i64::from(kept[0]))));
        token = kept[0];
    }
}

#[test]
fn of_two_siblings_at_once_one_is_replaced() {
    let fixture = Fixture::new();
    fixture.prepare(|connection| {
        let ada = add_user(connection, "ada", "");
        open_family(connection, &ada, "s1", 0);
    });
    let mut token = 0;
    for round in 1..=ROUNDS {
        let siblings = [10 * round, 10 * round + 1];
        fixture.prepare(move |connection| {
            for (uses, sibling) in (0..).zip(siblings) {
                assert!(sessions::rotate(connection, &rotation("s1", token, uses, sibling)).unwrap());
            }
        });
        let rotate = |sibling: u16| {
            let rotation = rotation("s1", sibling, 0, sibling + 2);
            move |connection: &mut Connection| sessions::rotate(connection, &rotation)
        };
        let [server, command] = siblings.map(rotate);
        let [server, command] = fixture.at_once(server, command).map(Result::unwrap);
        assert_ne!(server, command);
        token = siblings[usize::from(command)] + 2;
    }
}

#[test]
fn a_password_that_is_set_outlasts_one_that_is_chosen_at_once() {
    let fixture = Fixture::new();
    let password = |text: &str| UserChange { password_hash: Some(PasswordHash(text.into())), ..UserChange::default() };
    for number in 0..ROUNDS {
        let (name, session) = (format!("ada{number}"), format!("s{number}"));
        let (subject, checked) = (format!("id-{name}"), PasswordHash(format!("hash-{name}")));
        fixture.prepare({
            let session = session.clone();
            move |connection| {
                let ada = add_user(connection, &name, "");
                open_family(connection, &ada, &session, number);
            }
        });
        let set = password("set");
        let chosen = UserChange { keep_session: Some(session.clone()), ..password("chosen") };
        let outcomes = fixture.at_once(
            {
                let subject = subject.clone();
                move |connection| {
                    let is_allowed = users::is_still_signed_in(connection, &subject, &checked, &session, 5)?;
                    if is_allowed {
                        users::update(connection, &subject, &chosen, ADMIN, 5)?;
                    }
                    Ok::<_, UpdateUserError>(is_allowed)
                }
            },
            |connection| users::update(connection, &subject, &set, ADMIN, 5).map(|_user| true),
        );
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        let account = fixture.store.read(|connection| users::find(connection, &subject)).unwrap().unwrap();
        assert_eq!(account.password_hash, PasswordHash("set".into()));
    }
}

#[test]
fn of_two_accounts_of_one_name_at_once_one_is_made() {
    let fixture = Fixture::new();
    for number in 0..ROUNDS {
        let create = |subject: &str| {
            let user = NewUser { subject: format!("{subject}{number}"), ..new_user(&format!("user{number}"), "") };
            move |connection: &mut Connection| users::create(connection, &user)
        };
        let outcomes = fixture.at_once(create("server"), create("command"));
        let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(CreateUserError::Exists))).count();
        assert!(refused == 1 && outcomes.iter().any(Result::is_ok), "{outcomes:?}");
    }
    assert_eq!(fixture.store.read(users::count).unwrap(), usize::from(ROUNDS));
}

#[test]
fn two_administrators_who_remove_each_other_at_once_leave_one() {
    let fixture = Fixture::new();
    for number in 0..ROUNDS {
        let role = format!("admin{number}");
        let (ada, bob) = (format!("ada{number}"), format!("bob{number}"));
        fixture.prepare({
            let (role, ada, bob) = (role.clone(), ada.clone(), bob.clone());
            move |connection| {
                add_user(connection, &ada, &role);
                add_user(connection, &bob, &role);
            }
        });
        let outcomes = fixture.at_once(
            {
                let (role, subject) = (role.clone(), format!("id-{ada}"));
                move |connection| users::delete(connection, &subject, &role, 5)
            },
            |connection| {
                let lock = UserChange { disabled: Some(true), ..UserChange::default() };
                users::update(connection, &format!("id-{bob}"), &lock, &role, 5).map(drop)
            },
        );
        let kept = outcomes.iter().filter(|outcome| matches!(outcome, Err(UpdateUserError::LastAdministrator))).count();
        assert!(kept == 1 && outcomes.iter().any(Result::is_ok), "{outcomes:?}");
        assert!(fixture.store.read(|connection| users::has_administrator(connection, &role)).unwrap());
    }
}

#[test]
fn of_two_rotations_of_keys_at_once_one_happens_as_a_whole() {
    let fixture = Fixture::new();
    let key = |kid: &str| {
        let (algorithm, wrapped, state) = ("ES256".to_owned(), WrappedKey(Vec::new()), "active".to_owned());
        KeyChange::Insert(SigningKey { kid: kid.to_owned(), algorithm, wrapped, state, changed_at_ms: 1 })
    };
    fixture.prepare(move |connection| assert!(signing_keys::apply(connection, &[key("old")]).unwrap()));
    let rotate = |kid: &str| {
        let (from, to) = ("active".to_owned(), "retired".to_owned());
        // The new one first, so that who is too late has something to undo.
        let changes = [key(kid), KeyChange::Move { kid: "old".into(), from, to, at_ms: 2 }];
        move |connection: &mut Connection| signing_keys::apply(connection, &changes)
    };
    let [server, command] = fixture.at_once(rotate("server"), rotate("command")).map(Result::unwrap);
    assert_ne!(server, command);
    let kids: Vec<_> = fixture.store.read(signing_keys::list).unwrap().into_iter().map(|key| key.kid).collect();
    assert_eq!(kids, [if server { "server" } else { "command" }, "old"]);
}

#[test]
fn a_server_sees_what_a_command_did_at_once() {
    let fixture = Fixture::new();
    fixture.prepare(|connection| {
        let ada = add_user(connection, "ada", "");
        open_family(connection, &ada, "s1", 1);
    });
    fixture.commands().write(|connection| sessions::revoke_family(connection, "s1", 5)).unwrap();
    let news = fixture.store.read(|connection| revocations::list_after(connection, 0, 10)).unwrap();
    assert_eq!(news.iter().map(|revocation| revocation.name.as_str()).collect::<Vec<_>>(), ["s1"]);
    let rotation = rotation("s1", 1, 0, 2);
    let rotated = fixture.store.write(move |connection| sessions::rotate(connection, &rotation));
    assert!(!rotated.wait().unwrap());
}

#[test]
fn a_change_and_its_revocation_are_written_together_or_not_at_all() {
    let fixture = Fixture::new();
    fixture.prepare(|connection| {
        add_user(connection, "root", ADMIN);
        let ada = add_user(connection, "ada", "clerk");
        open_family(connection, &ada, "s1", 1);
    });
    let fail = |connection: &mut Connection| {
        users::delete(connection, "id-ada", ADMIN, 5)?;
        Err::<(), _>(UpdateUserError::Unknown)
    };
    for outcome in fixture.at_once(fail, fail) {
        assert!(matches!(outcome, Err(UpdateUserError::Unknown)), "{outcome:?}");
    }
    let read = |connection: &mut Connection| {
        let revoked = revocations::list_after(connection, 0, 10)?;
        Ok::<_, StoreError>((users::find(connection, "id-ada")?, sessions::find(connection, digest(1))?, revoked))
    };
    let (user, session, revoked) = fixture.store.read(read).unwrap();
    assert!(user.is_some() && session.is_some_and(|row| row.family.revoked_at_ms.is_none()));
    assert_eq!(revoked, []);
}
