"""Calls the built component through `toolcrib call`."""

import json
import os
import subprocess
import unittest

TOOLCRIB = os.environ.get("TOOLCRIB", "toolcrib")


def call(arguments: dict) -> tuple[dict, int]:
    """Returns the result of a call, and the exit status."""
    command = [TOOLCRIB, "call", "my-tool.wasm", "count_words", json.dumps(arguments), "--json"]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(process.stdout), process.returncode


class CountWords(unittest.TestCase):
    def test_words_are_counted(self):
        result, status = call({"text": "to be or not\nto be"})
        self.assertEqual(status, 0, result)
        self.assertEqual(result["structuredContent"], {"words": 6, "lines": 2, "characters": 13})

    def test_a_text_without_words_is_refused(self):
        result, status = call({"text": " "})
        self.assertEqual((status, result["content"][0]["text"]), (1, "the text has no words"))


if __name__ == "__main__":
    unittest.main()
