//! The attribute `#[tool]` of the crate `toolcrib-guest`, which documents it.

mod options;

use options::Options;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprLit, FnArg, Ident, ItemFn, Lit, Meta, Pat, PatType, Result, ReturnType, Type};

#[proc_macro_attribute]
pub fn tool(options: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let expand = || expand(syn::parse(options)?, syn::parse(item)?);
    expand().unwrap_or_else(Error::into_compile_error).into()
}

/// Returns the function, and a type of the same name that implements `toolcrib_guest::Tool`.
fn expand(options: Options, mut function: ItemFn) -> Result<TokenStream> {
    check_signature(&function)?;
    let ident = function.sig.ident.clone();
    let Some(description) = documentation(&function.attrs) else {
        return Err(Error::new(
            ident.span(),
            "a tool needs a description: write a doc comment (`/// …`) above the function",
        ));
    };
    let result = match &function.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, result) => quote!(#result),
    };
    let arguments = arguments(&mut function)?;
    let name = options.name.clone().unwrap_or_else(|| ident.to_string());
    let spec = options.spec(&description);
    let visibility = &function.vis;
    let Arguments { declaration, ty, pattern, values } = arguments;
    Ok(quote! {
        #function

        #[doc = concat!("The tool `", #name, "`.")]
        #[allow(non_camel_case_types, clippy::empty_enums, reason = "it is named like its function")]
        #visibility enum #ident {}

        const _: () = {
            #declaration

            impl ::toolcrib_guest::Tool for #ident {
                const NAME: &'static str = #name;

                fn definition() -> ::toolcrib_guest::Definition {
                    ::toolcrib_guest::__private::definition::<#ty, #result>(Self::NAME, #spec)
                }

                fn call(
                    arguments: ::std::string::String,
                ) -> ::core::result::Result<::toolcrib_guest::Output, ::toolcrib_guest::Error> {
                    let #pattern: #ty = ::toolcrib_guest::__private::arguments(arguments)?;
                    ::toolcrib_guest::IntoOutput::into_output(#ident(#(#values),*))
                }
            }
        };
    })
}

fn check_signature(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    if let Some(asyncness) = signature.asyncness {
        return Err(Error::new(asyncness.span, "a tool is an ordinary function, not an `async fn`"));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new(signature.generics.span(), "a tool has no type parameters and no lifetimes"));
    }
    Ok(())
}

/// The arguments of a tool, as the generated code receives them.
struct Arguments {
    /// The struct of the parameters, unless the function takes a struct itself.
    declaration: TokenStream,
    ty: TokenStream,
    /// Takes `ty` apart.
    pattern: TokenStream,
    /// The values that the function is called with.
    values: Vec<TokenStream>,
}

/// Moves the attributes of the parameters to the fields of a struct.
fn arguments(function: &mut ItemFn) -> Result<Arguments> {
    let parameters: Vec<&mut PatType> = function
        .sig
        .inputs
        .iter_mut()
        .map(|input| match input {
            FnArg::Typed(parameter) => Ok(parameter),
            FnArg::Receiver(this) => Err(Error::new(this.span(), "a tool is a function without `self`")),
        })
        .collect::<Result<_>>()?;
    if let [parameter] = &parameters[..]
        && is_arguments(&parameter.ty)
    {
        let ty = &parameter.ty;
        return Ok(Arguments {
            declaration: TokenStream::new(),
            ty: quote!(#ty),
            pattern: quote!(arguments),
            values: vec![quote!(arguments)],
        });
    }
    let mut fields = Vec::new();
    let mut names = Vec::new();
    for parameter in parameters {
        let name = parameter_name(parameter)?;
        if let Type::Reference(reference) = &*parameter.ty {
            return Err(Error::new(
                reference.span(),
                "an argument is owned: `String` instead of `&str`, `Vec<T>` instead of `&[T]`",
            ));
        }
        if is_arguments(&parameter.ty) {
            return Err(Error::new(parameter.ty.span(), "`Arguments` is the only parameter of its function"));
        }
        let attributes = std::mem::take(&mut parameter.attrs);
        let ty = &parameter.ty;
        fields.push(quote!(#(#attributes)* #name: #ty));
        names.push(name);
    }
    // Hygienic, so that no type of the function's module is shadowed.
    let ty = format_ident!("__{}_arguments", function.sig.ident, span = Span::mixed_site());
    Ok(Arguments {
        declaration: quote! {
            #[derive(::toolcrib_guest::serde::Deserialize, ::toolcrib_guest::schemars::JsonSchema)]
            #[serde(crate = "::toolcrib_guest::serde", deny_unknown_fields)]
            #[schemars(crate = "::toolcrib_guest::schemars")]
            #[allow(non_camel_case_types)]
            struct #ty { #(#fields),* }
        },
        pattern: quote!(#ty { #(#names),* }),
        values: names.iter().map(|name| quote!(#name)).collect(),
        ty: quote!(#ty),
    })
}

/// Returns whether a type is `Arguments<T>`, with or without its path.
fn is_arguments(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Arguments"))
}

fn parameter_name(parameter: &PatType) -> Result<Ident> {
    match &*parameter.pat {
        Pat::Ident(name) if name.subpat.is_none() && name.by_ref.is_none() => Ok(name.ident.clone()),
        other => Err(Error::new(
            other.span(),
            "a parameter is a name, since it names the argument; to take a struct apart, use `Arguments(…): Arguments<T>`",
        )),
    }
}

/// Joins the lines of the doc comments. Line breaks within a paragraph become spaces.
fn documentation(attributes: &[Attribute]) -> Option<String> {
    let mut text = String::new();
    let mut is_new_block = true;
    for attribute in attributes {
        let Meta::NameValue(pair) = &attribute.meta else { continue };
        let Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) = &pair.value else { continue };
        if !pair.path.is_ident("doc") {
            continue;
        }
        for line in line.value().lines().map(str::trim).chain(line.value().is_empty().then_some("")) {
            is_new_block |= line.is_empty() || line.starts_with(['-', '*', '#', '|', '`']);
            text.push(if is_new_block { '\n' } else { ' ' });
            text.push_str(line);
            is_new_block = line.is_empty();
        }
    }
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
