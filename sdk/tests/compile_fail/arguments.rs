//! Arguments that a request cannot fill.

#[backplane_sdk::plugin]
mod arguments {
    use backplane_sdk::prelude::*;

    #[get("/1")]
    fn path_without_parameter(Path(id): Path<String>) -> String {
        id
    }

    #[get("/2")]
    fn struct_without_parameter(Path(id): Path<std::ops::Range<u8>>) -> String {
        format!("{id:?}")
    }

    #[get("/{a}/3")]
    fn too_many_elements(Path((a, b)): Path<(String, String)>) -> String {
        a + &b
    }

    #[get("/{a}/{b}/4")]
    fn too_few_elements(Path(a): Path<u32>) -> String {
        a.to_string()
    }

    #[get("/{a}/{b}/5")]
    fn other_count(Path((a, b, c)): Path<(u8, u8, u8)>) -> String {
        format!("{a}{b}{c}")
    }

    #[post("/6")]
    fn two_bodies(Json(a): Json<String>, Text(b): Text) -> String {
        a + &b
    }

    #[get("/7")]
    fn body_of_get(Json(a): Json<String>) -> String {
        a
    }

    #[head("/8")]
    fn optional_body_of_head(a: Option<Bytes>) -> String {
        format!("{a:?}")
    }
}

fn main() {}
