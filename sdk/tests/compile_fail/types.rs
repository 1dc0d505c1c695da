//! Types that nothing can be read into, or made of.

#[backplane_sdk::plugin]
mod types {
    use backplane_sdk::prelude::*;

    struct Order;

    #[get("/{id}/1")]
    fn plain_argument(id: String) -> String {
        id
    }

    #[get("/2")]
    fn optional_context(context: Option<Context>) -> String {
        format!("{context:?}")
    }

    #[get("/3")]
    fn plain_result() -> Order {
        Order
    }

    #[get("/4")]
    fn number() -> Result<u32> {
        Ok(1)
    }

    #[get("/state")]
    fn plain_page() -> Result<kv::Page<String>> {
        Ok(kv::Page::default())
    }

    #[post("/5")]
    fn not_deserialized(Json(order): Json<Order>) -> NoContent {
        drop(order);
        NoContent
    }
}

fn main() {}
