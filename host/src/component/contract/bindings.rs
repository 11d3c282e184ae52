//! Rust bindings of the WIT package `toolcrib:mcp`, generated at compile time.
#![allow(missing_docs)] // The WIT files hold the documentation.

wasmtime::component::bindgen!({
    path: "../wit",
    // A component exports any subset of these interfaces. One world with all of them yields one set of types.
    inline: "
        package toolcrib:host;
        world everything {
            import toolcrib:mcp/call@0.1.1;
            export toolcrib:mcp/tool@0.1.1;
            export toolcrib:mcp/prompts@0.1.1;
            export toolcrib:mcp/resources@0.1.1;
            export toolcrib:mcp/completions@0.1.1;
        }
    ",
    world: "toolcrib:host/everything",
    imports: {
        "toolcrib:mcp/call.progress": async,
        "toolcrib:mcp/call.log": async,
    },
    exports: { default: async },
});
