//! Modules that cannot be plugins.

use backplane_sdk::plugin;

#[plugin]
fn not_a_module() {}

#[plugin]
mod elsewhere;

#[plugin]
mod without_routes {
    fn helper() {}
}

#[plugin]
mod NotAName {
    #[backplane_sdk::get("/")]
    fn root() -> &'static str {
        ""
    }
}

#[plugin(nam = "a")]
mod unknown_option {
    #[backplane_sdk::get("/")]
    fn root() -> &'static str {
        ""
    }
}

#[plugin(name = "Orders")]
mod wrong_name {
    #[backplane_sdk::get("/")]
    fn root() -> &'static str {
        ""
    }
}

#[plugin(instance = "shared")]
mod wrong_choice {
    #[backplane_sdk::get("/")]
    fn root() -> &'static str {
        ""
    }
}

#[plugin(memory = 64)]
mod wrong_size {
    #[backplane_sdk::get("/")]
    fn root() -> &'static str {
        ""
    }
}

#[plugin(cpu = "500")]
mod wrong_time {
    #[backplane_sdk::get("/")]
    fn root() -> &'static str {
        ""
    }
}

#[plugin(concurrency = 0)]
mod wrong_count {
    #[backplane_sdk::get("/")]
    fn root() -> &'static str {
        ""
    }
}

fn main() {}
