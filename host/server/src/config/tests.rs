//! What is read from which sources, and what is said about a configuration that cannot be used.

use std::time::Duration;

use super::*;

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn sources(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Sources {
    Sources {
        file_name: "backplane.toml".into(),
        file: file.into(),
        environment: pairs(environment),
        flags: pairs(flags),
        master_key: None,
    }
}

fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Config {
    Config::load(sources(file, environment, flags)).expect("the configuration is right")
}

#[track_caller]
fn check_problems(file: &str, environment: &[(&str, &str)], expected: &[&str]) {
    let error = Config::load(sources(file, environment, &[])).expect_err("the configuration is wrong");
    let problems: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, expected);
}

#[test]
fn nothing_given_is_the_default() {
    assert_eq!(load("", &[("PATH", "/bin")], &[]), Config::default());
}

#[test]
fn the_documented_file_is_the_default_and_names_every_key() {
    let uncommented: String = DEFAULT_FILE_CONTENTS
        .lines()
        .map(|line| {
            line.strip_prefix("# ").filter(|rest| rest.contains(" = ") && !rest.starts_with(' ')).unwrap_or(line)
        })
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    let (config, settings) = Config::load_with_settings(sources(&uncommented, &[], &[])).expect("the file is right");
    assert_eq!(config, Config::default());
    // A debug build has one more, for a proof that has to fail with it.
    let documented = settings.iter().filter(|setting| setting.key != "events.step_apart");
    let missing: Vec<_> = documented.filter(|s| s.origin == Origin::Default).map(|s| &s.key).collect();
    assert!(missing.is_empty(), "not in templates/backplane.toml: {missing:?}");
}

#[test]
fn what_is_rendered_reads_back() {
    let given = sources("[http]\nheader_timeout = \"3s\"", &[("BACKPLANE_LISTEN", "0.0.0.0:1")], &[("data", "/d")]);
    let (config, settings) = Config::load_with_settings(given).expect("the configuration is right");
    let rendered = render(&settings);
    assert_eq!(load(&rendered, &[], &[]), config);
    for line in
        ["header_timeout = \"3s\"  # file", "listen = \"0.0.0.0:1\"  # environment", "data = \"/d\"  # command line"]
    {
        assert!(rendered.contains(line), "{line} in\n{rendered}");
    }
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let file = "listen = \"127.0.0.1:1\"\nservice = \"file\"\ndata = \"file\"";
    let environment = [("BACKPLANE_LISTEN", "127.0.0.1:2"), ("BACKPLANE_SERVICE", "variable")];
    let config = load(file, &environment, &[("listen", "127.0.0.1:3")]);
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.service, "variable");
    assert_eq!(config.data, PathBuf::from("file"));
}

#[test]
fn a_variable_names_its_section() {
    let environment = [("BACKPLANE_LIMITS_MEMORY_BYTES_MAX", "128MiB"), ("BACKPLANE_HTTP_STREAMS_MAX", "7")];
    let config = load("", &environment, &[]);
    assert_eq!(config.limits.memory_bytes_max, 128 << 20);
    assert_eq!(config.http.streams_max, 7);
}

#[test]
fn a_plugins_table_is_read_whole() {
    let file = r#"
        [plugin.hello]
        mount = "/greet/people"
        instance = "fresh"
        memory_bytes = "8MiB"
        concurrency = 2
        timeout = "2s"
        cpu = "50ms"
        response_bytes = "1MiB"
        state_keys_max = 1000
        state_bytes_max = "1GiB"
        config = { greeting = "Moin", times = 3, tags = ["a"] }
        [plugin.old]
        disabled = true
    "#;
    let config = load(file, &[], &[]);
    let hello = &config.plugin[&PluginName::new("hello").expect("a name")];
    assert_eq!(hello.mount.as_deref(), Some("/greet/people"));
    assert_eq!(hello.instance, Some(InstanceMode::Fresh));
    assert_eq!((hello.memory_bytes, hello.concurrency), (Some(8 << 20), Some(2)));
    assert_eq!((hello.response_bytes, hello.state_keys_max), (Some(1 << 20), Some(1000)));
    assert_eq!(hello.state_bytes_max, Some(1 << 30));
    assert_eq!((hello.timeout, hello.cpu), (Some(Duration::from_secs(2)), Some(Duration::from_millis(50))));
    assert_eq!(
        serde_json::Value::from(hello.config.clone()),
        serde_json::json!({"greeting": "Moin", "times": 3, "tags": ["a"]})
    );
    assert!(config.plugin[&PluginName::new("old").expect("a name")].disabled);
}

