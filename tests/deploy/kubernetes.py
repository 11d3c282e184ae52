"""Checks the Helm chart and the manifests of `deploy/`: kubernetes.py SERVER

Renders the chart with several values and validates each object against the strict schemas of Kubernetes, compares the
rendered example with `deploy/kubernetes/toolcrib.yaml`, and lets the server read its configuration. Values with faults must be
refused with a sentence.
"""

import copy
import pathlib
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

SERVER = sys.argv[1]
SOURCE = pathlib.Path(__file__).resolve().parents[2]
CHART = SOURCE / "deploy/helm/toolcrib"
MANIFESTS = SOURCE / "deploy/kubernetes"
PROGRAMS = pathlib.Path(sys.prefix) / "bin"
# The oldest version that the chart accepts, and a recent one.
OLDEST, RECENT = "1.30", "1.35"
# Custom resources, for which Kubernetes has no schema.
CUSTOM = {"ServiceMonitor"}
# Objects of every rendering.
KINDS = {"ConfigMap", "Deployment", "Service"}

EXAMPLE = yaml.safe_load((MANIFESTS / "values.yaml").read_text())
IMAGE_DIGEST = "sha256:" + "0" * 64
# Changes of the example that are valid, with the further kinds of objects that they render.
VALID = [
    ({}, {"NetworkPolicy", "PodDisruptionBudget"}),
    ({"networkPolicy": {"enabled": False}, "podDisruptionBudget": {"enabled": False}}, set()),
    (
        {
            "autoscaling": {"enabled": True},
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "networkPolicy": {
                "clients": [{"namespaceSelector": {}}],
                "metrics": [{"namespaceSelector": {}}],
                "egress": [{"to": [{"podSelector": {}}], "ports": [{"port": 6379}]}],
            },
        },
        {"HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "ServiceMonitor"},
    ),
    (
        {
            "secretName": "",
            "image": {"digest": IMAGE_DIGEST},
            "imagePullSecrets": [{"name": "registry"}],
            "tools": {"persistentVolumeClaim": {"claimName": "tools", "readOnly": True}},
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "tolerations": [{"operator": "Exists"}],
            "resources": {"requests": {"cpu": 2, "memory": "1Gi"}, "limits": None},
        },
        {"NetworkPolicy", "PodDisruptionBudget"},
    ),
    (
        {
            "tools": {"image": {"reference": "registry.example.com/tools:1"}},
            "terminationGracePeriodSeconds": 130,
            "config": '[server]\ndrain = "120s"\n',
        },
        {"NetworkPolicy", "PodDisruptionBudget"},
    ),
]
# Changes with a fault, and a part of the sentence that refuses them.
INVALID = [
    ({"replica": 3}, "additional properties 'replica' not allowed"),
    ({"image": {"repo": "x"}}, "additional properties 'repo' not allowed"),
    ({"image": {"repository": ""}}, "image.repository is empty"),
    ({"image": {"digest": "sha256:12"}}, "/image/digest"),
    ({"config": ""}, "config is empty; write toolcrib.toml there"),
    ({"config": "[server]\n", "serviceMonitor": {"enabled": True}}, 'write `metrics = "0.0.0.0:9090"`'),
    ({"config": '[server]\ndrain = "120s"\n'}, "terminationGracePeriodSeconds is shorter than"),
    ({"replicas": "2"}, "got string, want integer"),
    ({"autoscaling": {"enabled": True, "minReplicas": 9, "maxReplicas": 3}}, "minReplicas is greater than"),
    ({"tools": {"hostPath": {"path": "/x"}, "emptyDir": {}}}, "/tools"),
    ({"cacheSizeLimit": "3 GB"}, "/cacheSizeLimit"),
]


def merged(values, changes):
    """Returns the values with the changes, which replace everything except tables."""
    result = copy.deepcopy(values)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)


def helm(action, changes, *options):
    """Runs `helm` on the chart with the changed example."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(merged(EXAMPLE, changes), file)
        file.flush()
        return run(PROGRAMS / "helm", *action, CHART, "--values", file.name, *options)


def succeeded(result):
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout


def objects(text):
    return [each for each in yaml.safe_load_all(text) if each is not None]


def fault(each):
    """Returns the first fault of the object, also a key that does not exist; `None` if there is none."""
    volumes = str(each.get("spec", {}).get("template", {}).get("spec", {}).get("volumes"))
    # The oldest version has no volumes from images.
    versions = [RECENT] if "'image'" in volumes else [OLDEST, RECENT]
    for version in versions if each["kind"] not in CUSTOM else []:
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            return f"{each['kind']}: {error.message}"
    return None


def validate(each):
    assert fault(each) is None, fault(each)


def check_restricted(deployment):
    """Asserts the rules of the pod security standard `restricted`."""
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    allowed = {"projected", "emptyDir", "persistentVolumeClaim", "image"}
    assert all(set(volume) - {"name"} <= allowed for volume in pod["volumes"])
    (container,) = pod["containers"]
    context = container["securityContext"]
    assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}


def check_renderings():
    for changes, kinds in VALID:
        succeeded(helm(["lint", "--strict"], changes))
        rendered = objects(succeeded(helm(["template", "toolcrib"], changes)))
        found = {each["kind"] for each in rendered}
        assert found == KINDS | kinds, (changes, found)
        for each in rendered:
            validate(each)
            if each["kind"] == "Deployment":
                check_restricted(each)
    for changes, sentence in INVALID:
        result = helm(["template", "toolcrib"], changes)
        assert result.returncode != 0 and sentence in result.stderr, (changes, result.stderr, result.stdout)


def check_validation():
    """The validation finds a misspelt key in each kind of object."""
    for each in objects((MANIFESTS / "toolcrib.yaml").read_text()):
        each.get("spec", each)["misspelt"] = {}
        assert "'misspelt' was unexpected" in (fault(each) or ""), each["kind"]


def check_manifests():
    manifests = MANIFESTS / "toolcrib.yaml"
    rendered = succeeded(helm(["template", "toolcrib"], {}))
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(rendered)
        file.flush()
        difference = run("diff", "-u", manifests, file.name)
    assert difference.returncode == 0, f"render deploy/kubernetes/toolcrib.yaml again:\n{difference.stdout}"
    built = objects(succeeded(run(PROGRAMS / "kubectl", "kustomize", MANIFESTS)))
    assert {each["kind"] for each in built} == KINDS | {"Namespace", "NetworkPolicy", "PodDisruptionBudget"}
    for each in built:
        validate(each)


def check_configuration():
    """The server accepts the configuration of the example, except for its component, which does not exist."""
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        (directory / "toolcrib.toml").write_text(EXAMPLE["config"])
        command = [SERVER, "check", "--offline", "--listen", "0.0.0.0:8080", "--config", "toolcrib.toml"]
        environment = {"HOME": str(directory)}
        result = run(*command, cwd=directory, env=environment)
        assert result.returncode == 2 and "state.key" in result.stderr, result.stderr
        (directory / "state.key").write_text("0123456789abcdef" * 4)
        result = run(*command, cwd=directory, env=environment)
        faults = [line for line in result.stderr.splitlines() if line.startswith("error")]
        assert len(faults) == 1 and "weather" in faults[0], result.stderr


if __name__ == "__main__":
    check_renderings()
    check_validation()
    check_manifests()
    check_configuration()
    print(f"chart: {len(VALID)} renderings valid, {len(INVALID)} faults refused, manifests equal")
