"""Tools as their authors write them, defined and run without a component."""

import contextlib
import io
import json
import unittest
from dataclasses import dataclass

from toolcrib_guest import (
    DefinitionError, Image, InvalidArguments, Output, Text, ToolError, ask, call, rounds, tool, tools, warm_up,
)  # fmt: skip


@dataclass
class Size:
    width: int


@dataclass
class Confirmation:
    sure: bool


@tool
def shout(text: str, times: int = 1, *, mark: str | None = None) -> str:
    """Returns the text
    in capitals.

    Repeats it, if asked.

    Args:
        text: The text,
            of any length.
        times (int): How often.

    Not a parameter.
    """
    return text.upper() * times + (mark or "")


@tool(name="double-it", title="Double", read_only=True, open_world=False, meta={"toolcrib/task": "never"})
def double(size: Size) -> Size:
    """Doubles a size.

    :param size: The size.
    """
    if size.width < 0:
        raise InvalidArguments("width is negative")
    return Size(size.width * 2)


@tool
def fails(how: str) -> list[int]:
    """Fails."""
    if how == "error":
        raise ToolError("it is broken")
    if how == "bug":
        raise KeyError(how)
    return [1, 2] if how == "not" else [float("nan")]


@tool
def picture() -> list[Image | Text]:
    """Returns a picture."""
    return [Image(b"\1", "image/png"), Text("one byte")]


@tool
def both() -> Output[Size]:
    """Returns a text and structured content."""
    return Output("wide", Size(9), {"a": 1})


@tool(destructive=True)
def delete() -> str:
    """Deletes everything, after a question."""
    kept = ask.kept()
    ask.keep(b"state")
    call.progress(1, 2, "asking")
    answer = ask.form("sure", "Really?", Confirmation)
    return f"{answer} {kept}"


def run(name, arguments=None, answers=None, state=None):
    return tools.run(name, json.dumps(arguments or {}), answers or {}, state)


