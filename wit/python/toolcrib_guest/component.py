"""The exported interface `toolcrib:mcp/tool`, for componentize-py."""

import json
from typing import Any

from . import rounds, tools
from .errors import InvalidArguments, ToolError
from .results import Audio, Content, Embedded, Image, Text

try:
    from componentize_py_types import Err
    from wit_world.imports import types as wit
except ModuleNotFoundError:
    # Outside of a component, as in a test, nobody uses the class.
    wit = None


class Tool:
    """The tools of the component."""

    def definitions(self) -> list[Any]:
        return [definition(found) for found in tools.TOOLS.values()]

    def call(self, request: Any) -> Any:
        answers = {answer.key: answer.value for answer in request.answers}
        try:
            completed = tools.run(request.tool, request.arguments, answers, request.state)
        except rounds.Asked as asked:
            question = wit.Question(asked.key, asked.method, asked.params)
            return wit.Outcome_InputRequired(wit.Questions([question], rounds.state))
        except InvalidArguments as error:
            raise Err(wit.Error_InvalidArguments(str(error))) from None
        except ToolError as error:
            raise Err(wit.Error_Failed(str(error))) from None
        content = [wit.Content(block(item), None) for item in completed.content]
        return wit.Outcome_Complete(wit.Output(content, completed.structured, completed.meta))


def definition(found: tools.ToolFunction) -> Any:
    output_schema = found.result.schema
    return wit.Definition(
        name=found.name,
        title=found.title,
        description=found.description,
        input_schema=json.dumps(found.input_schema),
        output_schema=None if output_schema is None else json.dumps(output_schema),
        annotations=wit.Annotations(**found.hints),
        icons=[],
        meta=None if found.meta is None else json.dumps(found.meta),
    )


def block(content: Content) -> Any:
    if isinstance(content, Text):
        return wit.Block_Text(content.text)
    if isinstance(content, Image):
        return wit.Block_Image(wit.Media(content.data, content.media_type))
    if isinstance(content, Audio):
        return wit.Block_Audio(wit.Media(content.data, content.media_type))
    if isinstance(content, Embedded):
        body = wit.Body_Text(content.body) if isinstance(content.body, str) else wit.Body_Binary(content.body)
        return wit.Block_Embedded(wit.Embedded(content.uri, content.media_type, body))
    link = (content.uri, content.name, content.title, content.description, content.media_type, content.size)
    return wit.Block_Link(wit.Link(*link))
