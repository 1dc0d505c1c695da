//! One server process in folders of its own.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use reqwest::blocking::{Client, ClientBuilder, RequestBuilder};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    Answer, Preload,
    administrator::install_administrator,
    administrators_token, component,
    component::profile,
    log::Lines,
    process::Process,
    wait::{PATIENCE, poll, spin_until, wait_for, wait_until},
};

/// Settings of every test: the defaults, but quicker to forget a file.
const CONFIG: &str = "[folder]\nremoval_grace = \"300ms\"\n";

/// A server before it starts.
pub(crate) struct Setup {
    folder: TempDir,
    config: String,
    data: PathBuf,
    environment: Vec<(&'static str, PathBuf)>,
}

impl Setup {
    /// Makes empty folders.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        fs::create_dir(folder.path().join("plugins")).expect("the folder is new");
        let data = folder.path().join("data");
        Self { folder, config: CONFIG.to_owned(), data, environment: Vec::new() }
    }

    /// Puts plugins into the folder under their names.
    #[track_caller]
    pub(crate) fn plugins(self, names: &[&str]) -> Self {
        for name in names {
            put_file(&self.folder.path().join("plugins"), &format!("{name}.wasm"), &component(name));
        }
        self
    }

    /// Replaces the configuration.
    pub(crate) fn config(self, config: &str) -> Self {
        Self { config: config.to_owned(), ..self }
    }

    /// Returns the folder of plugins.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().join("plugins")
    }

    /// Replaces the folder of the server's state.
    pub(crate) fn data_at(self, data: &Path) -> Self {
        Self { data: data.to_owned(), ..self }
    }

    /// Lets the server start with an empty folder of state, in which nobody can sign in.
    pub(crate) fn without_administrator(self) -> Self {
        put_folder(&self.data);
        self
    }

    /// Sets a variable of the server's environment.
    pub(crate) fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Starts the server under a library that watches it and does to it what the test says.
    #[track_caller]
    pub(crate) fn preload(self, preload: &Preload) -> Self {
        let environment = self.environment.into_iter().chain(preload.environment()).collect();
        Self { environment, ..self }
    }

    /// Returns the folder of the server's state.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// Starts a server and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(self) -> Server {
        let server = self.spawn();
        wait_until("a server that is ready", || server.try_get("/readyz").is_some_and(|answer| answer.status == 200));
        server
    }

    /// Starts a server that must not start, and returns what it says.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        let mut process = Process::start(self.command());
        let log = Lines::collect(process.stderr.take().expect("stderr is a pipe"));
        let status = poll(|| process.try_wait().expect("the server is a child of the test"));
        // One that started after all ends here, and what it says with it.
        drop(process);
        assert!(status.is_some_and(|status| status.code() == Some(1)), "{status:?}: {}", log.to_end());
        log.to_end()
    }

    /// Starts a server and kills it as soon as `look` at the data folder says yes, ready or not.
    #[track_caller]
    pub(crate) fn kill_as_soon_as(&self, look: impl Fn(&Path) -> bool) {
        let mut process = Process::start(self.command());
        spin_until("the server to get that far", || look(&self.data));
        process.kill().expect("the server runs");
        process.wait().expect("the server is a child of the test");
    }

    /// Makes the command that starts the server.
    #[track_caller]
    fn command(&self) -> Command {
        let config = self.folder.path().join("backplane.toml");
        fs::write(&config, &self.config).expect("the folder takes files");
        let mut command = backplane();
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config);
        command.arg("--plugins").arg(self.folder()).arg("--data").arg(&self.data);
        // Nothing of the environment that tests run in may change what the server does.
        command.env_clear().envs(self.environment.iter().cloned()).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts a server and waits until it listens. A new folder of state gets an administrator.
    #[track_caller]
    pub(crate) fn spawn(self) -> Server {
        let mut server = self.launch();
        server.address = wait_for("the server's address", || {
            if let Some(status) = server.try_wait() {
                panic!("the server ended with {status}:\n{}", server.log().join("\n"));
            }
            let lines = server.output();
            let urls = lines.iter().filter_map(|line| line.strip_prefix("listening on "));
            Some(urls.filter_map(|url| url.split_once("://")).next()?.1.trim().to_owned())
        });
        server
    }

    /// Starts a server that is not known to listen yet.
    #[track_caller]
    fn launch(self) -> Server {
        if !self.data.exists() {
            install_administrator(&self.data);
        }
        let client = client().build().expect("a client needs nothing");
        let mut process = Process::start(self.command());
        let output = Lines::collect(process.stdout.take().expect("stdout is a pipe"));
        let log = Lines::collect(process.stderr.take().expect("stderr is a pipe"));
        Server { process, setup: self, address: String::new(), output, log, client }
    }
}

