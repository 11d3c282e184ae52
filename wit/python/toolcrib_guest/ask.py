"""Questions to the client, such as a form for its user.

A call that asks runs in rounds: the first use of a key ends the round with the question, the host gets the answer and calls
the tool again with the same arguments, and there the same line returns the answer. So everything before a question runs once
more; `keep` carries what was expensive to the next round.
"""

import json
from typing import Any, TypeVar

from . import call, rounds, schemas
from .errors import ToolError

T = TypeVar("T")

# The MCP methods of a form for the client's user, and of a text from the client's model.
ELICITATION = "elicitation/create"
SAMPLING = "sampling/createMessage"


def form(key: str, message: str, cls: type[T]) -> T | None:
    """Asks the client's user to fill in a form, and returns it; None if the user refuses.

    `cls` is a dataclass or a TypedDict of str, int, float, bool, Literal and Enum. `key` identifies the question within the call.
    """
    answer = question(key, ELICITATION, {"message": message, "requestedSchema": form_schema(cls)})
    if answer.get("action") != "accept":
        return None
    try:
        return schemas.parse(cls, answer.get("content") or {})
    except schemas.Mismatch as mismatch:
        raise ToolError(f"the answer to `{key}` does not fit its form: {mismatch}") from None


def form_schema(cls: type) -> dict[str, Any]:
    """Returns a schema with the keywords that MCP allows in forms."""
    schema = schemas.schema(cls)
    schema.pop("additionalProperties", None)
    schema.pop("description", None)
    return schema


def question(key: str, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Asks the client a question of any MCP method, and returns the method's result."""
    if key not in rounds.answers:
        raise rounds.Asked(key, method, json.dumps(params))
    return json.loads(rounds.answers[key])


def can(method: str) -> bool:
    """Returns whether the client of this call can answer questions of a method. Another question fails the call."""
    return method == ELICITATION if call.host is None else call.host.can_ask(method)


def keep(state: bytes) -> None:
    """Keeps bytes for the rounds after the next question. The client can read but not change them."""
    rounds.state = state


def kept() -> bytes | None:
    """Returns the bytes that an earlier round passed to `keep`."""
    return rounds.state