class Tools(unittest.TestCase):
    def test_definitions_follow_from_functions(self):
        found = tools.TOOLS["shout"]
        self.assertEqual(found.description, "Returns the text in capitals.\n\nRepeats it, if asked.\n\nNot a parameter.")
        self.assertEqual(found.input_schema, {
            "type": "object",
            "properties": {
                "text": {"type": "string", "description": "The text, of any length."},
                "times": {"type": "integer", "description": "How often.", "default": 1},
                "mark": {"type": ["string", "null"]},
            },
            "required": ["text"],
            "additionalProperties": False,
        })  # fmt: skip
        self.assertIsNone(found.result.schema)
        found = tools.TOOLS["double-it"]
        self.assertEqual((found.title, found.meta), ("Double", {"toolcrib/task": "never"}))
        self.assertEqual(found.hints, {"read_only": True, "destructive": None, "idempotent": None, "open_world": False})
        self.assertEqual(found.input_schema["properties"]["size"]["description"], "The size.")
        self.assertEqual(found.result.schema["required"], ["width"])
        wrapped = {"type": "array", "items": {"type": "integer"}}
        self.assertEqual(tools.TOOLS["fails"].result.schema["properties"], {"result": wrapped})
        self.assertIsNone(tools.TOOLS["picture"].result.schema)
        self.assertEqual(tools.TOOLS["both"].result.schema["required"], ["width"])

    def test_results_have_the_form_of_the_contract(self):
        for name, arguments, content, structured in [
            ("shout", {"text": "a", "times": 2.0, "mark": "!"}, [Text("AA!")], None),
            ("double-it", {"size": {"width": 2}}, [Text('{"width": 4}')], '{"width": 4}'),
            ("fails", {"how": "not"}, [Text('{"result": [1, 2]}')], '{"result": [1, 2]}'),
            ("picture", {}, [Image(b"\1", "image/png"), Text("one byte")], None),
            ("both", {}, [Text("wide")], '{"width": 9}'),
        ]:
            with self.subTest(name=name):
                completed = run(name, arguments)
                self.assertEqual((completed.content, completed.structured), (content, structured))
        self.assertEqual(run("both").meta, '{"a": 1}')
        self.assertEqual(shout("a"), "A", "the function is still a function")

    def test_warm_up_calls_a_tool(self):
        calls = []

        @tool
        def counted(size: Size) -> str:
            """Counts its calls."""
            calls.append(size)
            return ""

        warm_up(counted, size={"width": 1})
        self.assertEqual(calls, [Size(1)])
        for function, arguments, error, message in [
            (run, {}, DefinitionError, "`run` is not a tool; give a function with `@tool`"),
            (counted, {"size": 1}, InvalidArguments, "/size is not an object"),
            (counted, {}, InvalidArguments, "/size is missing"),
            (fails, {"how": "bug"}, KeyError, "'bug'"),
        ]:
            with self.subTest(message=message), self.assertRaises(error) as raised:
                warm_up(function, **arguments)
            self.assertEqual(str(raised.exception), message)

    def test_errors_tell_invalid_arguments_from_failures(self):
        for name, arguments, error, message in [
            ("shout", {"text": 1}, InvalidArguments, "/text is not of the type string"),
            ("shout", {}, InvalidArguments, "/text is missing"),
            ("double-it", {"size": {"width": -1}}, InvalidArguments, "width is negative"),
            ("fails", {"how": "error"}, ToolError, "it is broken"),
            ("fails", {"how": "bug"}, ToolError, "KeyError: 'bug'"),
            ("fails", {"how": "nan"}, ToolError, "the result is not JSON: Out of range float values are not JSON compliant"),
            ("nowhere", {}, InvalidArguments, "there is no tool named nowhere"),
        ]:
            log = io.StringIO()
            with self.subTest(name=name, arguments=arguments), contextlib.redirect_stderr(log):
                with self.assertRaises(ToolError) as raised:
                    run(name, arguments)
                self.assertEqual(type(raised.exception), error)
                self.assertTrue(str(raised.exception).startswith(message), raised.exception)
                self.assertEqual("Traceback" in log.getvalue(), message.startswith("KeyError"))

    def test_questions_end_a_round_and_their_answers_continue_it(self):
        with self.assertRaises(rounds.Asked) as raised:
            run("delete")
        asked = raised.exception
        self.assertEqual((asked.key, asked.method, rounds.state), ("sure", "elicitation/create", b"state"))
        schema = {"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"]}
        self.assertEqual(json.loads(asked.params), {"message": "Really?", "requestedSchema": schema})
        accepted = {"sure": '{"action":"accept","content":{"sure":true}}'}
        self.assertEqual(run("delete", answers=accepted, state=b"x").content, [Text("Confirmation(sure=True) b'x'")])
        self.assertEqual(run("delete", answers={"sure": '{"action":"decline"}'}).content, [Text("None None")])
        with self.assertRaisesRegex(ToolError, "the answer to `sure` does not fit its form: /sure is missing"):
            run("delete", answers={"sure": '{"action":"accept"}'})

    def test_functions_that_cannot_be_tools_are_refused(self):
        def undocumented(): ...

        def untyped(a):
            "Has a parameter without a type."

        def variadic(*a: int):
            "Has parameters without names."

        def odd(a: bytes):
            "Has a parameter without a schema."

        def result() -> object:
            "Has a result without a schema."

        def wrong(a: int):
            """Describes another parameter.

            Args:
                b: Another one.
            """

        async def waits():
            "Waits."

        def twice():
            "Exists already."

        for function, options, words in [
            (undocumented, {}, "`undocumented` needs a docstring"),
            (untyped, {}, "the parameter `a` of `untyped` has no type hint"),
            (variadic, {}, "not passed by name"),
            (odd, {}, "the parameter `a` of `odd`: the type bytes has no JSON Schema"),
            (result, {}, "the result of `result`: the type object"),
            (wrong, {}, "describes `b`, which is not a parameter"),
            (waits, {}, "not an `async def`"),
            (twice, {"name": "shout"}, "there are two tools named `shout`"),
            (twice, {"name": "a b"}, "the tool name 'a b' is invalid"),
            (twice, {"readonly": True}, "`readonly` is unknown"),
        ]:
            with self.subTest(words=words), self.assertRaisesRegex(DefinitionError, words):
                tool(**options)(function) if options else tool(function)


if __name__ == "__main__":
    unittest.main()
