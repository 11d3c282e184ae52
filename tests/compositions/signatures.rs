//! Where signatures are required, every part needs one.

use super::{ADD, CONFIGURATION, adder, composed, compute};
use crate::support::signer::Minisign;

#[test]
fn every_part_must_be_signed() {
    let signer = Minisign::new(7);
    let toolcrib = composed(&adder(ADD));
    toolcrib.file("key.pub", signer.public_key());
    toolcrib.file(
        "toolcrib.toml",
        format!(
            "[trust]\nrequire-signatures = true\nkeys = [{{ file = \"key.pub\" }}]\n{CONFIGURATION}"
        ),
    );
    let inspect = || toolcrib.run(&["inspect", "compute.wasm", "--config", "toolcrib.toml"]);
    let output = inspect();
    assert_eq!(output.status, 1, "{output:?}");
    toolcrib.file("compute.wasm.minisig", signer.sign(&compute()));
    let output = inspect();
    assert_eq!(output.status, 1, "{output:?}");
    for word in ["compute.wasm", "its part", "adder.wasm.minisig"] {
        assert!(output.stderr.contains(word), "{output:?}");
    }
    toolcrib.file("adder.wasm.minisig", signer.sign(&adder("(i32.const 7)")));
    assert_eq!(inspect().status, 1);
    toolcrib.file("adder.wasm.minisig", signer.sign(&adder(ADD)));
    let output = inspect();
    assert_eq!(output.status, 0, "{output:?}");
    let signed = output.stdout.matches("signed").count();
    assert_eq!(signed, 3, "the component and both parts: {output:?}");
}