#[test]
fn reports_all_problems_at_once() {
    check_problems(
        "lisen = \"127.0.0.1:1\"\nlimits = 3\n[http]\nheader_timout = \"1s\"\nbody_timeout = 5\nheaders_max = 2\n[nonsense]\n",
        &[("BACKPLANE_LISTEN", "8080"), ("BACKPLANE_LOG_FORMT", "json"), ("BACKPLANE_LOG_FORMAT", "xml")],
        &[
            "backplane.toml: http.body_timeout: 5 is not understood: write a time with its unit, such as \"500ms\", \"10s\" or \"1h\"",
            "backplane.toml: http.headers_max: 2 is out of range: write 10 to 1000",
            "backplane.toml: http.header_timout: unknown key; did you mean `header_timeout`?",
            "backplane.toml: limits: is a table: write its keys under `[limits]`",
            "BACKPLANE_LOG_FORMAT: \"xml\" is not understood: write \"auto\", \"text\" or \"json\"",
            "BACKPLANE_LISTEN: \"8080\" is not understood: write an IP address and a port, such as \"127.0.0.1:8080\"",
            "backplane.toml: lisen: unknown key; did you mean `listen`?",
            "backplane.toml: nonsense: unknown key; the keys here are service, listen, plugins, data, http, folder, limits, state, events, auth, rate_limit, log, plugin",
            "BACKPLANE_LOG_FORMT: unknown variable; did you mean `BACKPLANE_LOG_FORMAT`?",
        ],
    );
}

#[test]
fn refuses_a_default_above_its_maximum() {
    check_problems(
        "[limits]\nmemory_bytes = \"512MiB\"\ntimeout = \"2m\"",
        &[],
        &[
            "backplane.toml: limits.memory_bytes: \"512MiB\" is more than `memory_bytes_max`, which is \"256MiB\": lower it or raise `memory_bytes_max`",
            "backplane.toml: limits.timeout: \"2m\" is more than `timeout_max`, which is \"1m\": lower it or raise `timeout_max`",
        ],
    );
}

#[test]
fn refuses_a_plugins_table_that_cannot_work() {
    check_problems(
        "[plugin.A]\n[plugin.a]\nmount = \"/api/x\"\nconcurrency = 0\n[plugin.b]\nmount = \"/s\"\nmemory = 1\n[plugin.c]\nmount = \"/s\"",
        &[("BACKPLANE_PLUGIN_A_MOUNT", "/x")],
        &[
            "backplane.toml: plugin.A: `A` is not a plugin name: use 1 to 63 of `a-z`, `0-9` and `-`, not starting with `-`",
            "backplane.toml: plugin.a.mount: `/api` belongs to the host: choose another path",
            "backplane.toml: plugin.a.concurrency: 0 would refuse every call: write more, or `disabled = true`",
            "backplane.toml: plugin.b.memory: unknown key; the keys here are disabled, mount, instance, memory_bytes, response_bytes, concurrency, timeout, cpu, state_keys_max, state_bytes_max, config, access, rate_limit",
            "backplane.toml: plugin.c.mount: `/s` is the mount of plugin `b` too: choose another path",
            "BACKPLANE_PLUGIN_A_MOUNT: settings of one plugin are read from backplane.toml only",
        ],
    );
}

#[test]
fn a_store_is_set_from_all_three_places() {
    let file = "[state]\nsynchronous = \"normal\"\nkeys_max = 10\nbytes_max = \"64KiB\"\nidempotency_ttl = \"1h\"";
    let environment = [
        ("BACKPLANE_STATE_READERS", "4"),
        ("BACKPLANE_STATE_KEYS_MAX", "20"),
        ("BACKPLANE_STATE_LOG_BYTES_MAX", "2GiB"),
    ];
    let state = load(file, &environment, &[("state.commit_queue", "64")]).state;
    let expected = StateConfig {
        synchronous: Synchronous::Normal,
        readers: Some(4),
        commit_queue: 64,
        keys_max: 20,
        bytes_max: 64 << 10,
        log_bytes_max: 2 << 30,
        idempotency_ttl: Duration::from_secs(60 * 60),
    };
    assert_eq!(state, expected);
}

#[test]
fn refuses_a_store_that_cannot_work() {
    check_problems(
        "[state]\nsynchronous = \"extra\"\nreaders = 1\ncommit_queue = 1\nlog_bytes_max = \"15MiB\"\n[plugin.a]\nstate_bytes_max = \"2000GiB\"",
        &[("BACKPLANE_STATE_IDEMPOTENCY_TTL", "1ms")],
        &[
            "backplane.toml: state.synchronous: \"extra\" is not understood: write \"full\", \"normal\" or \"off\"",
            "backplane.toml: state.readers: 1 is out of range: write 2 to 1000",
            "backplane.toml: state.commit_queue: 1 is out of range: write 2 to 100000",
            "backplane.toml: state.log_bytes_max: \"15MiB\" is out of range: write \"16MiB\" to \"1024GiB\"",
            "BACKPLANE_STATE_IDEMPOTENCY_TTL: \"1ms\" is out of range: write \"1s\" to \"720h\"",
            "backplane.toml: plugin.a.state_bytes_max: \"2000GiB\" is out of range: write \"0B\" to \"1024GiB\"",
        ],
    );
}

