"""Docstrings: a description, and descriptions of the parameters."""

import inspect
import re

SECTIONS = {"args:", "arguments:", "parameters:", "attributes:"}
GOOGLE_ITEM = re.compile(r"(\*{0,2}\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
SPHINX_ITEM = re.compile(r":param\s+(?:\S+\s+)?(\w+)\s*:\s*(.*)")


def parse(docstring: str | None) -> tuple[str, dict[str, str]]:
    """Returns the description, and the items of the section `Args:` or `Attributes:`, or `:param` lines."""
    description: list[str] = []
    items: dict[str, str] = {}
    is_in_section = False
    item = None
    item_indent = 0
    for line in inspect.cleandoc(docstring or "").splitlines():
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if not is_in_section and indent == 0 and text.lower() in SECTIONS:
            is_in_section, item = True, None
        elif is_in_section and indent == 0 and text:
            is_in_section, item = False, None
            description.append(text)
        elif is_in_section:
            found = GOOGLE_ITEM.fullmatch(text)
            if found and (item is None or indent <= item_indent):
                item, item_indent = found[1].lstrip("*"), indent
                items[item] = found[2]
            elif item is not None and text:
                items[item] = f"{items[item]} {text}".strip()
        elif found := SPHINX_ITEM.fullmatch(text):
            item = found[1]
            items[item] = found[2]
        else:
            description.append(line.rstrip())
    return join_paragraphs(description), items


def join_paragraphs(lines: list[str]) -> str:
    """Joins lines. Line breaks within a paragraph become spaces."""
    text = ""
    for line in lines:
        is_new_block = not line or line.startswith((" ", "-", "*", "#", "|", "`")) or text.endswith("\n")
        text += "\n" + line if is_new_block else " " + line
        if not line:
            text += "\n"
    return re.sub(r"\n{3,}", "\n\n", text).strip()
