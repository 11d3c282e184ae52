"""The tool `count_words`."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Annotated

from toolcrib_guest import InvalidArguments, Schema, Tool, tool

# `Tool` is the class that the component exports.
__all__ = ["Tool"]


@dataclass
class Frequency:
    word: str
    count: int


@dataclass
class Counts:
    """
    Attributes:
        most_frequent: The most frequent words, in lower case.
    """

    words: int
    lines: int
    most_frequent: list[Frequency]


@tool(title="Count words", read_only=True, idempotent=True, open_world=False)
def count_words(
    text: Annotated[str, Schema(maxLength=1_000_000)], top: Annotated[int, Schema(minimum=0, maximum=100)] = 5
) -> Counts:
    """Counts the words and lines of a text, and finds its most frequent words. Use it instead of counting by hand.

    Args:
        text: The text.
        top: How many of the most frequent words to return.
    """
    frequencies = Counter(word.lower() for word in re.findall(r"[^\W_]+(?:'[^\W_]+)*", text))
    if not frequencies:
        raise InvalidArguments("the text has no words")
    ordered = sorted(frequencies.items(), key=lambda item: (-item[1], item[0]))
    most_frequent = [Frequency(word, count) for word, count in ordered[:top]]
    return Counts(frequencies.total(), len(text.splitlines()), most_frequent)
