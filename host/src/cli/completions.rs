//! `toolcrib completions`: prints a completion script for a shell.

use clap::Args;
use clap_complete::Shell;

use super::output::{Failure, print_raw};

#[derive(Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, mut command: clap::Command) -> Result<(), Failure> {
        // `generate` panics when it cannot write, so it does not write to the pipe itself.
        let mut script = Vec::new();
        let name = command.get_name().to_owned();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        print_raw(&script)
    }
}
