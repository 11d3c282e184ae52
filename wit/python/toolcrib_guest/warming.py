"""Calls of tools while the component is built."""

import json
from collections.abc import Callable
from typing import Any

from . import component, tools
from .errors import DefinitionError

# Python adapts the code of a function to its use during the first calls.
CALLS = 50


def warm_up(function: Callable[..., Any], /, **arguments: Any) -> None:
    """Calls a tool while the component is built. Python prepares much at the first calls of a function, such as specialised
    code and caches; it becomes part of the component, instead of being prepared in each call.

    `arguments` are JSON values, as a client sends them. The call must not use `call`, `ask`, files or the network, which
    do not exist during the build. If it raises, so does this function.
    """
    found = next((found for found in tools.TOOLS.values() if found.function is function), None)
    if found is None:
        raise DefinitionError(f"`{getattr(function, '__name__', function)}` is not a tool; give a function with `@tool`")
    text = json.dumps(arguments)
    # Without the library's treatment of exceptions, which writes to the log.
    function(**found.parse(text))
    if component.wit is None:
        return
    request = component.wit.Request(found.name, text, [], None)
    for _ in range(CALLS):
        component.Tool().call(request)
