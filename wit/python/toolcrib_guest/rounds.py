"""The current round of a call: the answers of earlier rounds, and the question that ends it."""


class Asked(BaseException):
    """Ends a round with a question. Not an Exception, so that `except Exception` in a tool does not catch it."""

    def __init__(self, key: str, method: str, params: str) -> None:
        super().__init__(key)
        self.key, self.method, self.params = key, method, params


# Keys, and JSON texts.
answers: dict[str, str] = {}
# Returned to the tool with the answer.
state: bytes | None = None


def start(new_answers: dict[str, str], new_state: bytes | None) -> None:
    global answers, state
    answers, state = new_answers, new_state
