//! What `#[plugin]` writes: the module as it was, the dispatch, the manifest and the exports.
//!
//! Everything generated carries the author's span where a mistake would show, and none of it runs before a request.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, ItemMod, LitByteStr, ReturnType, Type};

use crate::arguments::Argument;
use crate::plugin::Declared;
use crate::route::Route;
use crate::settings::Settings;

pub(crate) fn expand(module: &ItemMod, manifest: &str, declared: &Declared) -> TokenStream {
    let ItemMod { attrs, vis, mod_token, ident, content, .. } = module;
    let items = content.iter().flat_map(|(_, items)| items);
    let arms = (0u32..).zip(&declared.routes).map(|(index, route)| arm(index, route));
    let init = declared.init.as_ref().map(init);
    let settings = declared.settings.as_ref().map(settings);
    let export_lifecycle = init.as_ref().map(|_| quote!(::backplane_sdk::export::export_lifecycle!(Plugin);));
    let section = section(manifest);
    quote! {
        #(#attrs)*
        #vis #mod_token #ident {
            #(#items)*

            /// The plugin that this module is, for the host and for `backplane_sdk::testing`.
            #[allow(dead_code)]
            pub struct Plugin;

            impl ::backplane_sdk::Plugin for Plugin {
                const MANIFEST: &'static str = #manifest;

                fn handle(
                    request: ::backplane_sdk::Request,
                ) -> ::backplane_sdk::Result<::backplane_sdk::Response> {
                    match request.route {
                        #(#arms)*
                        other => ::core::result::Result::Err(::backplane_sdk::export::unknown_route(other)),
                    }
                }

                #init
            }

            #settings

            // Outside of a component nobody calls the dispatch, and without this every handler would be dead code.
            const _: fn(::backplane_sdk::Request) -> ::backplane_sdk::Result<::backplane_sdk::Response> =
                <Plugin as ::backplane_sdk::Plugin>::handle;

            #[cfg(target_arch = "wasm32")]
            const _: () = {
                ::backplane_sdk::export::export_http!(Plugin);
                #export_lifecycle
                #section
            };
        }
    }
}

fn arm(index: u32, route: &Route) -> TokenStream {
    let function = &route.function;
    let names = &route.path.params;
    let arguments = route.arguments.iter().map(argument);
    let respond = match &route.output {
        ReturnType::Type(_, ty) if !matches!(**ty, Type::ImplTrait(_)) => {
            quote_spanned!(ty.span()=> <#ty as ::backplane_sdk::IntoResponse>::into_response)
        }
        _ => quote!(::backplane_sdk::IntoResponse::into_response),
    };
    // A call without arguments needs no `mut`.
    let call = if route.arguments.is_empty() {
        quote!()
    } else {
        quote! {
            #[allow(unused_mut)]
            let mut call = ::backplane_sdk::Call::new(request, &[#(#names),*]);
        }
    };
    quote_spanned! {function.span()=>
        #index => {
            #call
            #respond(#function(#(#arguments),*))
        }
    }
}

fn argument(argument: &Argument) -> TokenStream {
    match argument {
        Argument::Extracted(ty) => {
            quote_spanned! {ty.span()=> <#ty as ::backplane_sdk::Extract>::extract(&mut call)? }
        }
        Argument::Header { name, ty } => {
            quote_spanned! {ty.span()=> ::backplane_sdk::export::header::<#ty>(&call, #name)? }
        }
    }
}

fn init(function: &Ident) -> TokenStream {
    quote_spanned! {function.span()=>
        fn init() -> ::backplane_sdk::Result<()> {
            ::backplane_sdk::export::start(#function())
        }
    }
}

fn settings(settings: &Settings) -> TokenStream {
    let name = &settings.name;
    let fields = settings.fields.iter().map(|field| {
        let (field_name, ty, key) = (&field.name, &field.ty, &field.manifest.key);
        let fallback = match &field.fallback {
            Some(json) => quote!(::core::option::Option::Some(#json)),
            None => quote!(::core::option::Option::None),
        };
        quote_spanned! {ty.span()=> #field_name: ::backplane_sdk::export::field::<#ty>(#key, #fallback)? }
    });
    quote! {
        impl ::backplane_sdk::config::Settings for #name {
            fn load() -> ::backplane_sdk::Result<Self> {
                ::core::result::Result::Ok(#name { #(#fields),* })
            }
        }
    }
}

/// Writes the static whose bytes the linker puts into the component's custom section.
fn section(manifest: &str) -> TokenStream {
    let bytes = LitByteStr::new(manifest.as_bytes(), proc_macro2::Span::call_site());
    let length = manifest.len();
    quote! {
        #[unsafe(link_section = "backplane:manifest")]
        #[used]
        static MANIFEST: [u8; #length] = *#bytes;
    }
}
