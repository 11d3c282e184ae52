//! A client of `toolcrib stdio` over pipes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout};

use serde_json::{Value, json};

use super::command::Toolcrib;

pub(crate) struct Pipes {
    pub(crate) child: Child,
    pub(crate) input: Option<ChildStdin>,
    pub(crate) output: BufReader<ChildStdout>,
}

impl Pipes {
    /// Starts `toolcrib stdio` with the components of one reference.
    pub(crate) fn open(toolcrib: &Toolcrib, reference: &str) -> Self {
        Self::start(toolcrib, &[reference])
    }

    /// Starts `toolcrib stdio` with these arguments.
    pub(crate) fn start(toolcrib: &Toolcrib, arguments: &[&str]) -> Self {
        let arguments = [&["stdio"], arguments].concat();
        let mut child = toolcrib.command(&arguments).spawn().unwrap();
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    pub(crate) fn send(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    pub(crate) fn read(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    pub(crate) fn ask(&mut self, id: u32, method: &str, params: Value) -> Value {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        let answer = self.read();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }
}
