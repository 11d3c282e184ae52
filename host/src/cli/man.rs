//! `toolcrib man`: prints one manual page for the program and its subcommands.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::Roff;

use super::output::{Failure, fail, print_raw};

pub(super) fn run(command: Command) -> Result<(), Failure> {
    print_raw(&render(command).map_err(fail)?)
}

fn render(mut command: Command) -> io::Result<Vec<u8>> {
    // Gives each subcommand its full name, such as `toolcrib serve`.
    command.set_bin_name(command.get_name().to_owned());
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let subcommands = command.get_subcommands();
    for subcommand in subcommands.filter(|subcommand| subcommand.get_name() != "help") {
        render_subcommand(subcommand, &mut page)?;
    }
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// Renders the manual page of a subcommand as a section of the program's page.
fn render_subcommand(subcommand: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let name = subcommand
        .get_bin_name()
        .unwrap_or_else(|| subcommand.get_name());
    let mut heading = Roff::new();
    heading.control("SH", [name.to_uppercase().as_str()]);
    page.extend_from_slice(heading.to_roff().as_bytes());
    let man = Man::new(subcommand.clone());
    let mut sections = Vec::new();
    man.render_synopsis_section(&mut sections)?;
    man.render_description_section(&mut sections)?;
    man.render_options_section(&mut sections)?;
    // Sections become subsections. A line that begins with a dot is always a request, never text.
    let sections = String::from_utf8_lossy(&sections);
    for line in sections.lines() {
        let line = match line.strip_prefix(".SH ") {
            Some(title) => format!(".SS {title}\n"),
            None => format!("{line}\n"),
        };
        page.extend_from_slice(line.as_bytes());
    }
    Ok(())
}