/// A running server. It ends with the value.
pub(crate) struct Server {
    /// Dropped before its folders are.
    process: Process,
    setup: Setup,
    /// Host and port; empty until it listens.
    address: String,
    output: Lines,
    log: Lines,
    client: Client,
}

impl Server {
    /// Starts a server with these plugins.
    #[track_caller]
    pub(crate) fn start(plugins: &[&str]) -> Self {
        Setup::new().plugins(plugins).start()
    }

    /// Returns host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns the folder of plugins.
    pub(crate) fn folder(&self) -> PathBuf {
        self.setup.folder()
    }

    /// Returns the folder of the server's state.
    pub(crate) fn data(&self) -> PathBuf {
        self.setup.data()
    }

    /// Prepares a request; one to the host's API is the administrator's.
    #[track_caller]
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let request = self.strangers_request(method, path);
        if path.starts_with("/api/") { request.bearer_auth(administrators_token()) } else { request }
    }

    /// Prepares a request of nobody in particular.
    pub(crate) fn strangers_request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().expect("a test sends methods");
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// Makes a client that has another address than all others: this machine has all that begin with 127.
    pub(crate) fn client_from(&self, address: &str) -> Client {
        let address: IpAddr = address.parse().expect("a test writes addresses");
        client().local_address(address).build().expect("a client needs nothing")
    }

    /// Sends a GET.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path)
    }

    /// Sends a request without a body.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str) -> Answer {
        self.receive(self.request(method, path))
    }

    /// Sends a request that was prepared, and receives the answer.
    #[track_caller]
    pub(crate) fn receive(&self, request: RequestBuilder) -> Answer {
        let sent = request.send().and_then(Answer::receive);
        sent.unwrap_or_else(|error| panic!("{error:?}\n{}", self.log().join("\n")))
    }

    /// Sends a GET that nobody may be there to answer.
    pub(crate) fn try_get(&self, path: &str) -> Option<Answer> {
        self.request("GET", path).send().and_then(Answer::receive).ok()
    }

    /// Puts a file into the folder in one step.
    pub(crate) fn put(&self, file: &str, bytes: &[u8]) {
        put_file(&self.folder(), file, bytes);
    }

    /// Takes a file out of the folder.
    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.folder().join(file)).expect("the file is in the folder");
    }

    /// Returns all plugins as the API lists them.
    #[track_caller]
    pub(crate) fn list(&self) -> Vec<Value> {
        self.get("/api/plugins").json().as_array().expect("the plugins are a list").clone()
    }

    /// Waits until a file is refused, and returns the reason.
    #[track_caller]
    pub(crate) fn wait_for_refusal(&self, file: &str) -> String {
        let refused = |view: &Value| view["file"] == file && view["reason"].is_string();
        let view = poll(|| self.list().into_iter().find(refused));
        let view =
            view.unwrap_or_else(|| panic!("{file} was not refused: {:?}\n{}", self.list(), self.log().join("\n")));
        view["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until `path` answers with a success and that body.
    #[track_caller]
    pub(crate) fn wait_for_text(&self, path: &str, text: &str) {
        let mut last = None;
        let found = poll(|| {
            last = self.try_get(path).map(|answer| (answer.status, answer.text()));
            last.as_ref().filter(|(status, body)| (*status, body.as_str()) == (200, text)).map(drop)
        });
        assert!(found.is_some(), "{path} never answered {text:?}: {last:?}\n{}", self.log().join("\n"));
    }

    /// Waits until `path` answers with a status.
    #[track_caller]
    pub(crate) fn wait_for_status(&self, path: &str, status: u16) {
        wait_until(&format!("{path} to answer {status}"), || {
            self.try_get(path).is_some_and(|answer| answer.status == status)
        });
    }

    /// Returns what the server wrote to standard output so far.
    pub(crate) fn output(&self) -> Vec<String> {
        self.output.all()
    }

    /// Returns the log's lines so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.all()
    }

    /// Waits for a line that holds `text`, and returns it.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        wait_for(&format!("the log to say `{text}`"), || self.log().into_iter().find(|line| line.contains(text)))
    }

    /// Checks that the host itself is well.
    #[track_caller]
    pub(crate) fn check_health(&self) {
        assert_eq!(self.get("/healthz").status, 200);
        assert_eq!(self.get("/readyz").status, 200);
        let crash = self.log().into_iter().find(|line| line.contains("panicked at host/"));
        assert_eq!(crash, None, "the host itself panicked");
    }

    /// Returns what is shown of a plugin as soon as no call of it is in flight: a call is until its instance is given back,
    /// which is after its answer has left.
    #[track_caller]
    pub(crate) fn wait_until_idle(&self, plugin: &str) -> Value {
        let path = format!("/api/plugins/{plugin}");
        wait_for("a plugin without calls", || Some(self.get(&path).json()).filter(|view| view["in_flight"] == 0))
    }

    /// Tells the server to stop.
    pub(crate) fn terminate(&self) {
        let id = Pid::from_child(&self.process);
        rustix::process::kill_process(id, Signal::TERM).expect("the server runs");
    }

    /// Returns how the server ended, if it has.
    pub(crate) fn try_wait(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("the server is a child of the test")
    }

    /// Kills the server in whatever it does, and returns its folders for another one.
    #[track_caller]
    pub(crate) fn kill(mut self) -> Setup {
        self.process.kill().expect("the server runs");
        self.process.wait().expect("the server is a child of the test");
        self.setup
    }

    /// Stops the server, and returns its folders for another one.
    #[track_caller]
    pub(crate) fn stop(mut self) -> Setup {
        self.terminate();
        let status = wait_for("the server to stop", || self.try_wait());
        assert!(status.success(), "the server stopped with {status}:\n{}", self.log().join("\n"));
        self.setup
    }
}

