#!/usr/bin/env node
// Runs the binary of the package for this platform, with the same arguments, signals and exit status.
"use strict";
const { spawn } = require("node:child_process");
const { constants } = require("node:os");

const name = `toolcrib-${process.platform}-${process.arch}`;
let binary;
try {
  binary = require.resolve(`${name}/bin/toolcrib`);
} catch {
  console.error(
    `error: the package ${name} is not installed; there is one for Linux with glibc on x64, and npm leaves it out with --omit=optional`,
  );
  process.exit(1);
}

const child = spawn(binary, process.argv.slice(2), { stdio: "inherit" });
// A signal of the terminal reaches both processes; the binary decides when to end.
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => {
  console.error(`error: ${binary} cannot be run: ${error.message}`);
  process.exit(1);
});
child.on("exit", (status, signal) => process.exit(signal ? 128 + constants.signals[signal] : status));
