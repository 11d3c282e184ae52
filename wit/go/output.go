package toolcrib

import (
	"encoding/json"
	"reflect"

	mcp "toolcrib/bindings/imports/toolcrib_mcp_types"
	option "toolcrib/pkg/wit/types"
)

// Content is a part of a result: [Text], [Image], [Audio] or [Embedded].
type Content interface{ block() mcp.Block }

// Text is a part of a result that is text.
type Text string

// Image is a picture.
type Image struct {
	Data      []byte
	MediaType string
}

// Audio is an audio clip.
type Audio struct {
	Data      []byte
	MediaType string
}

// Embedded is a resource with its text.
type Embedded struct {
	URI       string
	MediaType string
	Text      string
}

func (text Text) block() mcp.Block   { return mcp.MakeBlockText(string(text)) }
func (image Image) block() mcp.Block { return mcp.MakeBlockImage(mcp.Media(image)) }
func (audio Audio) block() mcp.Block { return mcp.MakeBlockAudio(mcp.Media(audio)) }
func (resource Embedded) block() mcp.Block {
	return mcp.MakeBlockEmbedded(mcp.Embedded{
		Uri:       resource.URI,
		MediaType: option.Some(resource.MediaType),
		Body:      mcp.MakeBodyText(resource.Text),
	})
}

// isStructured returns whether results of the type are structured content.
func isStructured(result reflect.Type) bool {
	content := reflect.TypeFor[Content]()
	isContent := result.Implements(content) || result.Kind() == reflect.Slice && result.Elem().Implements(content)
	return !isContent && result.Kind() != reflect.String
}

// outputOf converts a result. Structured content is in the text too, for clients that read only text.
func outputOf(result any) (mcp.Output, error) {
	var parts []Content
	structured := option.None[string]()
	switch value := result.(type) {
	case string:
		parts = []Content{Text(value)}
	case Content:
		parts = []Content{value}
	default:
		found := reflect.ValueOf(result)
		if !isStructured(found.Type()) {
			for index := range found.Len() {
				parts = append(parts, found.Index(index).Interface().(Content))
			}
			break
		}
		text, err := json.Marshal(result)
		if err != nil {
			return mcp.Output{}, err
		}
		structured = option.Some(string(text))
		parts = []Content{Text(text)}
	}
	output := mcp.Output{Structured: structured}
	for _, part := range parts {
		output.Content = append(output.Content, mcp.Content{Block: part.block()})
	}
	return output, nil
}