fn client() -> ClientBuilder {
    // The client wants to know how it would encrypt, and whom it would trust: nobody, because all is on this machine.
    let _installed_before = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().tls_certs_only([]).no_proxy();
    client.timeout(2 * PATIENCE).redirect(reqwest::redirect::Policy::none())
}

/// Makes a command of the program under test.
#[track_caller]
pub(crate) fn backplane() -> Command {
    let program = profile().join("backplane");
    assert!(program.is_file(), "{} is not built: run `cargo xtask test`", program.display());
    Command::new(program)
}

/// Puts a file into a folder in one step, as a careful operator does.
pub(crate) fn put_file(folder: &Path, name: &str, bytes: &[u8]) {
    let temporary = folder.join(format!(".{name}.tmp"));
    fs::write(&temporary, bytes).expect("the folder takes files");
    fs::rename(temporary, folder.join(name)).expect("a file can be renamed");
}

/// Makes a folder in place of whatever is at `path`.
pub(crate) fn put_folder(path: &Path) {
    let _missing = fs::remove_dir_all(path);
    fs::create_dir_all(path).expect("a folder can be made");
}

#[test]
fn a_server_that_never_says_that_it_listens_ends_with_its_test() {
    let server = Setup::new().launch();
    let id = Pid::from_child(&server.process);
    assert!(rustix::process::test_kill_process(id).is_ok(), "it runs");
    let test = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _server = server;
        panic!("it does not listen");
    }));
    assert!(test.is_err());
    assert_eq!(rustix::process::test_kill_process(id), Err(rustix::io::Errno::SRCH));
}
