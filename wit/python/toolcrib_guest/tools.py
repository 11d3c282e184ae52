"""The decorator `tool`, and the tools of the component."""

import inspect
import json
import re
import traceback
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from . import call, docstrings, rounds, schemas
from .errors import DefinitionError, InvalidArguments, ToolError
from .results import Completed, ResultType, result_type

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class ToolFunction:
    """A function with its definition."""

    name: str
    title: str | None
    description: str
    function: Callable[..., Any]
    parameters: dict[str, schemas.Field]
    result: ResultType
    hints: dict[str, bool | None]
    meta: dict[str, Any] | None

    @property
    def input_schema(self) -> dict[str, Any]:
        return schemas.fields_schema(self.parameters)

    def run(self, arguments: str) -> Completed:
        """Runs one call. Raises ToolError, or a question."""
        values = self.parse(arguments)
        try:
            return self.result.convert(self.function(**values))
        except ToolError:
            raise
        except Exception as error:
            call.log("error", traceback.format_exc())
            raise ToolError(f"{type(error).__name__}: {error}") from error

    def parse(self, arguments: str) -> dict[str, Any]:
        """Returns the values of the parameters."""
        try:
            return schemas.parse_fields(self.parameters, json.loads(arguments), "")
        except schemas.Mismatch as mismatch:
            raise InvalidArguments(str(mismatch)) from None


# The tools of the component by name, in the order of their definition.
TOOLS: dict[str, ToolFunction] = {}


@overload
def tool(function: F, /) -> F: ...


@overload
def tool(
    *,
    name: str | None = None,
    title: str | None = None,
    read_only: bool | None = None,
    destructive: bool | None = None,
    idempotent: bool | None = None,
    open_world: bool | None = None,
    meta: dict[str, Any] | None = None,
) -> Callable[[F], F]: ...


def tool(function=None, /, *, name=None, title=None, meta=None, **hints):
    """Makes a function a tool of the component. The function itself does not change.

    `read_only`, `destructive`, `idempotent` and `open_world` are hints for clients; `meta` is a JSON object.
    """
    unknown = sorted(hints.keys() - HINTS)
    if unknown:
        raise DefinitionError(f"`{unknown[0]}` is unknown; the options are name, title, meta, {', '.join(HINTS)}")

    def define(function):
        found = definition(function, name or function.__name__, title, hints, meta)
        if found.name in TOOLS:
            raise DefinitionError(f"there are two tools named `{found.name}`")
        TOOLS[found.name] = found
        return function

    return define if function is None else define(function)


HINTS = ("read_only", "destructive", "idempotent", "open_world")


def definition(function: Callable[..., Any], name: str, title: str | None, hints: dict, meta: dict | None) -> ToolFunction:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise DefinitionError(f"the tool name {name!r} is invalid; it has 1 to 64 characters of A-Z a-z 0-9 _ -")
    if inspect.iscoroutinefunction(function):
        raise DefinitionError(f"`{name}` is an ordinary function, not an `async def`")
    description, descriptions = docstrings.parse(function.__doc__)
    if not description:
        raise DefinitionError(f"`{name}` needs a docstring; a model decides by it when to call the tool")
    type_hints = typing.get_type_hints(function, include_extras=True)
    parameters = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise DefinitionError(f"the parameter `{parameter}` of `{name}` is not passed by name")
        if parameter.name not in type_hints:
            raise DefinitionError(f"the parameter `{parameter.name}` of `{name}` has no type hint")
        is_required = parameter.default is parameter.empty
        field = schemas.Field(type_hints[parameter.name], descriptions.pop(parameter.name, None), is_required)
        field.default = None if is_required else parameter.default
        parameters[parameter.name] = field
        try:
            schemas.schema(field.hint)
        except DefinitionError as error:
            raise DefinitionError(f"the parameter `{parameter.name}` of `{name}`: {error}") from None
    if descriptions:
        raise DefinitionError(f"the docstring of `{name}` describes `{next(iter(descriptions))}`, which is not a parameter")
    result = result_type(name, type_hints.get("return"))
    all_hints = {hint: hints.get(hint) for hint in HINTS}
    return ToolFunction(name, title, description, function, parameters, result, all_hints, meta)


def run(name: str, arguments: str, answers: dict[str, str], state: bytes | None) -> Completed:
    """Runs one round of a call. Raises ToolError, or `rounds.Asked` with the question that ends the round."""
    if name not in TOOLS:
        raise InvalidArguments(f"there is no tool named {name}")
    rounds.start(answers, state)
    return TOOLS[name].run(arguments)
