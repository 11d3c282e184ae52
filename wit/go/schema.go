package toolcrib

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// MaxDepth is the number of types that may contain each other. A type that contains itself has no schema here.
const MaxDepth = 16

// schemaOf returns the JSON Schema of a type. The fields of a result are all present, unless they are omitted when empty.
func schemaOf(of reflect.Type, isResult bool) map[string]any { return schemaAt(of, isResult, 0) }

func schemaAt(of reflect.Type, isResult bool, depth int) map[string]any {
	if depth > MaxDepth {
		panic(fmt.Sprintf("the type %s is nested too deeply", of))
	}
	switch of.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Interface:
		return map[string]any{}
	case reflect.Pointer:
		return schemaAt(of.Elem(), isResult, depth+1)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaAt(of.Elem(), isResult, depth+1)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaAt(of.Elem(), isResult, depth+1)}
	case reflect.Struct:
		return structSchema(of, isResult, depth+1)
	}
	panic(fmt.Sprintf("the type %s has no JSON Schema", of))
}

func structSchema(of reflect.Type, isResult bool, depth int) map[string]any {
	properties := map[string]any{}
	required := []string{}
	for index := range of.NumField() {
		field := of.Field(index)
		name, rest, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		found := schemaAt(field.Type, isResult, depth)
		if description := field.Tag.Get("jsonschema"); description != "" {
			found["description"] = description
		}
		for keyword := range strings.SplitSeq(field.Tag.Get("limits"), ",") {
			if keyword, value, isSet := strings.Cut(keyword, "="); isSet {
				found[keyword] = json.Number(value)
			}
		}
		properties[name] = found
		isOptional := strings.Contains(rest, "omit") || field.Type.Kind() == reflect.Pointer && !isResult
		if !isOptional {
			required = append(required, name)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}
