//! No secret is where it does not belong: not in the log, in an answer about something else, in the trail, in the
//! database, in the files of the data folder, or in what a command says.

use std::{fs, path::Path};

use serde_json::json;

use crate::harness::{ADMINISTRATOR, Answer, Forge, PASSWORD, Server, Setup, SignIn, check_runs, run, wait_for};

/// Secrets by what they are.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn add(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= 12, "{what} is too short to be found by chance only");
        self.0.push((what.to_owned(), secret.to_owned()));
        // Of a token its signature alone, and of a key or a refresh token the part that is secret.
        if let Some((_, signature)) = secret.rsplit_once('.') {
            self.0.push((format!("the signature of {what}"), signature.to_owned()));
        } else if secret.starts_with("bp") {
            let secret = secret.rsplit('_').next().unwrap_or_default();
            self.0.push((format!("the secret part of {what}"), secret.to_owned()));
        }
    }

    fn add_session(&mut self, what: &str, session: &SignIn) {
        self.add(&format!("the access token of {what}"), &session.access);
        self.add(&format!("the refresh token of {what}"), &session.refresh);
    }

    /// Checks that none of them is in these bytes.
    #[track_caller]
    fn check(&self, place: &str, bytes: &[u8]) {
        for (what, secret) in &self.0 {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{what} is in {place}");
        }
    }
}

/// Starts a server that says all that it can.
#[track_caller]
fn start() -> (Server, Secrets) {
    let config = "[log]\nfilter = \"trace\"\naccess = \"all\"\n";
    let server = Setup::new().plugins(&["hello", "private"]).config(config).without_administrator().start();
    let mut secrets = Secrets::default();
    let token = wait_for("the set-up token", || {
        let output = server.output().join("\n");
        let token =
            output.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).find(|word| word.starts_with("bps_"));
        token.map(str::to_owned)
    });
    secrets.add("the set-up token", &token);
    let set_up = json!({"token": token, "name": ADMINISTRATOR, "password": PASSWORD});
    let session = SignIn::read(&server.post("/api/auth/setup", &set_up));
    secrets.add("the administrator's password", PASSWORD);
    secrets.add_session("the administrator", &session);
    use_everything(&server, &session, &mut secrets);
    (server, secrets)
}

/// Uses every secret that there is, rightly and wrongly. No answer may hold another secret than its own.
#[track_caller]
fn use_everything(server: &Server, administrator: &SignIn, secrets: &mut Secrets) {
    let [own, other, chosen, mistyped] =
        ["ada's own password", "the second password", "the third password", "a password in vain"];
    for password in [own, other, chosen, mistyped] {
        secrets.add(password, password);
    }
    let as_admin = |method: &str, path: &str, body| server.send_as(&administrator.access, method, path, &body);
    let user = json!({"name": "ada", "password": own, "roles": ["clerk"], "scopes": ["orders:read"]});
    secrets.check("the answer about a user", &as_admin("POST", "/api/users", user).body);
    let first = SignIn::read(&server.try_sign_in("ada", own));
    let second = SignIn::read(&server.refresh(&first.refresh));
    secrets.add_session("ada", &first);
    secrets.add_session("ada, refreshed", &second);
    let refused = [
        server.try_sign_in("ada", mistyped),
        // Somebody types the password where the name belongs, and the other way round.
        server.try_sign_in(mistyped, "ada"),
        server.post("/api/auth/login", &json!({"name": "ada", "password": mistyped, "otp": mistyped})),
        server.post("/api/auth/login", &json!([mistyped])),
        server.refresh(&first.access),
        server.refresh(&format!("{}x", first.refresh)),
        server.get_as(&second.refresh, "/api/auth/me"),
        server.get_as(&format!("{}x", second.access), "/api/auth/me"),
        server.get_as(&second.access, "/api/users"),
        server.receive(server.strangers_request("GET", &format!("/private?access_token={}", second.access))),
        server.receive(server.strangers_request("GET", "/private").header("authorization", mistyped)),
        server.receive(server.request_as(&second.access, "GET", "/private").bearer_auth(&first.access)),
        as_admin("POST", "/api/users", json!({"name": "eve", "password": mistyped, "roles": "x", "scopes": []})),
        as_admin("PATCH", "/api/users/nobody", json!({"password": mistyped})),
        server.send_as(&second.access, "PUT", "/api/auth/password", &json!({"current": mistyped, "new": other})),
    ];
    for answer in &refused {
        check_refused(secrets, answer);
    }
    let change = json!({"current": own, "new": other});
    secrets.check("an answer", &server.send_as(&second.access, "PUT", "/api/auth/password", &change).body);
    secrets.check("an answer", &as_admin("PATCH", "/api/users/ada", json!({"password": chosen})).body);
    let session = SignIn::read(&server.try_sign_in("ada", chosen));
    secrets.add_session("ada, again", &session);
    let made = server.send_as(&session.access, "POST", "/api/api-keys", &json!({"name": "ci", "scopes": []})).json();
    let key = made["key"].as_str().expect("the key is shown once").to_owned();
    secrets.add("the API key", &key);
    server.check_believed(&key);
    check_refused(secrets, &server.get_as(&format!("{key}x"), "/api/auth/me"));
    for path in ["/api/api-keys", "/api/auth/me", "/private", "/hello/Ada"] {
        secrets.check(path, &server.get_as(&session.access, path).body);
    }
}

