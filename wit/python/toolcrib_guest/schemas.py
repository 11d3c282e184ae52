"""Type hints as JSON Schema, and values between JSON and the types."""

import contextlib
import dataclasses
import enum
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from . import docstrings
from .errors import DefinitionError

SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
LISTS = (list, Sequence, tuple, set, frozenset)


class Schema:
    """Keywords of JSON Schema for a type: `Annotated[int, Schema(minimum=1)]`."""

    def __init__(self, **keywords: Any) -> None:
        self.keywords = keywords


class Mismatch(ValueError):
    """A JSON value does not fit a type."""


@dataclasses.dataclass(frozen=True)
class Place:
    """The place of a type in a schema."""

    # The classes that contain it.
    within: tuple = ()
    # Whether it is part of a result, in which fields with default values are always present.
    is_result: bool = False


def schema(hint: Any, place: Place = Place()) -> dict[str, Any]:
    """Returns the JSON Schema of a type hint."""
    hint = unwrap(hint)
    if hint is Any:
        return {}
    if hint in SCALARS:
        return {"type": SCALARS[hint]}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return annotate(schema(arguments[0], place), arguments[1:])
    if is_union(hint):
        return union_schema([schema(argument, place) for argument in arguments])
    if origin is Literal:
        return values_schema(list(arguments))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return values_schema([member.value for member in hint])
    if is_record(hint):
        if hint in place.within:
            raise DefinitionError(f"the type {name(hint)} contains itself, which a schema here cannot express")
        return record_schema(hint, dataclasses.replace(place, within=(*place.within, hint)))
    if (origin or hint) in LISTS:
        return list_schema(origin or hint, arguments, place)
    if (origin or hint) in (dict, Mapping):
        if not arguments:
            return {"type": "object"}
        if unwrap(arguments[0]) is not str:
            raise DefinitionError(f"the keys of {name(hint)} must be str, as in JSON")
        members = schema(arguments[1], place)
        return {"type": "object", "additionalProperties": members} if members else {"type": "object"}
    raise DefinitionError(
        f"the type {name(hint)} has no JSON Schema; use str, int, float, bool, None, list, set, tuple, dict, Optional, Union, "
        "Literal, an Enum, a dataclass or a TypedDict"
    )


