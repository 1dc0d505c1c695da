//! Times that never come, and functions that the clock cannot call.

#[backplane_sdk::plugin]
mod times {
    use backplane_sdk::prelude::*;

    #[every]
    fn no_time() -> Result<()> {
        Ok(())
    }

    #[every("5")]
    fn no_unit() -> Result<()> {
        Ok(())
    }

    #[every("500ms")]
    fn too_often() -> Result<()> {
        Ok(())
    }

    #[every("367d")]
    fn too_rarely() -> Result<()> {
        Ok(())
    }

    #[every("5m", zone = "Europe/Berlin")]
    fn zone_without_a_calendar() -> Result<()> {
        Ok(())
    }

    #[every("5m", missed = "all")]
    fn wrong_choice() -> Result<()> {
        Ok(())
    }

    #[cron]
    fn no_pattern() -> Result<()> {
        Ok(())
    }

    #[cron("0 3 * *")]
    fn too_few_fields() -> Result<()> {
        Ok(())
    }

    #[cron("0 0 3 * * *")]
    fn seconds() -> Result<()> {
        Ok(())
    }

    #[cron("@reboot")]
    fn unknown_word() -> Result<()> {
        Ok(())
    }

    #[cron("0 3 * * *", zone = "Berlin, Germany")]
    fn not_a_zone() -> Result<()> {
        Ok(())
    }

    #[every("5m")]
    fn no_result() {}
}

#[backplane_sdk::plugin]
mod types {
    use backplane_sdk::prelude::*;

    #[every("5m")]
    fn of_an_event(event: Event<Text>) -> Result<()> {
        drop(event);
        Ok(())
    }

    #[cron("@daily")]
    fn of_a_request(Path(id): Path<String>) -> Result<()> {
        drop(id);
        Ok(())
    }
}

fn main() {}