#[track_caller]
fn check_refused(secrets: &Secrets, answer: &Answer) {
    assert!(answer.status >= 400, "{} {}", answer.status, answer.text());
    secrets.check("an error", &answer.body);
    secrets.check("the headers of an error", format!("{:?}", answer.headers).as_bytes());
}

/// Checks every file below a folder but the one that holds the master key.
#[track_caller]
fn check_files(secrets: &Secrets, folder: &Path) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        match path.is_dir() {
            true => check_files(secrets, &path),
            false => secrets.check(&path.display().to_string(), &fs::read(&path).expect("it can be read")),
        }
    }
}

#[test]
fn no_secret_is_in_the_log_the_trail_an_error_or_the_data_folder() {
    let (server, mut secrets) = start();
    let administrator = server.sign_in(ADMINISTRATOR);
    secrets.add_session("the administrator, again", &administrator);
    let token = check_runs(&["token", "issue", "--user", "ada"], &server.data(), "");
    secrets.add("the token of the command", token.trim());
    let said = run(&["user", "password", "ada"], &server.data(), "the fourth password\n");
    secrets.add("the password of the command", "the fourth password");
    secrets.check("what the command says", format!("{said:?}").as_bytes());
    secrets.check("the list", check_runs(&["user", "list", "--json"], &server.data(), "").as_bytes());
    for path in ["/api/audit?limit=1000", "/api/users", "/api/api-keys?user=ada", "/api/keys"] {
        let answer = server.get_as(&administrator.access, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        secrets.check(path, &answer.body);
        assert!(!answer.text().contains("argon2"), "{path}: {}", answer.text());
    }
    let master = fs::read_to_string(server.data().join("master.key")).expect("it is in the folder");
    let setup_token = secrets.0.iter().position(|(what, _)| what == "the set-up token").expect("it is the first");
    let output: String = server.output().join("\n");
    let setup_tokens: Vec<_> = secrets.0.drain(setup_token..setup_token + 2).collect();
    secrets.check("standard output", output.as_bytes());
    secrets.0.extend(setup_tokens);
    secrets.check("the log", server.log().join("\n").as_bytes());
    check_files(&secrets, &server.data());
    // What the host keeps to itself is in its own file and nowhere else.
    secrets.0.push(("the master key".to_owned(), master.trim().to_owned()));
    secrets.check("the log", server.log().join("\n").as_bytes());
    let database = fs::read(server.data().join("backplane.sqlite")).expect("it is in the folder");
    secrets.check("the database", &database);
    let log = server.log().join("\n");
    assert!(log.contains("/private"), "the log says nothing, so that nothing can be found in it");
    assert!(!log.contains("argon2id$"), "a password's hash is in the log");
}

#[test]
fn the_private_key_is_in_no_file_as_it_is() {
    let server = Server::start(&[]);
    server.sign_in(ADMINISTRATOR);
    let forge = Forge::of(&server.data());
    let private = forge.pkcs8();
    for part in [private, &private[36..68]] {
        for file in ["backplane.sqlite", "backplane.sqlite-wal"] {
            let bytes = fs::read(server.data().join(file)).unwrap_or_default();
            assert!(!bytes.windows(part.len()).any(|window| window == part), "the private key is in {file}");
        }
    }
}
