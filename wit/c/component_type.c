/* The generated code refers to this function, to link an object file with the types of the component. Here
   `wasm-tools component embed` adds them instead. */
void __component_type_object_force_link_tool_component(void);

void __component_type_object_force_link_tool_component(void) {}
