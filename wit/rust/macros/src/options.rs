//! The options in the parentheses of `#[tool(…)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitBool, LitStr, Result, Token};

/// The options of a tool. Those that are absent have no effect.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    title: Option<String>,
    meta: Option<String>,
    read_only: Option<bool>,
    destructive: Option<bool>,
    idempotent: Option<bool>,
    open_world: Option<bool>,
}

impl Parse for Options {
    fn parse(input: ParseStream) -> Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            match key.to_string().as_str() {
                "name" => {
                    let name = text(input)?;
                    check_name(&key, &name)?;
                    options.name = Some(name);
                }
                "title" => options.title = Some(text(input)?),
                "meta" => options.meta = Some(text(input)?),
                "read_only" => options.read_only = Some(flag(input)?),
                "destructive" => options.destructive = Some(flag(input)?),
                "idempotent" => options.idempotent = Some(flag(input)?),
                "open_world" => options.open_world = Some(flag(input)?),
                other => {
                    return Err(Error::new(
                        key.span(),
                        format!(
                            "`{other}` is unknown; the options are name, title, read_only, destructive, idempotent, \
                             open_world and meta"
                        ),
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    /// Returns the expression of the tool's `Spec`.
    pub(crate) fn spec(&self, description: &str) -> TokenStream {
        let option = |text: &Option<String>| match text {
            Some(text) => quote!(::core::option::Option::Some(#text)),
            None => quote!(::core::option::Option::None),
        };
        let hint = |hint: Option<bool>| match hint {
            Some(hint) => quote!(::core::option::Option::Some(#hint)),
            None => quote!(::core::option::Option::None),
        };
        let (title, meta) = (option(&self.title), option(&self.meta));
        let hints = [self.read_only, self.destructive, self.idempotent, self.open_world].map(hint);
        let [read_only, destructive, idempotent, open_world] = hints;
        quote! {
            ::toolcrib_guest::__private::Spec {
                title: #title,
                description: #description,
                meta: #meta,
                annotations: ::toolcrib_guest::Annotations {
                    read_only: #read_only,
                    destructive: #destructive,
                    idempotent: #idempotent,
                    open_world: #open_world,
                },
            }
        }
    }
}

fn text(input: ParseStream) -> Result<String> {
    input.parse::<Token![=]>()?;
    Ok(input.parse::<LitStr>()?.value())
}

/// Parses `= true` or `= false`. Nothing means `true`.
fn flag(input: ParseStream) -> Result<bool> {
    if !input.peek(Token![=]) {
        return Ok(true);
    }
    input.parse::<Token![=]>()?;
    Ok(input.parse::<LitBool>()?.value)
}

fn check_name(key: &Ident, name: &str) -> Result<()> {
    let is_valid = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_valid {
        return Ok(());
    }
    Err(Error::new(key.span(), "the name of a tool has 1 to 64 characters of A-Z a-z 0-9 _ -"))
}
