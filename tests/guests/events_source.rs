//! Publishes numbered events, each in the transaction that counts it: the publisher of the proofs of exactly-once.

#[backplane_sdk::plugin(publishes("ledger.*"))]
mod events_source {
    use backplane_sdk::prelude::*;
    use serde_json::{Value, json};

    const PUBLISHED: kv::Bucket = kv::bucket("published");

    /// Publishes the next event of a key: the body, and its number.
    #[post("/{key}", public)]
    fn publish_next(Path(key): Path<String>, Json(mut entry): Json<Value>) -> Result<Json<u64>> {
        let number = PUBLISHED.get_json::<u64>(&key)?.unwrap_or_default() + 1;
        PUBLISHED.set_json(&key, &number)?;
        let fields = entry.as_object_mut().ok_or_else(|| Problem::bad_request("the body is no object"))?;
        fields.insert("number".to_owned(), json!(number));
        events::topic("ledger.handler").key(&key).publish_json(&entry)?;
        Ok(Json(number))
    }

    /// Answers how many events of a key were published.
    #[get("/{key}", public)]
    fn show_published(Path(key): Path<String>) -> Result<Json<u64>> {
        Ok(Json(PUBLISHED.get_json(&key)?.unwrap_or_default()))
    }
}
