//! What `#[plugin]` writes: the module as it was, the dispatch, the manifest and the exports.
//!
//! Everything generated carries the author's span where a mistake would show, and none of it runs before a request.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{AttrStyle, Attribute, Ident, ItemMod, LitByteStr, ReturnType};

use crate::arguments::Argument;
use crate::plugin::Declared;
use crate::route::Route;
use crate::service::Service;
use crate::settings::Settings;
use crate::trigger::Trigger;

pub(crate) fn expand(module: &ItemMod, manifest: &str, declared: &Declared) -> TokenStream {
    let ItemMod { attrs, vis, mod_token, ident, content, .. } = module;
    let (outer, inner): (Vec<&Attribute>, Vec<_>) =
        attrs.iter().partition(|attribute| matches!(attribute.style, AttrStyle::Outer));
    let request = local("request");
    let items = content.iter().flat_map(|(_, items)| items);
    let arms = (0u32..).zip(&declared.routes).map(|(index, route)| arm(index, route));
    let init = declared.init.as_ref().map(init);
    let settings = declared.settings.as_ref().map(settings);
    let event = handle_event(declared);
    let schedule = handle_schedule(declared);
    let grpc = handle_grpc(declared);
    let checks = declared.services.iter().map(check);
    let exports = exports(declared);
    let section = section(manifest);
    let descriptors = descriptors(declared);
    quote! {
        #(#outer)*
        #vis #mod_token #ident {
            #(#inner)*
            #(#items)*

            /// The plugin that this module is, for the host and for `backplane_sdk::testing`.
            #[allow(dead_code)]
            pub struct Plugin;

            impl ::backplane_sdk::Plugin for Plugin {
                const MANIFEST: &'static str = #manifest;

                fn handle(
                    #request: ::backplane_sdk::Request,
                ) -> ::backplane_sdk::Result<::backplane_sdk::Response> {
                    match #request.route {
                        #(#arms)*
                        other => ::core::result::Result::Err(::backplane_sdk::export::unknown_route(other)),
                    }
                }

                #event

                #schedule

                #grpc

                #init
            }

            #settings

            // Outside of a component nobody calls the dispatch, and without this every handler would be dead code.
            const _: fn(::backplane_sdk::Request) -> ::backplane_sdk::Result<::backplane_sdk::Response> =
                <Plugin as ::backplane_sdk::Plugin>::handle;
            const _: fn(::backplane_sdk::Delivery) -> ::backplane_sdk::Result<()> =
                <Plugin as ::backplane_sdk::Plugin>::handle_event;
            const _: fn(::backplane_sdk::Run) -> ::backplane_sdk::Result<()> =
                <Plugin as ::backplane_sdk::Plugin>::handle_schedule;
            const _: fn(::backplane_sdk::GrpcCall) -> ::backplane_sdk::grpc::Result<::std::vec::Vec<u8>> =
                <Plugin as ::backplane_sdk::Plugin>::handle_grpc;

            #(#checks)*

            #[cfg(target_arch = "wasm32")]
            const _: () = {
                #exports
                #section
                #descriptors
            };
        }
    }
}

/// Names a local of the dispatch so that no handler means it: one of the same name is still what is called.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

fn arm(index: u32, route: &Route) -> TokenStream {
    let (request, call) = (local("request"), local("call"));
    let function = &route.function;
    let names = &route.path.params;
    let arguments = route.arguments.iter().map(argument);
    let respond = match &route.output {
        ReturnType::Type(_, ty) if !is_opaque(ty.to_token_stream()) => {
            quote_spanned!(ty.span()=> <#ty as ::backplane_sdk::IntoResponse>::into_response)
        }
        _ => quote!(::backplane_sdk::IntoResponse::into_response),
    };
    // A call without arguments needs no `mut`.
    let start = if route.arguments.is_empty() {
        quote!()
    } else {
        quote! {
            #[allow(unused_mut)]
            let mut #call = ::backplane_sdk::Call::new(#request, &[#(#names),*]);
        }
    };
    quote_spanned! {function.span()=>
        #index => {
            #start
            #respond(#function(#(#arguments),*))
        }
    }
}

