"""Check KubeRay manifests without a cluster: `python infra/kuberay/validate.py [FILE …]`, by default all beside it.

A document of `ray.io/v1` is held against the strict schema of its kind in `schemas/`, and against what no schema says:
Ray's version is that of requirements.lock, all containers run one pinned image and not as root, say when they are ready
and hold no secret, and what pods mount is claimed for many nodes. One line a fault, exit code 1.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

__all__ = ["faults", "locked_version"]

HERE = Path(__file__).parent
LOCK = HERE.parents[1] / "requirements.lock"
SCHEMAS = {"RayCluster": "raycluster.json", "RayJob": "rayjob.json"}
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY\b", re.IGNORECASE)
PINNED = re.compile(r".+(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})")


def main() -> int:
    """Print the faults of the files on the command line; the exit code."""
    paths = [Path(name) for name in sys.argv[1:]] or sorted(HERE.glob("*.yaml"))
    found = [f"{path}: {fault}" for path in paths for fault in faults(path)]
    print("\n".join(found) if found else f"{len(paths)} manifests are well", file=sys.stderr if found else sys.stdout)
    return 1 if found else 0


def faults(path: Path) -> list[str]:
    """One line for each fault of a file, empty where there is none; each begins with kind, name and dotted place."""
    try:
        documents = list(YAML(typ="safe", pure=True).load_all(path.read_text()))
    except (YAMLError, OSError) as error:
        return [" ".join(str(error).split())]
    found = []
    claims = {_name(item) for item in documents if isinstance(item, dict) and _is_shared_claim(item)}
    for document in documents:
        where = f"{document.get('kind')} {_name(document)}" if isinstance(document, dict) else "a document"
        found += [f"{where}: {fault}" for fault in _of_document(document, claims)]
    return found


def locked_version(package: str, lock: Path = LOCK) -> str:
    """The version that requirements.lock pins."""
    match = re.search(rf"^{re.escape(package)}==([^\s;]+)", lock.read_text(), re.MULTILINE)
    if match is None:
        raise ValueError(f"{lock}: no line '{package}==…'")
    return match.group(1)


def _of_document(document: Any, claims: set[str]) -> Iterator[str]:
    if not isinstance(document, dict):
        yield f"found {type(document).__name__}, accepted is a mapping with apiVersion and kind"
    elif document.get("kind") == "PersistentVolumeClaim":
        if not _is_shared_claim(document):
            yield "spec.accessModes: found no ReadWriteMany, which a volume of many nodes needs"
    elif document.get("apiVersion") != "ray.io/v1" or document.get("kind") not in SCHEMAS:
        yield f"apiVersion: found {document.get('apiVersion')!r}, accepted are ray.io/v1's {', '.join(SCHEMAS)}"
    else:
        schema = json.loads((HERE / "schemas" / SCHEMAS[document["kind"]]).read_text())
        broken = [_line(error) for error in Draft7Validator(schema).iter_errors(document)]
        yield from sorted(broken)
        if not {"name", "generateName"} & set(document.get("metadata") or {}):
            yield "metadata: found neither name nor generateName"
        spec = document.get("spec") or {}
        if document["kind"] == "RayJob":
            yield from _of_job(spec)
        cluster = spec if document["kind"] == "RayCluster" else spec.get("rayClusterSpec")
        if cluster and not broken:
            yield from _of_cluster(cluster, claims)


def _of_job(job: dict[str, Any]) -> Iterator[str]:
    """What KubeRay's operator refuses of a job when it is there, and its schema takes."""
    if ("clusterSelector" in job) == ("rayClusterSpec" in job):
        yield "spec: accepted is one of clusterSelector and rayClusterSpec"
    if job.get("ttlSecondsAfterFinished") and not job.get("shutdownAfterJobFinishes"):
        yield "spec.ttlSecondsAfterFinished: accepted with shutdownAfterJobFinishes alone"
    yield from (
        f"spec.{key}: not accepted with clusterSelector"
        for key in ("backoffLimit", "suspend")
        if job.get(key) and "clusterSelector" in job
    )


def _of_cluster(cluster: dict[str, Any], claims: set[str]) -> Iterator[str]:
    ray = locked_version("ray")
    if cluster.get("rayVersion") != ray:
        yield f"rayVersion: found {cluster.get('rayVersion')!r}, requirements.lock has {ray}"
    if cluster.get("authOptions", {}).get("mode") != "token":
        yield "authOptions.mode: accepted is token, as without one whoever reaches the head runs code on all nodes"
    if cluster["headGroupSpec"].get("serviceType", "ClusterIP") != "ClusterIP":
        yield "headGroupSpec.serviceType: accepted is ClusterIP, which nobody outside reaches"
    groups = [("headGroupSpec", cluster["headGroupSpec"])]
    groups += [(f"workerGroupSpecs.{group['groupName']}", group) for group in cluster.get("workerGroupSpecs", [])]
    images = set()
    for place, group in groups:
        pod = group["template"]["spec"]
        yield from (f"{place}.{fault}" for fault in _of_pod(pod, claims))
        images |= {container.get("image", "") for container in pod["containers"]}
        if place != "headGroupSpec" and not group["minReplicas"] <= group.get("replicas", 0) <= group["maxReplicas"]:
            yield f"{place}.replicas: found {group.get('replicas', 0)}, outside of minReplicas and maxReplicas"
    if len(images) > 1:
        yield f"image: found {', '.join(sorted(images))}; accepted is one, as versions must agree"


def _of_pod(pod: dict[str, Any], claims: set[str]) -> Iterator[str]:
    if pod.get("securityContext", {}).get("runAsNonRoot") is not True:
        yield "securityContext.runAsNonRoot: accepted is true"
    for volume in pod.get("volumes", []):
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim is not None and claim not in claims:
            yield f"volumes.{volume['name']}: found claim '{claim}'; the file claims {sorted(claims) or 'nothing'}"
    for container in pod["containers"]:
        name = container["name"]
        if not PINNED.fullmatch(container.get("image", "")):
            yield f"{name}.image: found {container.get('image')!r}, accepted is one with a version"
        if "readinessProbe" not in container:
            yield f"{name}.readinessProbe: not there"
        for variable in container.get("env", []):
            if SECRET.search(variable["name"]) and "value" in variable:
                yield f"{name}.env.{variable['name']}: a secret in the manifest; accepted is a secretKeyRef"


def _is_shared_claim(document: dict[str, Any]) -> bool:
    modes = (document.get("spec") or {}).get("accessModes") or []
    return document.get("kind") == "PersistentVolumeClaim" and "ReadWriteMany" in modes


def _name(document: dict[str, Any]) -> str:
    metadata = document.get("metadata") or {}
    return str(metadata.get("name") or metadata.get("generateName") or "without a name")


def _line(error: ValidationError) -> str:
    place = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties" and error.validator_value is False:
        unknown = sorted(set(error.instance) - set(error.schema.get("properties", {})))
        return f"{place or 'top level'}: unknown key {', '.join(unknown)}"
    return f"{place or 'top level'}: {' '.join(error.message.split())[:200]}"


if __name__ == "__main__":
    sys.exit(main())
