"""Results of tools: content, structured content, and both."""

import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_args, get_origin

from . import schemas
from .errors import DefinitionError, ToolError

T = TypeVar("T")

# The member of the object that holds a structured result that is not an object.
RESULT = "result"


@dataclass
class Text:
    text: str


@dataclass
class Image:
    """A picture, such as one of the type `image/png`."""

    data: bytes
    media_type: str


@dataclass
class Audio:
    """An audio clip, such as one of the type `audio/wav`."""

    data: bytes
    media_type: str


@dataclass
class Link:
    """A link to a resource that the client may read with a separate request."""

    uri: str
    name: str
    title: str | None = None
    description: str | None = None
    media_type: str | None = None
    size: int | None = None


@dataclass
class Embedded:
    """A resource with its content included."""

    uri: str
    body: str | bytes
    media_type: str | None = None


Content = Text | Image | Audio | Link | Embedded
CONTENT = get_args(Content)


@dataclass
class Output(Generic[T]):
    """Content, and structured content of the type T. A str is a text."""

    content: "str | Content | list[Content]"
    structured: T | None = None
    # A JSON object that the host copies to `_meta`.
    meta: dict[str, Any] | None = None


@dataclass
class Completed:
    """The result of a call in the form of the contract."""

    content: list[Content]
    # A JSON text.
    structured: str | None = None
    meta: str | None = None


class ResultType:
    """The type of a tool's results."""

    def __init__(self, hint: Any) -> None:
        hint = schemas.unwrap(hint)
        self.is_output = hint is Output or get_origin(hint) is Output
        structured = (*get_args(hint), None)[0] if self.is_output else hint
        self.is_structured = structured is not None and not isinstance(structured, TypeVar)
        if not self.is_output and is_content_type(hint):
            self.is_structured = False
        self.schema: dict[str, Any] | None = None
        self.is_wrapped = False
        if not self.is_structured:
            return
        self.schema = schemas.schema(structured, schemas.Place(is_result=True))
        if self.schema.get("type") != "object":
            self.is_wrapped = True
            self.schema = {
                "type": "object",
                "properties": {RESULT: self.schema},
                "required": [RESULT],
                "additionalProperties": False,
            }

    def convert(self, value: Any) -> Completed:
        """Returns the result of a call. Raises ToolError if it is not of the type."""
        if self.is_output:
            if not isinstance(value, Output):
                raise ToolError(f"the tool returned {schemas.name(type(value))} instead of Output")
            meta = None if value.meta is None else to_json(value.meta)
            structured = self.structured(value.structured) if self.is_structured else None
            return Completed(content_list(value.content), structured, meta)
        if not self.is_structured:
            return Completed(content_list(value))
        structured = self.structured(value)
        return Completed([Text(structured)], structured)

    def structured(self, value: Any) -> str:
        return to_json({RESULT: value} if self.is_wrapped else value)


def is_content_type(hint: Any) -> bool:
    """Returns whether results of the type are content without a schema."""
    if hint in (str, type(None), *CONTENT):
        return True
    if get_origin(hint) is list or schemas.is_union(hint):
        members = get_args(hint)
        return all(is_content_type(member) for member in members) and not set(members) <= {str, type(None)}
    return False


def content_list(value: Any) -> list[Content]:
    if value is None:
        return []
    if isinstance(value, str):
        return [Text(value)]
    if isinstance(value, CONTENT):
        return [value]
    if isinstance(value, list):
        return [block for item in value for block in content_list(item)]
    raise ToolError(f"the tool returned {schemas.name(type(value))}, which is not content")


def to_json(value: Any) -> str:
    try:
        return json.dumps(schemas.dump(value), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ToolError(f"the result is not JSON: {error}") from None


def result_type(function: str, hint: Any) -> ResultType:
    try:
        return ResultType(hint)
    except DefinitionError as error:
        raise DefinitionError(f"the result of `{function}`: {error}") from None
