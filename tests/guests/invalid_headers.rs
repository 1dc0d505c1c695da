//! Answers with what no HTTP response can carry.

#[backplane_sdk::plugin]
mod invalid_headers {
    use backplane_sdk::{Response, prelude::*};

    fn response(status: u16, name: &str, value: &str) -> Response {
        Response { status, headers: vec![(name.into(), value.into())], body: b"body".to_vec() }
    }

    /// Answers with any status.
    #[get("/status/{status}", public)]
    fn answer_with_status(Path(status): Path<u16>) -> Response {
        response(status, "x-name", "value")
    }

    /// Answers with a name that is no token.
    #[get("/name", public)]
    fn answer_with_bad_name() -> Response {
        response(200, "x name", "value")
    }

    /// Answers without a name.
    #[get("/no-name", public)]
    fn answer_without_name() -> Response {
        response(200, "", "value")
    }

    /// Answers with a value that would start another header line.
    #[get("/split", public)]
    fn answer_with_split_value() -> Response {
        response(200, "x-name", "value\r\nset-cookie: forged=1")
    }

    /// Answers with a NUL in a value.
    #[get("/nul", public)]
    fn answer_with_nul() -> Response {
        response(200, "x-name", "va\0lue")
    }

    /// Answers with headers that belong to the host.
    #[get("/framing", public)]
    fn answer_with_framing() -> Response {
        let lines = [
            ("content-length", "1"),
            ("transfer-encoding", "chunked"),
            ("connection", "x-name"),
            ("keep-alive", "timeout=9"),
            ("x-name", "value"),
        ];
        let headers = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Response { status: 200, headers, body: b"body".to_vec() }
    }
}
