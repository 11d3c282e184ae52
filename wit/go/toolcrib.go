// Package toolcrib makes MCP tools from Go functions.
//
//	package main
//
//	import (
//		"strings"
//		"toolcrib"
//	)
//
//	type Text struct {
//		Text string `json:"text" jsonschema:"The text."`
//	}
//
//	func init() {
//		toolcrib.Add("shout", "Returns the text in capitals.", func(a Text) (string, error) {
//			return strings.ToUpper(a.Text), nil
//		})
//	}
//
//	func main() {}
//
// Arguments are a struct. Its JSON Schema follows from the types of the fields; the tag `jsonschema` is the description of a
// field, the tag `limits` has keywords of the schema, such as `limits:"minimum=1,maximum=5"`. A field with `omitempty` or of
// a pointer type is optional.
//
// A result is a string, content ([Image], [Audio], [Embedded], or a []Content of them), or any other type that encoding/json
// writes as an object, which becomes structured content with a schema.
//
// An error is the answer to the caller, in one sentence. [InvalidArguments] is for mistakes that the caller can correct.
//
// The functions stay ordinary functions, which `go test` can call.
package toolcrib

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	export "toolcrib/bindings/exports/export_toolcrib_mcp_tool"
	// The functions that the component exports.
	_ "toolcrib/bindings/exports/wit_exports"
	mcp "toolcrib/bindings/imports/toolcrib_mcp_types"
	option "toolcrib/pkg/wit/types"
)

// Hints for clients about a tool, and its title for people.
type Hints struct {
	Title string
	// The tool does not modify its environment.
	ReadOnly bool
	// The tool may delete or overwrite data.
	Destructive bool
	// Repeated calls with the same arguments have no further effect.
	Idempotent bool
	// The tool interacts with an open set of external entities, such as the web.
	OpenWorld bool
}

// Add adds a tool to the component. Call it from a function `init`. A model decides by the description when to call the tool.
//
// The component does not load if the name is invalid or not unique, the description is empty, or a type has no JSON Schema.
func Add[A, R any](name, description string, run func(A) (R, error), hints ...Hints) {
	checkName(name)
	tools = append(tools, tool{
		name:   name,
		define: func() mcp.Definition { return define[A, R](name, description, hints) },
		run: func(text string) (mcp.Output, error) {
			var arguments A
			if err := json.Unmarshal([]byte(text), &arguments); err != nil {
				return mcp.Output{}, InvalidArguments(err.Error())
			}
			result, err := run(arguments)
			if err != nil {
				return mcp.Output{}, err
			}
			return outputOf(result)
		},
	})
}

// define returns the definition of a tool. It panics if the tool cannot have one.
func define[A, R any](name, description string, hints []Hints) mcp.Definition {
	if description == "" {
		panic(fmt.Sprintf("the tool %s needs a description", name))
	}
	arguments := reflect.TypeFor[A]()
	if arguments.Kind() != reflect.Struct {
		panic(fmt.Sprintf("the arguments of the tool %s are a struct", name))
	}
	definition := mcp.Definition{
		Name:        name,
		Description: description,
		InputSchema: encode(schemaOf(arguments, false)),
	}
	if isStructured(reflect.TypeFor[R]()) {
		schema := schemaOf(reflect.TypeFor[R](), true)
		if schema["type"] != "object" {
			panic(fmt.Sprintf("the result of the tool %s is a string, content, a struct or a map", name))
		}
		definition.OutputSchema = option.Some(encode(schema))
	}
	for _, hint := range hints {
		if hint.Title != "" {
			definition.Title = option.Some(hint.Title)
		}
		definition.Annotations = option.Some(mcp.Annotations{
			ReadOnly:    option.Some(hint.ReadOnly),
			Destructive: option.Some(hint.Destructive),
			Idempotent:  option.Some(hint.Idempotent),
			OpenWorld:   option.Some(hint.OpenWorld),
		})
	}
	return definition
}

type tool struct {
	name string
	// Called when the component is loaded only: each call has a new instance, which would pay for it.
	define func() mcp.Definition
	run    func(arguments string) (mcp.Output, error)
}

// The tools in the order of their definition.
var tools []tool

func checkName(name string) {
	const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	if name == "" || len(name) > 64 || strings.Trim(name, characters) != "" {
		panic(fmt.Sprintf("the tool name %q is invalid; it has 1 to 64 characters of A-Z a-z 0-9 _ -", name))
	}
	for _, other := range tools {
		if other.name == name {
			panic(fmt.Sprintf("there are two tools named %s", name))
		}
	}
}

func encode(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func init() {
	export.List = func() []mcp.Definition {
		var definitions []mcp.Definition
		for _, tool := range tools {
			definitions = append(definitions, tool.define())
		}
		return definitions
	}
	export.Run = func(request mcp.Request) (mcp.Outcome, *mcp.Error) {
		for _, tool := range tools {
			if tool.name != request.Tool {
				continue
			}
			output, err := tool.run(request.Arguments)
			if err != nil {
				return mcp.Outcome{}, failure(err)
			}
			return mcp.MakeOutcomeComplete(output), nil
		}
		return mcp.Outcome{}, failure(InvalidArguments("there is no tool named " + request.Tool))
	}
}
