//! Writes that depend on a range that was read: the anomalies of snapshot isolation, one shape after another.
//!
//! `?pause_ms=` sleeps between reading and writing, so that calls overlap. Each shape has an invariant that holds under
//! every serial order, and a route that shows whether it does.

#[backplane_sdk::plugin(timeout = "30s")]
mod kv_ranges {
    use std::{collections::BTreeMap, thread, time::Duration};

    use backplane_sdk::prelude::*;
    use serde::{Deserialize, Serialize};

    const DUTY: kv::Bucket = kv::bucket("duty");
    const SEATS: kv::Bucket = kv::bucket("seats");
    const BOOKINGS: kv::Bucket = kv::bucket("bookings");
    const BALANCES: kv::Bucket = kv::bucket("balances");
    const QUEUE: kv::Bucket = kv::bucket("queue");

    #[derive(Deserialize)]
    struct Pause {
        #[serde(default)]
        pause_ms: u64,
    }

    impl Pause {
        fn sleep(&self) {
            thread::sleep(Duration::from_millis(self.pause_ms));
        }
    }

    /// Puts a doctor on duty.
    #[put("/duty/{doctor}", public)]
    fn go_on_duty(Path(doctor): Path<String>) -> Result<NoContent> {
        DUTY.set(&doctor, "")?;
        Ok(NoContent)
    }

    /// Write skew: takes a doctor off duty unless nobody else is left. Invariant: somebody is on duty.
    #[delete("/duty/{doctor}", public)]
    fn go_off_duty(Path(doctor): Path<String>, Query(pause): Query<Pause>) -> Result<NoContent> {
        let on_duty = keys(DUTY.list())?;
        pause.sleep();
        if !on_duty.contains(&doctor) {
            return Err(Problem::not_found("not on duty"));
        }
        if on_duty.len() == 1 {
            return Err(Problem::conflict("nobody else is on duty").with_code("last_on_duty"));
        }
        DUTY.delete(&doctor)?;
        Ok(NoContent)
    }

    /// Answers who is on duty.
    #[get("/duty", public)]
    fn list_duty() -> Result<Json<Vec<String>>> {
        keys(DUTY.list()).map(Json)
    }

    /// Phantom: gives a guest a seat at a table of three. Invariant: three guests at most.
    #[put("/seats/{table}/{guest}", public)]
    fn take_seat(Path((table, guest)): Path<(String, String)>, Query(pause): Query<Pause>) -> Result<NoContent> {
        let taken = SEATS.list().prefix(format!("{table}/")).count();
        pause.sleep();
        if taken >= 3 {
            return Err(Problem::conflict("the table is full").with_code("full"));
        }
        SEATS.set(&format!("{table}/{guest}"), "")?;
        Ok(NoContent)
    }

    /// Answers who sits at a table.
    #[get("/seats/{table}", public)]
    fn list_seats(Path(table): Path<String>) -> Result<Json<Vec<String>>> {
        keys(SEATS.list().prefix(format!("{table}/"))).map(Json)
    }

    /// Phantom between keys: books a room from one time to another. Invariant: no two bookings overlap.
    #[put("/bookings/{room}/{from}/{to}", public)]
    fn book(Path((room, from, to)): Path<(String, u32, u32)>, Query(pause): Query<Pause>) -> Result<NoContent> {
        let booked = bookings(&room)?;
        pause.sleep();
        if booked.iter().any(|(start, end)| from < *end && *start < to) {
            return Err(Problem::conflict("somebody else has the room then").with_code("taken"));
        }
        BOOKINGS.set_json(&format!("{room}/{from:010}"), &(from, to))?;
        Ok(NoContent)
    }

    /// Answers the bookings of a room, as pairs of times.
    #[get("/bookings/{room}", public)]
    fn list_bookings(Path(room): Path<String>) -> Result<Json<Vec<(u32, u32)>>> {
        bookings(&room).map(Json)
    }