#[test]
fn who_may_call_a_plugin_and_how_often_is_read_with_its_place() {
    let file = r#"
[rate_limit]
per_address = "100/s"
[plugin.hello.access]
"*" = "signed-in"
"POST /v1.0" = { scopes = ["a"] }
[plugin.hello.rate_limit]
per_caller = "600/m burst 50"
routes = { "/" = { per_caller = "5/s" } }
"#;
    let config = load(file, &[("BACKPLANE_RATE_LIMIT_PER_CALLER", "50/s")], &[]);
    let written = |rate: Option<backplane_auth::Rate>| rate.map(|rate| value::Value::to_toml(&rate).to_string());
    let server = config.rate_limit.clone();
    assert_eq!(
        [written(server.per_caller), written(server.per_address)],
        [Some("\"50/s\"".into()), Some("\"100/s\"".into())]
    );
    let hello = &config.plugin[&PluginName::new("hello").expect("a name")];
    let places: Vec<_> = hello.access.iter().map(|rule| format!("{} = {}", rule.place, rule.written)).collect();
    assert_eq!(
        places,
        [
            r#"backplane.toml:5: [plugin.hello.access] "*" = "signed-in""#,
            r#"backplane.toml:6: [plugin.hello.access] "POST /v1.0" = { scopes = ["a"] }"#,
        ]
    );
    assert_eq!(written(hello.rate_limit.plugin.per_caller), Some("\"600/m burst 50\"".into()));
    let [line] = &hello.rate_limit.routes[..] else { panic!("{:?}", hello.rate_limit) };
    assert_eq!(line.place.to_string(), r#"backplane.toml:9: [plugin.hello.rate_limit.routes] "/""#);
}

#[test]
fn what_is_said_about_callers_reads_back() {
    let file = "[rate_limit]\nper_caller = \"5/s\"\n[plugin.a]\naccess = { \"*\" = \"signed-in\", \"GET /{x}\" = { roles = [\"r\"] } }\n[plugin.a.rate_limit.routes]\n\"POST /v1.0/{x}\" = { per_address = \"1/h\" }";
    let (config, settings) = Config::load_with_settings(sources(file, &[], &[])).expect("the configuration is right");
    let read_back = load(&render(&settings), &[], &[]);
    let plugin = |config: &Config| config.plugin[&PluginName::new("a").expect("a name")].clone();
    let (before, after) = (plugin(&config), plugin(&read_back));
    let rules = |plugin: &PluginConfig| plugin.access.iter().map(|rule| rule.requires.clone()).collect::<Vec<_>>();
    assert_eq!(
        (rules(&before), before.rate_limit.routes[0].limit.clone()),
        (rules(&after), after.rate_limit.routes[0].limit.clone())
    );
    assert_eq!(read_back.rate_limit, config.rate_limit);
}

#[test]
fn refuses_lines_about_callers_that_nobody_could_mean() {
    check_problems(
        r#"
            rate_limit.per_caller = "5"
            plugin.a.access = { "post" = "signed-in", "GET /" = "anybody", "HEAD" = "public" }
            plugin.b.access = "signed-in"
            plugin.c.rate_limit = { per_user = "1/s", routes = { "/" = "1/s", "POST" = { per_caller = "0/s" } } }
        "#,
        &[("BACKPLANE_RATE_LIMIT_PER_ADDRESS", "1/d")],
        &[
            "backplane.toml: rate_limit.per_caller: \"5\" is not understood: write a rate such as \"50/s\", \"600/m\" or \"1000/h burst 50\", of at most 1000000",
            "BACKPLANE_RATE_LIMIT_PER_ADDRESS: \"1/d\" is not understood: write a rate such as \"50/s\", \"600/m\" or \"1000/h burst 50\", of at most 1000000",
            "backplane.toml: plugin.a.access.\"GET /\": \"anybody\" is not understood: write \"signed-in\", or { roles = [\"clerk\"], scopes = [\"orders:read\"] } with one list or both",
            "backplane.toml: plugin.a.access.\"HEAD\": is said with `GET`, which holds for `HEAD` too: write that",
            "backplane.toml: plugin.a.access.\"post\": is not understood: write \"*\" for every route, a method such as \"POST\", a path as the plugin has it such as \"/{id}\", or both as in \"POST /{id}\"",
            "backplane.toml: plugin.b.access: is a table: write its keys under `[plugin.b.access]`",
            "backplane.toml: plugin.c.rate_limit.per_user: unknown key; the keys here are per_caller, per_address, routes",
            "backplane.toml: plugin.c.rate_limit.routes.\"/\": \"1/s\" is not understood: write { per_caller = \"5/s\" }, per_address, or both",
            "backplane.toml: plugin.c.rate_limit.routes.\"POST\".per_caller: \"0/s\" is not understood: write a rate such as \"50/s\", \"600/m\" or \"1000/h burst 50\", of at most 1000000",
        ],
    );
}

#[test]
fn says_where_a_file_is_not_toml() {
    let error = Config::load(sources("listen = ", &[], &[])).expect_err("the file is broken");
    assert!(error.to_string().contains("backplane.toml: is not TOML"), "{error}");
    assert!(error.to_string().contains("line 1"), "{error}");
}

#[test]
fn ignores_the_variables_of_a_service_that_is_called_backplane() {
    let environment = [("BACKPLANE_PORT", "tcp://10.0.0.1:80"), ("BACKPLANE_SERVICE_HOST", "10.0.0.1")];
    assert_eq!(load("", &environment, &[]), Config::default());
}
