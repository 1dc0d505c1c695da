//! Topics that are none, and handlers of events that nothing can be given to.

#[backplane_sdk::plugin(publishes("Orders.created"))]
mod topics {
    use backplane_sdk::prelude::*;

    #[on]
    fn no_pattern(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[on(orders)]
    fn not_a_text(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[on("orders/created")]
    fn not_a_topic(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[on("*.created")]
    fn star_in_front(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[on("a.b.c.d.e.f.g.h.i")]
    fn too_many_segments(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[on("orders.1", attempts = 0)]
    fn no_attempt(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[on("orders.2", attempts = 101)]
    fn too_many_attempts(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[on("orders.3", retries = 3)]
    fn unknown_option(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[on("orders.4")]
    fn two_events(first: Event<Text>, second: Event<Text>) -> Result<()> {
        drop((first, second));
        Ok(())
    }

    #[on("orders.5")]
    async fn not_plain(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[on("orders.6")]
    fn no_result(event: Event<Text>) {
        drop(event);
    }

    #[on("orders.7")]
    #[every("5m")]
    fn both(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[on("orders.8")]
    struct NotAFunction;
}

#[backplane_sdk::plugin(publishes("orders.*", "orders.created", "orders.*"))]
mod published_twice {}

#[backplane_sdk::plugin(publishes())]
mod nothing_published {
    use backplane_sdk::prelude::*;

    #[on("orders.*")]
    fn first(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[on("orders.*")]
    fn second(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }
}

#[backplane_sdk::plugin]
mod types {
    use backplane_sdk::prelude::*;

    struct Order;

    #[on("orders.1")]
    fn not_deserialized(event: Event<Order>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[on("orders.2")]
    fn of_a_request(Json(order): Json<String>) -> Result<()> {
        drop(order);
        Ok(())
    }

    #[on("orders.3")]
    fn of_a_schedule(run: Run) -> Result<()> {
        drop(run);
        Ok(())
    }

    #[on("orders.4")]
    fn nobody_calls(caller: Principal) -> Result<()> {
        drop(caller);
        Ok(())
    }

    #[on("orders.5")]
    fn answers(event: Event<Text>) -> Result<Text> {
        Ok(event.payload)
    }
}

fn main() {}
