"""MCP tools from Python functions.

    from toolcrib_guest import Tool, tool

    @tool
    def shout(text: str) -> str:
        "Returns the text in capitals."
        return text.upper()

A program `app.py` like this is a component with the tool `shout` after

    componentize-py -d wit -w tool-component componentize -p src -p wit/python app -o shout.wasm

`Tool` is the class that componentize-py looks for in the program.

- The JSON Schema of the arguments follows from the type hints: str, int, float, bool, None, list, set, tuple, dict, Optional, Union,
  Literal, Enum, dataclasses and TypedDict. `Annotated[int, "In pixels.", Schema(minimum=1)]` adds a description and keywords.
- The description is the docstring. Its section `Args:` describes the parameters.
- A result is a str, content (`Text`, `Image`, `Audio`, `Link`, `Embedded`, or a list of them), or any of the types above, which
  becomes structured content with a schema. `Output[T](text, value)` has both a text and structured content.
- Raise `InvalidArguments` for mistakes that the caller can correct, and `ToolError` for other failures.
- `warm_up` calls a tool while the component is built, which makes later calls faster.
- `call` reports progress, writes to the log and returns the caller; `ask` asks the client's user.

The functions stay ordinary functions, which tests can call with any Python.
"""

from . import ask, call
from .component import Tool
from .errors import DefinitionError, InvalidArguments, ToolError
from .results import Audio, Embedded, Image, Link, Output, Text
from .schemas import Schema
from .tools import tool
from .warming import warm_up

__all__ = [
    "Audio", "DefinitionError", "Embedded", "Image", "InvalidArguments", "Link", "Output", "Schema", "Text", "Tool",
    "ToolError", "ask", "call", "tool", "warm_up",
]  # fmt: skip
