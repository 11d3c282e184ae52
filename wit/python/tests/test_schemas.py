"""Type hints as JSON Schema, and values between JSON and the types."""

import enum
import unittest
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, TypedDict, Union

from toolcrib_guest.errors import DefinitionError
from toolcrib_guest.schemas import Mismatch, Place, Schema, dump, parse, schema


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    """A place.

    Attributes:
        x: To the right.
    """

    x: int
    y: float = 1.5
    tags: list[str] = field(default_factory=list)
    color: Color = field(default=Color.RED, metadata={"description": "Its color."})


class Entry(TypedDict):
    name: str
    note: NotRequired[str]


@dataclass
class Positive:
    n: int

    def __post_init__(self):
        if self.n < 1:
            raise ValueError("n is not positive")


@dataclass
class Node:
    next: Optional["Node"]


UserId = NewType("UserId", int)

POINT_SCHEMA = {
    "type": "object",
    "properties": {
        "x": {"type": "integer", "description": "To the right."},
        "y": {"type": "number", "default": 1.5},
        "tags": {"type": "array", "items": {"type": "string"}},
        "color": {"type": "string", "enum": ["red", "blue"], "description": "Its color.", "default": "red"},
    },
    "required": ["x"],
    "additionalProperties": False,
    "description": "A place.",
}
ENTRY_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "note": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}


class Schemas(unittest.TestCase):
    def test_every_type_has_its_schema(self):
        for hint, expected in [
            (Any, {}),
            (str, {"type": "string"}),
            (bool, {"type": "boolean"}),
            (int, {"type": "integer"}),
            (float, {"type": "number"}),
            (None, {"type": "null"}),
            (UserId, {"type": "integer"}),
            (Optional[int], {"type": ["integer", "null"]}),
            (int | str, {"type": ["integer", "string"]}),
            (Union[list[int], str], {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "string"}]}),
            (list, {"type": "array"}),
            (list[list[bool]], {"type": "array", "items": {"type": "array", "items": {"type": "boolean"}}}),
            (set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
            (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
            (
                tuple[int, str],
                {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
            ),
            (dict, {"type": "object"}),
            (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
            (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
            (Literal["a", 1, None], {"enum": ["a", 1, None]}),
            (Color, {"type": "string", "enum": ["red", "blue"]}),
            (Annotated[int, "In pixels.", Schema(minimum=1)], {"type": "integer", "description": "In pixels.", "minimum": 1}),
            (Optional[Annotated[int, Schema(minimum=1)]], {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}),
            (Point, POINT_SCHEMA),
            (Entry, ENTRY_SCHEMA),
            (list[Entry], {"type": "array", "items": ENTRY_SCHEMA}),
        ]:
            with self.subTest(hint=hint):
                self.assertEqual(schema(hint), expected)

    def test_results_have_all_fields_of_a_dataclass(self):
        found = schema(list[Point], Place(is_result=True))["items"]
        self.assertEqual(found["required"], ["x", "y", "tags", "color"])
        self.assertEqual(found["properties"]["y"], {"type": "number"})
        self.assertEqual(schema(Entry, Place(is_result=True)), ENTRY_SCHEMA)

    def test_types_without_a_schema_are_refused(self):
        for hint, words in [
            (bytes, "bytes has no JSON Schema"),
            (dict[int, str], "keys"),
            (list[object], "object has no JSON Schema"),
            (Node, "contains itself"),
            (Literal[b"a"], "are not all str"),
        ]:
            with self.subTest(hint=hint), self.assertRaisesRegex(DefinitionError, words):
                schema(hint)


class Values(unittest.TestCase):
    def test_json_becomes_the_type_and_back(self):
        for hint, json, value in [
            (int, 5.0, 5),
            (float, 5, 5.0),
            (Optional[int], None, None),
            (float | int, 5, 5),
            (int | str, "5", "5"),
            (set[int], [1, 2], {1, 2}),
            (tuple[int, str], [1, "a"], (1, "a")),
            (dict[str, Color], {"a": "red"}, {"a": Color.RED}),
            (Literal[1, True], True, True),
            (Point, {"x": 1, "color": "blue"}, Point(1, color=Color.BLUE)),
            (Point | Entry, {"name": "a"}, {"name": "a"}),
            (list[Entry], [{"name": "a", "note": "b"}], [{"name": "a", "note": "b"}]),
            (Annotated[list[Positive], "Some."], [{"n": 1}], [Positive(1)]),
            (Any, [1, {}], [1, {}]),
        ]:
            with self.subTest(hint=hint):
                found = parse(hint, json)
                self.assertEqual((found, type(found)), (value, type(value)))
        self.assertEqual(dump([Point(1), (Color.RED, {2})]), [
            {"x": 1, "y": 1.5, "tags": [], "color": "red"}, ["red", [2]],
        ])  # fmt: skip

    def test_json_that_does_not_fit_is_refused_with_its_place(self):
        for hint, json, message in [
            (int, True, "the value is not of the type integer"),
            (int, 1.5, "the value is not of the type integer"),
            (float, 10**400, "the value is too large"),
            (str, None, "the value is not of the type string"),
            (Optional[int], "a", "the value is not of the type integer"),
            (int | str, [], "the value fits none of its types"),
            (list[int], {}, "the value is not an array"),
            (list[int], [1, "a"], "/1 is not of the type integer"),
            (tuple[int, str], [1], "the value does not have 2 items"),
            (set[list[int]], [[1]], "the value has items that a set cannot hold"),
            (dict[str, int], [], "the value is not an object"),
            (Color, "green", 'the value is not one of "red", "blue"'),
            (Literal[1], True, "the value is not one of 1"),
            (Point, {}, "/x is missing"),
            (Point, {"x": 1, "z": 2}, "/z is unknown"),
            (Positive, {"n": 0}, "the value: n is not positive"),
            (dict[str, Point], {"a": {"x": "1"}}, "/a/x is not of the type integer"),
        ]:
            with self.subTest(hint=hint, json=json), self.assertRaises(Mismatch) as raised:
                parse(hint, json)
            self.assertEqual(str(raised.exception), message)


if __name__ == "__main__":
    unittest.main()