def parse(hint: Any, value: Any, path: str = "") -> Any:
    """Returns a JSON value as a value of a type. Raises Mismatch if it does not fit."""
    hint = unwrap(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if hint in SCALARS:
        return parse_scalar(hint, value, path)
    if origin is Annotated:
        return parse(arguments[0], value, path)
    if is_union(hint):
        return parse_union(arguments, value, path)
    if origin is Literal:
        return one_of(arguments, value, path)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(one_of([member.value for member in hint], value, path))
    if is_record(hint):
        return parse_record(hint, value, path)
    if (origin or hint) in LISTS:
        return parse_list(origin or hint, arguments, value, path)
    if not isinstance(value, dict):
        raise Mismatch(f"{path or 'the value'} is not an object")
    item = arguments[1] if arguments else Any
    return {key: parse(item, member, f"{path}/{key}") for key, member in value.items()}


def dump(value: Any) -> Any:
    """Returns a value as JSON: dataclasses as objects, enumerations as their values, sets and tuples as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: dump(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return dump(value.value)
    if isinstance(value, Mapping):
        return {str(key): dump(member) for key, member in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [dump(item) for item in value]
    return value


@dataclasses.dataclass
class Field:
    """A field of a dataclass or a TypedDict, or a parameter of a function."""

    hint: Any
    description: str | None
    is_required: bool
    default: Any = None


def fields_schema(fields: dict[str, Field], place: Place = Place()) -> dict[str, Any]:
    """Returns the schema of an object with these members, and no others."""
    properties = {}
    for field_name, field in fields.items():
        property_schema = schema(field.hint, place)
        if field.description and "description" not in property_schema:
            property_schema["description"] = field.description
        has_default = not field.is_required and field.default is not None and not place.is_result
        if has_default and is_json(dump(field.default)):
            property_schema["default"] = dump(field.default)
        properties[field_name] = property_schema
    found: dict[str, Any] = {"type": "object", "properties": properties}
    required = [field_name for field_name, field in fields.items() if field.is_required]
    if required:
        found["required"] = required
    return {**found, "additionalProperties": False}


def parse_fields(fields: dict[str, Field], value: Any, path: str) -> dict[str, Any]:
    """Returns the members that are present, parsed."""
    if not isinstance(value, dict):
        raise Mismatch(f"{path or 'the value'} is not an object")
    for key in value:
        if key not in fields:
            raise Mismatch(f"{path}/{key} is unknown")
    for key, field in fields.items():
        if field.is_required and key not in value:
            raise Mismatch(f"{path}/{key} is missing")
    return {key: parse(fields[key].hint, member, f"{path}/{key}") for key, member in value.items()}


def record_fields(cls: type, is_result: bool = False) -> dict[str, Field]:
    """Returns the fields of a dataclass or a TypedDict, described by its docstring. All fields of a dataclass are in a result."""
    hints = typing.get_type_hints(cls, include_extras=True)
    _, descriptions = docstrings.parse(cls.__doc__)
    if typing.is_typeddict(cls):
        return {key: Field(hint, descriptions.get(key), key in cls.__required_keys__) for key, hint in hints.items()}
    found = {}
    for field in dataclasses.fields(cls):
        if not field.init and not is_result:
            continue
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        default = None if field.default is dataclasses.MISSING else field.default
        description = field.metadata.get("description") or descriptions.get(field.name)
        found[field.name] = Field(hints[field.name], description, is_result or not has_default, default)
    return found


def is_record(hint: Any) -> bool:
    return isinstance(hint, type) and (dataclasses.is_dataclass(hint) or typing.is_typeddict(hint))


def is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType)


def unwrap(hint: Any) -> Any:
    """Removes `Required`, `NotRequired` and `Final`, resolves `NewType`, and turns `None` into its type."""
    if hint is None:
        return type(None)
    while get_origin(hint) in (typing.Required, typing.NotRequired, typing.Final):
        hint = get_args(hint)[0]
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    return hint


def name(hint: Any) -> str:
    return getattr(hint, "__qualname__", None) or str(hint)


def annotate(found: dict[str, Any], annotations: tuple) -> dict[str, Any]:
    """Adds the description (a str) and the keywords (a `Schema`) of `Annotated`."""
    for annotation in annotations:
        if isinstance(annotation, str):
            found = {**found, "description": annotation}
        elif isinstance(annotation, Schema):
            found = {**found, **annotation.keywords}
    return found


def union_schema(members: list[dict[str, Any]]) -> dict[str, Any]:
    if all(set(member) == {"type"} for member in members):
        return {"type": [member["type"] for member in members]}
    return {"anyOf": members}


def values_schema(values: list[Any]) -> dict[str, Any]:
    kinds = {SCALARS.get(type(value)) for value in values}
    if None in kinds:
        raise DefinitionError(f"the values {values} are not all str, int, float, bool or None")
    return {"type": kinds.pop(), "enum": values} if len(kinds) == 1 else {"enum": values}


def record_schema(cls: type, place: Place) -> dict[str, Any]:
    found = fields_schema(record_fields(cls, place.is_result), place)
    # A dataclass without a docstring gets its signature as one.
    description, _ = docstrings.parse(cls.__doc__)
    if description and not description.startswith(f"{cls.__name__}("):
        found["description"] = description
    return found


def list_schema(kind: type, arguments: tuple, place: Place) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "array"}
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        items = [schema(argument, place) for argument in arguments]
        return {**found, "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if arguments:
        found["items"] = schema(arguments[0], place)
    if kind in (set, frozenset):
        found["uniqueItems"] = True
    return found


def parse_scalar(hint: type, value: Any, path: str) -> Any:
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise Mismatch(f"{path or 'the value'} is too large") from None
    # In Python a bool is an int.
    if type(value) is not hint:
        raise Mismatch(f"{path or 'the value'} is not of the type {SCALARS[hint]}")
    return value


def parse_union(hints: tuple, value: Any, path: str) -> Any:
    """Returns the value of the first type that it fits."""
    # An int fits float, so the exact types come first.
    for hint in sorted(hints, key=lambda hint: unwrap(hint) is not type(value)):
        with contextlib.suppress(Mismatch):
            return parse(hint, value, path)
    others = [hint for hint in hints if unwrap(hint) is not type(None)]
    if len(others) == 1:
        return parse(others[0], value, path)
    raise Mismatch(f"{path or 'the value'} fits none of its types")


def one_of(values: Any, value: Any, path: str) -> Any:
    for known in values:
        if known == value and type(known) is type(value):
            return known
    raise Mismatch(f"{path or 'the value'} is not one of {', '.join(map(json.dumps, values))}")


def parse_record(cls: type, value: Any, path: str) -> Any:
    members = parse_fields(record_fields(cls), value, path)
    if typing.is_typeddict(cls):
        return members
    try:
        return cls(**members)
    except ValueError as error:
        # A check in `__post_init__`.
        raise Mismatch(f"{path or 'the value'}: {error}") from None


def parse_list(kind: type, arguments: tuple, value: Any, path: str) -> Any:
    if not isinstance(value, list):
        raise Mismatch(f"{path or 'the value'} is not an array")
    hints: Any = [arguments[0] if arguments else Any] * len(value)
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        hints = arguments
        if len(hints) != len(value):
            raise Mismatch(f"{path or 'the value'} does not have {len(hints)} items")
    items = [parse(hint, item, f"{path}/{index}") for index, (hint, item) in enumerate(zip(hints, value))]
    if kind in (list, Sequence):
        return items
    try:
        return kind(items)
    except TypeError:
        raise Mismatch(f"{path or 'the value'} has items that a set cannot hold") from None


def is_json(value: Any) -> bool:
    """Returns whether a default value can be part of a schema."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(is_json(member) for member in value.values())
    if isinstance(value, list):
        return all(is_json(item) for item in value)
    return value is None or isinstance(value, (str, int))