    fn bookings(room: &str) -> Result<Vec<(u32, u32)>> {
        BOOKINGS.list().prefix(format!("{room}/")).json().map(|entry| Ok(entry?.value)).collect()
    }

    /// Two accounts of one owner.
    #[derive(Serialize)]
    struct Balances {
        checking: i64,
        savings: i64,
    }

    impl Balances {
        fn read() -> Result<Self> {
            let balances: BTreeMap<String, i64> = BALANCES
                .list()
                .json()
                .map(|entry| entry.map(|entry| (entry.key, entry.value)))
                .collect::<Result<_, kv::Error>>()?;
            let balance = |name| balances.get(name).copied().unwrap_or_default();
            Ok(Self { checking: balance("checking"), savings: balance("savings") })
        }
    }

    /// Sets both balances.
    #[put("/balances/{checking}/{savings}", public)]
    fn set_balances(Path((checking, savings)): Path<(i64, i64)>) -> Result<NoContent> {
        BALANCES.set_json("checking", &checking)?;
        BALANCES.set_json("savings", &savings)?;
        Ok(NoContent)
    }

    /// Read-only anomaly, first writer: pays into the savings.
    #[post("/deposit/{amount}", public)]
    fn deposit(Path(amount): Path<i64>, Query(pause): Query<Pause>) -> Result<Json<Balances>> {
        let mut balances = Balances::read()?;
        pause.sleep();
        balances.savings += amount;
        BALANCES.set_json("savings", &balances.savings)?;
        Ok(Json(balances))
    }

    /// Read-only anomaly, second writer: takes from the checking account, and a fee of 1 when both together do not cover
    /// it. Invariant: after a reader has seen a deposit and no withdrawal, the withdrawal knows the deposit too.
    #[post("/withdraw/{amount}", public)]
    fn withdraw(Path(amount): Path<i64>, Query(pause): Query<Pause>) -> Result<Json<Balances>> {
        let mut balances = Balances::read()?;
        pause.sleep();
        let is_covered = balances.checking + balances.savings >= amount;
        balances.checking -= amount + i64::from(!is_covered);
        BALANCES.set_json("checking", &balances.checking)?;
        Ok(Json(balances))
    }

    /// Read-only anomaly, the reader: both balances, read one after the other.
    #[get("/balances", public)]
    fn show_balances(Query(pause): Query<Pause>) -> Result<Json<Balances>> {
        let checking = BALANCES.get_json("checking")?.unwrap_or_default();
        pause.sleep();
        let savings = BALANCES.get_json("savings")?.unwrap_or_default();
        Ok(Json(Balances { checking, savings }))
    }

    /// Appends to a queue, and answers the place. Invariant: places are 1, 2, 3 and so on, and nothing is lost.
    #[post("/queue/{item}", public)]
    fn push(Path(item): Path<String>, Query(pause): Query<Pause>) -> Result<Json<u64>> {
        let last = QUEUE.list().descending().limit(1).page()?.items.pop();
        pause.sleep();
        let place = last.map_or(Ok(0), |last| last.key.parse::<u64>())? + 1;
        QUEUE.set(&format!("{place:010}"), &item)?;
        Ok(Json(place))
    }

    /// Takes the first of the queue. Invariant: nothing is taken twice.
    #[delete("/queue", public)]
    fn pop(Query(pause): Query<Pause>) -> Result<String> {
        let first = QUEUE.list().limit(1).text().page()?.items.pop().or_not_found("the queue is empty")?;
        pause.sleep();
        QUEUE.delete(&first.key)?;
        Ok(first.value)
    }

    /// Answers the queue, places with their items.
    #[get("/queue", public)]
    fn list_queue() -> Result<Json<Vec<kv::Entry<String>>>> {
        Ok(Json(QUEUE.list().text().collect::<Result<_, _>>()?))
    }

    fn keys(list: kv::List) -> Result<Vec<String>> {
        list.map(|entry| Ok(entry?.key)).collect()
    }
}
