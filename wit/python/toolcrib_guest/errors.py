"""Exceptions of tools and of their definitions."""


class ToolError(Exception):
    """The tool failed. The message is one sentence for the caller and its model."""


class InvalidArguments(ToolError):
    """The caller can correct the arguments and try again."""


class DefinitionError(TypeError):
    """A function cannot be a tool. Raised when the component is built."""
