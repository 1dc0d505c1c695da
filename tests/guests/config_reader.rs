//! Answers with its settings.

#[backplane_sdk::plugin]
mod config_reader {
    use backplane_sdk::prelude::*;
    use serde::Serialize;

    #[config]
    #[derive(Serialize)]
    struct Settings {
        /// What every greeting starts with.
        greeting: String,
        /// How often.
        #[default(3)]
        times: u32,
        /// To whom, if to anybody.
        names: Option<Vec<String>>,
    }

    /// Answers with the settings.
    #[get("/", public)]
    fn show(Config(settings): Config<Settings>) -> Json<Settings> {
        Json(settings)
    }
}
