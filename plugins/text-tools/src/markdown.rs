//! Markdown (CommonMark with tables, strike-through and task lists) as HTML that is safe to show.
//!
//! Whoever wrote the text may not run anything in the reader's browser. HTML in the text is shown as text, and a link
//! or image leads to the web, to a mail address or to a place in the same site, and nowhere else. This list is short
//! on purpose: what is not known to be harmless is left out.

use std::borrow::Cow;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// Schemes that a link may have. Everything else becomes `#`.
const SCHEMES: [&str; 3] = ["http", "https", "mailto"];

/// Renders a text. The result is at most a few times as long.
pub(crate) fn to_html(text: &str) -> String {
    let extensions = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut page = String::with_capacity(text.len() + text.len() / 2);
    html::push_html(&mut page, Parser::new_ext(text, extensions).map(make_safe));
    page
}

fn make_safe(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Link { link_type, dest_url: safe_url(dest_url), title, id })
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Image { link_type, dest_url: safe_url(dest_url), title, id })
        }
        other => other,
    }
}

fn safe_url(url: CowStr<'_>) -> CowStr<'_> {
    if is_safe(&url) { url } else { "#".into() }
}

/// Returns whether a URL is relative or has a known scheme, as a browser would read it (WHATWG URL, section 4.4):
/// control characters and spaces around it are dropped, and so are tabs and line breaks inside.
fn is_safe(url: &str) -> bool {
    let is_dropped = |c: char| c.is_control() || c.is_whitespace();
    let seen: Cow<'_, str> =
        if url.contains(is_dropped) { url.replace(is_dropped, "").into() } else { Cow::Borrowed(url) };
    match seen.find([':', '/', '?', '#', '\\']).map(|end| seen.split_at(end)) {
        Some((scheme, rest)) if rest.starts_with(':') => SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_safe, to_html};

    #[track_caller]
    fn check(markdown: &str, html: &str) {
        assert_eq!(to_html(markdown).trim_end(), html);
    }

    #[test]
    fn renders_what_markdown_has() {
        check("# Hi *there*", "<h1>Hi <em>there</em></h1>");
        check("~~a~~ `b`", "<p><del>a</del> <code>b</code></p>");
        check(
            "[a](https://example.com/?x=1&y=2 \"t\")",
            r#"<p><a href="https://example.com/?x=1&amp;y=2" title="t">a</a></p>"#,
        );
        check("![alt](/a.png)", r#"<p><img src="/a.png" alt="alt" /></p>"#);
        assert!(to_html("|a|\n|-|\n|b|").contains("<td>b</td>"));
    }

    #[test]
    fn shows_html_as_text() {
        check("a <b onclick=x>c</b>", "<p>a &lt;b onclick=x&gt;c&lt;/b&gt;</p>");
        check("<script>\nalert(1)\n</script>", "<p>&lt;script&gt;\nalert(1)\n&lt;/script&gt;</p>");
        check("<!-- a -->", "<p>&lt;!-- a --&gt;</p>");
        check("```\"><script>\nx\n```", "<pre><code class=\"language-&quot;&gt;&lt;script&gt;\">x\n</code></pre>");
    }

    #[test]
    fn leads_nowhere_dangerous() {
        for link in [
            "[a](javascript:alert(1))",
            "[a](JavaScript:alert(1))",
            "[a](java&#115;cript:alert(1))",
            "[a](javascript&colon;alert(1))",
            "[a](<java\tscript:alert(1)>)",
            "[a](&#1;javascript:alert(1))",
            "[a](vbscript:x)",
            "[a](data:text/html;base64,x)",
            "[a](file:///etc/passwd)",
            "<javascript:alert(1)>",
            "[a]\n\n[a]: javascript:x",
        ] {
            let html = to_html(link);
            assert!(html.contains("href=\"#\""), "{link}: {html}");
        }
        check("![a](data:image/svg+xml,x)", r##"<p><img src="#" alt="a" /></p>"##);
    }

    #[test]
    fn leaves_quotes_inside_attributes() {
        let html = to_html("[a](https://x/\"onclick=alert(1)) ![\" onerror=\"x](/a)");
        assert!(!html.contains("\" on"), "{html}");
    }

    #[test]
    fn knows_where_a_url_leads() {
        for url in ["", "a", "/a:b", "a/b:c", "?a:b", "#a:b", "//example.com", "HTTPS://x", "mailto:a@b", " http://x"] {
            assert!(is_safe(url), "{url}");
        }
        for url in ["javascript:x", "\u{1}javascript:x", "java\nscript:x", " data:x", "x:y", ":", "blob:x"] {
            assert!(!is_safe(url), "{url}");
        }
    }

    #[test]
    fn survives_deep_nesting() {
        assert!(to_html(&"> ".repeat(5_000)).len() < 200_000);
        assert!(to_html(&"[".repeat(50_000)).len() < 200_000);
        assert!(to_html(&"*a ".repeat(50_000)).len() < 500_000);
    }
}
