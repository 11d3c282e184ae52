"""The software bill of materials (CycloneDX 1.6) of the binary, and the licences of the crates in it, from Cargo.lock."""

import hashlib
import json
import subprocess
import tomllib
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
# A licence of a crate is not longer; AWS-LC's list of licences has 40 KiB.
MAX_LICENCE_BYTES = 1 << 20


def crates(target: str) -> tuple[dict, dict[str, dict], dict[str, list[str]]]:
    """Returns the crate of the binary, and what it is linked with: crates by their id, and the ids that each depends on."""
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, cwd=SOURCE, stdout=subprocess.PIPE, check=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = next(package for package in packages.values() if package["name"] == "toolcrib" and package["source"] is None)
    edges: dict[str, list[str]] = {}
    waiting = [root["id"]]
    while waiting:
        current = waiting.pop()
        if current in edges:
            continue
        # Dependencies of the tests are not in the binary; those of build scripts, such as C sources, may be.
        edges[current] = sorted(
            dependency["pkg"]
            for dependency in nodes[current]["deps"]
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"])
        )
        waiting.extend(edges[current])
    return root, {id: packages[id] for id in sorted(edges)}, edges


def bill(target: str, version: str, digest: str) -> str:
    """Returns the bill of materials of a binary with the SHA-256 digest."""
    root, found, edges = crates(target)
    locked = tomllib.loads((SOURCE / "Cargo.lock").read_text())["package"]
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in locked}

    def reference(id: str) -> str:
        return f"pkg:cargo/{found[id]['name']}@{found[id]['version']}"

    def component(id: str) -> dict:
        package = found[id]
        purl = reference(id)
        entry = {"type": "library", "bom-ref": purl, "name": package["name"], "version": package["version"], "purl": purl}
        if package["license"]:
            # Older crates write "MIT/Apache-2.0", which is not an expression of SPDX.
            entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        if checksum := checksums.get((package["name"], package["version"])):
            entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        return entry

    main = {**component(root["id"]), "type": "application", "version": version, "hashes": [{"alg": "SHA-256", "content": digest}]}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": main},
        "components": [component(id) for id in found if id != root["id"]],
        "dependencies": [{"ref": reference(id), "dependsOn": [reference(to) for to in edges[id]]} for id in found],
    }
    return json.dumps(document, indent=1) + "\n"


def licences(target: str) -> str:
    """Returns the licences of all crates in the binary, each text once with the crates that it is in."""
    _, found, _ = crates(target)
    names: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for package in found.values():
        if package["source"] is None:
            continue
        folder = Path(package["manifest_path"]).parent
        files = [file for file in sorted(folder.iterdir()) if file.is_file() and is_licence(file)]
        for file in files:
            text = file.read_bytes()[:MAX_LICENCE_BYTES].decode(errors="replace").strip()
            digest = hashlib.sha256(text.encode()).hexdigest()
            texts[digest] = text
            names.setdefault(digest, []).append(f"{package['name']} {package['version']} ({file.name})")
        if not files:
            names.setdefault("", []).append(f"{package['name']} {package['version']}: {package['license']}")
    parts = ["Licences of the libraries in toolcrib.\n"]
    if without := names.pop("", []):
        parts.append("Without a file; the licence that the package names:\n\n" + "\n".join(sorted(without)) + "\n")
    for digest in sorted(names, key=lambda digest: names[digest]):
        parts.append(f"{'=' * 80}\n" + "\n".join(names[digest]) + f"\n{'=' * 80}\n\n{texts[digest]}\n")
    return "\n".join(parts)


def is_licence(file: Path) -> bool:
    return file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT"))
