//! A response, whole, however it was received.

use serde_json::Value;

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: u16,
    /// Header lines, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Receives the rest of a response.
    pub(crate) fn receive(response: reqwest::blocking::Response) -> reqwest::Result<Self> {
        let lines = response.headers().iter();
        let headers = lines.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()));
        let (status, headers) = (response.status().as_u16(), headers.collect());
        Ok(Self { status, headers, body: response.bytes()?.to_vec() })
    }

    /// Returns the first line of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// Checks that this is a success.
    #[track_caller]
    pub(crate) fn check_success(&self) {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text());
    }

    /// Checks that this is a success with that body.
    #[track_caller]
    pub(crate) fn check_text(&self, expected: &str) {
        assert_eq!((self.status, self.text().as_str()), (200, expected), "{self:?}");
    }

    /// Checks that this is a problem document with that status and code, under the request's id.
    #[track_caller]
    pub(crate) fn check_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{} {self:?}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        for field in ["type", "title", "detail"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "no {field} in {problem}");
        }
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "{self:?}");
        assert!(self.header("x-request-id").is_some(), "{self:?}");
    }
}
