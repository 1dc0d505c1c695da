//! The fixture `script`, which does with its state what it is told.

use serde_json::Value;

use super::{Answer, Connection, Server};

impl Server {
    /// Lets `script` do steps in one call that may write.
    #[track_caller]
    pub(crate) fn script(&self, steps: &Value) -> Answer {
        self.script_as(steps, &[])
    }

    /// Lets `script` do steps in one call that may write, with more headers.
    #[track_caller]
    pub(crate) fn script_as(&self, steps: &Value, headers: &[(&str, &str)]) -> Answer {
        let request = self.request("POST", "/script").json(steps);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let sent = request.send().and_then(Answer::receive);
        sent.unwrap_or_else(|error| panic!("{error:?}\n{}", self.log().join("\n")))
    }

    /// Lets `script` do steps in one call that only reads, and returns what it saw.
    #[track_caller]
    pub(crate) fn look(&self, steps: &Value) -> Value {
        let answer = self.get(&reading(steps));
        assert_eq!(answer.status, 200, "{}\n{}", answer.text(), self.log().join("\n"));
        answer.json()
    }
}

impl Connection {
    /// Lets `script` do steps in one call that may write, unless the server is gone.
    #[track_caller]
    pub(crate) fn script(&mut self, steps: &Value) -> Option<Answer> {
        self.call("POST", "/script", "content-type: application/json\r\n", steps.to_string().as_bytes())
    }

    /// Lets `script` do steps in one call that only reads, unless the server is gone.
    #[track_caller]
    pub(crate) fn look(&mut self, steps: &Value) -> Option<Answer> {
        self.call("GET", &reading(steps), "", b"")
    }
}

/// Returns the path under which `script` does steps and only reads.
pub(crate) fn reading(steps: &Value) -> String {
    let encode = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02X}") };
    format!("/script?steps={}", steps.to_string().bytes().map(encode).collect::<String>())
}