/// Returns whether there is an `impl Trait` in a type: such a type has no name outside of its function.
fn is_opaque(ty: TokenStream) -> bool {
    ty.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "impl",
        TokenTree::Group(group) => is_opaque(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

fn argument(argument: &Argument) -> TokenStream {
    let call = local("call");
    match argument {
        Argument::Extracted(ty) => {
            quote_spanned! {ty.span()=> <#ty as ::backplane_sdk::Extract>::extract(&mut #call)? }
        }
        Argument::Header { name, ty } => {
            quote_spanned! {ty.span()=> ::backplane_sdk::export::header::<#ty>(&#call, #name)? }
        }
    }
}

/// Writes the exports of what the plugin has, so that its component has no other.
fn exports(declared: &Declared) -> TokenStream {
    let http = (!declared.routes.is_empty()).then(|| quote!(::backplane_sdk::export::export_http!(Plugin);));
    let event = (!declared.subscriptions.is_empty()).then(|| quote!(::backplane_sdk::export::export_event!(Plugin);));
    let schedule = (!declared.schedules.is_empty()).then(|| quote!(::backplane_sdk::export::export_schedule!(Plugin);));
    let grpc = (!declared.services.is_empty()).then(|| quote!(::backplane_sdk::export::export_grpc!(Plugin);));
    let lifecycle = declared.init.as_ref().map(|_| quote!(::backplane_sdk::export::export_lifecycle!(Plugin);));
    quote!(#http #event #schedule #grpc #lifecycle)
}

fn handle_event(declared: &Declared) -> Option<TokenStream> {
    let call = local("call");
    let arms = (0u32..)
        .zip(&declared.subscriptions)
        .map(|(index, subscription)| trigger_arm(index, &subscription.trigger, &quote!(::backplane_sdk::Delivery)));
    (!declared.subscriptions.is_empty()).then(|| {
        quote! {
            #[allow(unused_mut)]
            fn handle_event(mut #call: ::backplane_sdk::Delivery) -> ::backplane_sdk::Result<()> {
                match #call.subscription {
                    #(#arms)*
                    other => ::core::result::Result::Err(::backplane_sdk::export::unknown_subscription(other)),
                }
            }
        }
    })
}

fn handle_schedule(declared: &Declared) -> Option<TokenStream> {
    let call = local("call");
    let arms = (0u32..)
        .zip(&declared.schedules)
        .map(|(index, schedule)| trigger_arm(index, &schedule.trigger, &quote!(::backplane_sdk::Run)));
    (!declared.schedules.is_empty()).then(|| {
        quote! {
            #[allow(unused_mut)]
            fn handle_schedule(mut #call: ::backplane_sdk::Run) -> ::backplane_sdk::Result<()> {
                match #call.schedule {
                    #(#arms)*
                    other => ::core::result::Result::Err(::backplane_sdk::export::unknown_schedule(other)),
                }
            }
        }
    })
}

fn handle_grpc(declared: &Declared) -> Option<TokenStream> {
    let functions = declared.services.iter().flat_map(|service| {
        let (of, implemented) = (&service.of, &service.implemented);
        service.functions.iter().map(move |function| quote_spanned!(function.span()=> <#of as #implemented>::#function))
    });
    let arms = (0u32..)
        .zip(functions)
        .map(|(index, function)| quote!(#index => ::backplane_sdk::export::unary(call, #function),));
    (!declared.services.is_empty()).then(|| {
        quote! {
            fn handle_grpc(
                call: ::backplane_sdk::GrpcCall,
            ) -> ::backplane_sdk::grpc::Result<::std::vec::Vec<u8>> {
                match call.method {
                    #(#arms)*
                    other => ::core::result::Result::Err(::backplane_sdk::export::unknown_method(other)),
                }
            }
        }
    })
}

/// Has the compiler compare the names in the manifest with those of the service.
fn check(service: &Service) -> TokenStream {
    let Service { manifest, name_span, implemented, of, .. } = service;
    let name = &manifest.service;
    let pairs = manifest.methods.iter().map(|method| {
        let (function, name) = (method.handler.trim_start_matches("r#"), &method.name);
        quote!((#function, #name))
    });
    quote_spanned! {*name_span=>
        const _: () = ::backplane_sdk::export::check_service(
            <#of as #implemented>::SERVICE,
            <#of as #implemented>::METHODS,
            #name,
            &[#(#pairs),*],
        );
    }
}

/// Writes the section that the host finds the services' messages in.
fn descriptors(declared: &Declared) -> Option<TokenStream> {
    (!declared.services.is_empty()).then(|| {
        quote! {
            const FILES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/backplane.descriptors.bin"));

            #[unsafe(link_section = "backplane:descriptors")]
            #[used]
            static DESCRIPTORS: [u8; FILES.len()] = *include_bytes!(concat!(env!("OUT_DIR"), "/backplane.descriptors.bin"));
        }
    })
}

fn trigger_arm(index: u32, trigger: &Trigger, kind: &TokenStream) -> TokenStream {
    let call = local("call");
    let function = &trigger.function;
    let arguments = trigger.arguments.iter().map(|ty| {
        quote_spanned! {ty.span()=>
            <#ty as ::backplane_sdk::trigger::FromTrigger<#kind>>::from_trigger(&mut #call)?
        }
    });
    quote_spanned! {function.span()=>
        #index => ::backplane_sdk::export::finish(#function(#(#arguments),*)),
    }
}

fn init(function: &Ident) -> TokenStream {
    quote_spanned! {function.span()=>
        fn init() -> ::backplane_sdk::Result<()> {
            ::backplane_sdk::export::finish(#function())
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
    let bytes = LitByteStr::new(manifest.as_bytes(), Span::call_site());
    let length = manifest.len();
    quote! {
        #[unsafe(link_section = "backplane:manifest")]
        #[used]
        static MANIFEST: [u8; #length] = *#bytes;
    }
}
