//! The sentence that documentation starts with.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// Longest text that the manifest's schema accepts, in characters.
const CHARS_MAX: usize = 500;

/// Returns the first sentence of the `///` lines, in one line.
pub(crate) fn first_sentence(attributes: &[Attribute]) -> Option<String> {
    let mut text = String::new();
    for line in attributes.iter().filter_map(doc_line).skip_while(|line| line.trim().is_empty()) {
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(line);
    }
    let end = text.find(". ").map_or(text.len(), |position| position + 1);
    text.truncate(end);
    (!text.is_empty()).then(|| shorten(&text))
}

/// Cuts a text to what the manifest may hold.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(CHARS_MAX).collect()
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    match &pair.value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if pair.path.is_ident("doc") => Some(text.value()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::first_sentence;

    #[test]
    fn takes_the_first_sentence_of_the_first_paragraph() {
        let item: syn::ItemFn = syn::parse_quote! {
            ///
            /// Returns one order, whatever
            /// its state. Costs nothing.
            ///
            /// More.
            #[allow(unused)]
            fn show() {}
        };
        assert_eq!(first_sentence(&item.attrs).as_deref(), Some("Returns one order, whatever its state."));
        assert_eq!(first_sentence(&[]), None);
    }
}
