"""The function `count-words` of `wit/component.wit`, which becomes the tool `count_words`."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.counting import Counts


class Counting(exports.Counting):
    """The exported interface `counting`."""

    def count_words(self, text: str) -> Counts:
        words = text.split()
        if not words:
            raise Err("the text has no words")
        return Counts(words=len(words), lines=len(text.splitlines()), characters=sum(map(len, words)))
