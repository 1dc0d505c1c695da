//! Answers with what reached it of a request.

#[backplane_sdk::plugin]
mod echo {
    use std::collections::BTreeMap;

    use backplane_sdk::{Call, Extract, prelude::*};
    use serde::Serialize;

    /// A request as the guest sees it.
    #[derive(Serialize)]
    struct Seen {
        /// Method.
        method: String,
        /// Path below the mount, as the client sent it.
        path: String,
        /// What followed `?`.
        query: Option<String>,
        /// The route's parameters, decoded.
        params: BTreeMap<&'static str, String>,
        /// Headers in order.
        headers: Vec<(String, String)>,
        /// Length of the body.
        body_bytes: usize,
        /// Id under which the host logs the call.
        request_id: String,
    }

    impl Extract for Seen {
        fn extract(call: &mut Call) -> Result<Self> {
            let param = |name: &'static str| Some((name, call.param(name)?.to_owned()));
            Ok(Seen {
                method: call.method().to_owned(),
                path: call.path().to_owned(),
                query: call.query().map(str::to_owned),
                params: ["id", "rest"].into_iter().filter_map(param).collect(),
                headers: call.headers().to_vec(),
                body_bytes: call.take_body()?.len(),
                request_id: Context.request_id(),
            })
        }
    }

    /// Answers one segment.
    #[get("/items/{id}", public)]
    fn show_item(seen: Seen) -> Json<Seen> {
        Json(seen)
    }

    /// Answers a body of at most 16 bytes.
    #[post("/small", public, body_max = "16B")]
    fn take_small(seen: Seen) -> Json<Seen> {
        Json(seen)
    }

    /// Answers everything else.
    #[any("/all/{*rest}", public, headers("x-first", "x-second"))]
    fn show_all(seen: Seen) -> Json<Seen> {
        Json(seen)
    }
}
