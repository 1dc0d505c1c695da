//! Small services for text: counts, differences, Markdown and slugs.
//!
//! Everything is public and keeps nothing, so the routes' `body_max` and the time limit are what bounds a call. The
//! work is done by the modules, which know text and nothing of requests.

#![forbid(unsafe_code)]

mod count;
mod diff;
mod markdown;
mod slug;

#[backplane_sdk::plugin(timeout = "2s")]
mod text_tools {
    use backplane_sdk::prelude::*;
    use serde::{Deserialize, Serialize};

    use crate::count::Counts;
    use crate::{count, diff, markdown, slug};

    /// Two texts to compare.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Versions {
        old: String,
        new: String,
    }

    /// What surrounds a difference.
    #[derive(Deserialize)]
    struct DiffOptions {
        /// Unchanged lines around each change, at most 100.
        #[serde(default = "default_context")]
        context: u8,
    }

    /// A slug and nothing else, as an object that can grow.
    #[derive(Serialize)]
    struct Slug {
        slug: String,
    }

    fn default_context() -> u8 {
        3
    }

    /// Counts lines, words, characters and bytes.
    #[post("/count", public, transaction = "none", body_max = "1MiB")]
    fn count_text(Text(text): Text) -> Json<Counts> {
        Json(count::count(&text))
    }

    /// Compares two texts line by line, as a unified diff.
    #[post("/diff", public, transaction = "none", body_max = "512KiB")]
    fn diff_texts(Query(options): Query<DiffOptions>, Json(versions): Json<Versions>) -> Result<(Headers, String)> {
        if options.context > 100 {
            return Err(Problem::unprocessable("`context` is at most 100 lines"));
        }
        let diff = diff::unified(&versions.old, &versions.new, options.context.into());
        Ok((Headers::from([("content-type", "text/x-diff; charset=utf-8")]), diff))
    }

    /// Renders Markdown as HTML that is safe to show.
    #[post("/markdown", public, transaction = "none", body_max = "256KiB")]
    fn render_markdown(Text(text): Text) -> Html {
        Html(markdown::to_html(&text))
    }

    /// Makes a title fit for a URL.
    #[post("/slug", public, transaction = "none", body_max = "4KiB")]
    fn make_slug(Text(title): Text) -> Result<Json<Slug>> {
        match slug::slug(&title) {
            Some(slug) => Ok(Json(Slug { slug })),
            None => Err(Problem::unprocessable("the title has no letter or digit to keep").with_code("empty_slug")),
        }
    }
}

#[cfg(test)]
mod tests;
