"""Makes the packages of a binary and installs each one in a clean folder: packages.py BINARY COMPONENT

COMPONENT is the example `echo`. Each installed binary serves it and answers a call. Nothing is fetched.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUILD = SOURCE / "deploy/packages/build.py"
BINARY, COMPONENT = Path(sys.argv[1]), sys.argv[2]
BIN = Path(sys.executable).parent
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def run(*command, **options) -> str:
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **options)
    assert process.returncode == 0, f"{command}: {process.returncode}\n{process.stdout}\n{process.stderr}"
    return process.stdout


def serves(folder: Path, *command) -> None:
    """Serves the component, calls a tool, and stops the server with SIGTERM."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "UV_OFFLINE": "1"}
    arguments = ["serve", "--no-auth", "--listen", "127.0.0.1:0", COMPONENT]
    # Its own session, as a terminal would start it, so that a launcher has to pass the signal on.
    process = subprocess.Popen(
        [*command, *arguments], stderr=subprocess.PIPE, text=True, cwd=folder, env=environment, start_new_session=True
    )
    try:
        url = next(line.split()[2] for line in process.stderr if line.startswith("listening on "))
        call = {"name": "echo", "arguments": {"text": "hello"}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        request = urllib.request.Request(url, json.dumps(body).encode(), {**headers, "MCP-Protocol-Version": "2025-11-25"})
        with NO_PROXY.open(request, timeout=120) as response:
            answer = json.load(response)
        assert answer["result"]["content"][0]["text"] == "hello", answer
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait(120) == 0, f"{command}: status {process.returncode} after SIGTERM"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def wheel(packages: Path, folder: Path) -> None:
    venv.create(folder / "venv")
    pip = [BIN / "pip", "--python", folder / "venv/bin/python", "--disable-pip-version-check"]
    run(*pip, "install", "--no-index", "--find-links", packages, "toolcrib")
    assert run(*pip, "show", "toolcrib").startswith("Name: toolcrib\n")
    serves(folder, folder / "venv/bin/toolcrib")


def uvx(packages: Path, folder: Path) -> None:
    serves(folder, BIN / "uvx", "--quiet", "--no-index", "--find-links", packages, "toolcrib")


def npm(packages: Path, folder: Path) -> None:
    tarballs = sorted(packages.glob("toolcrib-*.tgz"))
    install = ["npm", "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error"]
    run(*install, *tarballs, cwd=folder, env={**os.environ, "npm_config_cache": str(folder / "cache")})
    serves(folder, folder / "node_modules/.bin/toolcrib")
    launcher = run("npx", "--no-install", "toolcrib", "--version", cwd=folder)
    assert launcher.startswith("toolcrib "), launcher
    # The status of the binary is the status of the launcher.
    status = subprocess.run([folder / "node_modules/.bin/toolcrib", "nonsense"], stderr=subprocess.PIPE).returncode
    assert status == 2, status
    # Without the package for the platform: one sentence.
    shutil.rmtree(folder / "node_modules/toolcrib-linux-x64")
    process = subprocess.run([folder / "node_modules/.bin/toolcrib"], stderr=subprocess.PIPE, text=True)
    assert process.returncode == 1 and "toolcrib-linux-x64 is not installed" in process.stderr, process


def deb(packages: Path, folder: Path) -> None:
    [package] = packages.glob("*.deb")
    run("dpkg-deb", "--extract", package, folder)
    assert run("dpkg-deb", "--field", package, "Depends").startswith("libc6 (>= 2.")
    for file in [
        "etc/toolcrib/toolcrib.toml",
        "usr/lib/systemd/system/toolcrib.service",
        "usr/share/bash-completion/completions/toolcrib",
        "usr/share/doc/toolcrib/copyright",
    ]:
        assert (folder / file).is_file(), file
    manual = run("zcat", folder / "usr/share/man/man1/toolcrib.1.gz")
    assert ".TH toolcrib 1" in manual, manual[:200]
    assert (folder / "etc/toolcrib/tools").is_dir()
    toolcrib = folder / "usr/bin/toolcrib"
    # The configuration lacks nothing but the issuer.
    command = [toolcrib, "check", "--config", folder / "etc/toolcrib/toolcrib.toml"]
    checked = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert "[auth]" in checked.stdout and checked.returncode != 0, checked
    shutil.copy(COMPONENT, folder / "etc/toolcrib/tools/echo.wasm")
    configuration = folder / "etc/toolcrib/toolcrib.toml"
    text = configuration.read_text()
    for line in ["[auth]", "issuer =", "audience ="]:
        text = text.replace(f"#{line}", line)
    configuration.write_text(text)
    run(*command, env={**os.environ, "HOME": str(folder)})
    serves(folder, toolcrib)


def tar(packages: Path, folder: Path) -> None:
    run("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS", cwd=packages)
    [archive] = packages.glob("*.tar.gz")
    run("tar", "-xzf", archive, cwd=folder)
    [content] = folder.iterdir()
    for file in ["LICENSE", "THIRD-PARTY-LICENSES.txt", "toolcrib.1", "completions/toolcrib.zsh", "toolcrib.service"]:
        assert (content / file).is_file(), file
    serves(folder, content / "toolcrib")


def bill_of_materials(packages: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    [path] = packages.glob("*.cdx.json")
    text = path.read_text()
    assert (error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is None, error
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace('"library"', '"book"', 1)) is not None
    document = json.loads(text)
    components = {component["name"]: component for component in document["components"]}
    assert {"wasmtime", "rmcp", "tokio"} <= components.keys(), components.keys()
    # What only the tests use is not in the binary.
    assert "rqrr" not in components and "toolcrib-tests" not in components
    without = [name for name, component in components.items() if "licenses" not in component or "hashes" not in component]
    assert not without, without
    [archive] = packages.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        binary = next(member for member in tar if member.name.endswith("/toolcrib"))
        digest = hashlib.sha256(tar.extractfile(binary).read()).hexdigest()
        licences = next(member for member in tar if member.name.endswith("/THIRD-PARTY-LICENSES.txt"))
        text = tar.extractfile(licences).read().decode()
    assert document["metadata"]["component"]["hashes"][0]["content"] == digest
    assert "\nwasmtime " in text and "\naws-lc-sys " in text


def same_bytes(folder: Path) -> None:
    """A second build of the same binary, here a small one, gives the same packages."""
    program = shutil.copy(shutil.which("true"), folder / "toolcrib")
    for name in ["one", "two"]:
        run(sys.executable, BUILD, program, folder / name, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
        # Times in the packages have seconds.
        time.sleep(1.1)
    for path in (folder / "one").iterdir():
        assert path.read_bytes() == (folder / "two" / path.name).read_bytes(), path.name


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        packages = Path(directory) / "packages"
        begin = time.monotonic()
        run(sys.executable, BUILD, BINARY, packages)
        print(f"packages: built in {time.monotonic() - begin:.1f} s")
        [found] = packages.glob("*.whl")
        assert zipfile.ZipFile(found).testzip() is None
        bill_of_materials(packages)
        for install in [wheel, uvx, npm, deb, tar]:
            folder = Path(directory) / install.__name__
            folder.mkdir()
            begin = time.monotonic()
            install(packages, folder)
            print(f"{install.__name__}: installed, served, stopped in {time.monotonic() - begin:.1f} s")
        folder = Path(directory) / "same"
        folder.mkdir()
        same_bytes(folder)
        print("same bytes")


main()
