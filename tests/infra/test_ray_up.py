"""infra/ray/aws.yaml is well: by Ray's own check, by AWS's model of an instance, and by what both of them miss."""

import re
import subprocess
from copy import deepcopy
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from imports import ROOT
from jsonschema import ValidationError

# `ray up` calls it before it asks a cloud for anything; there is no public way to call it alone
from ray.autoscaler._private.util import prepare_config, validate_config
from ruamel.yaml import YAML

from infra.kuberay.validate import locked_version

FILE = ROOT / "infra/ray/aws.yaml"
CONFIG: dict[str, Any] = YAML(typ="safe", pure=True).load(FILE.read_text())
TYPES: dict[str, Any] = CONFIG["available_node_types"]
COMMANDS = [
    command
    for key in ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands")
    for command in CONFIG[key]
]


def test_ray_takes_it() -> None:
    validate_config(prepare_config(deepcopy(CONFIG)))


@pytest.mark.parametrize(("key", "value"), [("idle_timeout", 5), ("max_workers", "many"), ("head_node_type", "gpus")])
def test_ray_refuses_a_broken_one(key: str, value: object) -> None:
    with pytest.raises((ValidationError, ValueError, TypeError)):
        validate_config(prepare_config(deepcopy(CONFIG) | {key: value}))


def faults_of_instance(config: dict[str, Any]) -> str:
    """What AWS's own model of the request says of a node_config; Ray chooses one of its SubnetIds."""
    request = {key: value for key, value in config.items() if key != "SubnetIds"}
    shape = botocore.session.get_session().get_service_model("ec2").operation_model("RunInstances").input_shape
    return ParamValidator().validate(request | {"MinCount": 1, "MaxCount": 1}, shape).generate_report()


@pytest.mark.parametrize("name", list(TYPES))
def test_aws_takes_each_instance(name: str) -> None:
    assert faults_of_instance(TYPES[name]["node_config"]) == ""
    assert "Unknown parameter" in faults_of_instance({**TYPES[name]["node_config"], "InstanceTyp": "m7i.xlarge"})


def test_workers_are_spot_and_none_stays() -> None:
    workers = {name: kind for name, kind in TYPES.items() if name != CONFIG["head_node_type"]}
    assert all(kind["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"} for kind in workers.values())
    assert all(kind["min_workers"] == 0 < kind["max_workers"] <= CONFIG["max_workers"] for kind in workers.values())
    assert "InstanceMarketOptions" not in TYPES["head"]["node_config"]
    assert prepare_config(deepcopy(CONFIG))["available_node_types"]["head"]["max_workers"] == 0
    assert 0 < CONFIG["idle_timeout_minutes"] <= 15
    assert CONFIG["provider"]["cache_stopped_nodes"] is False


def test_no_port_is_open_to_the_world() -> None:
    """Where a type names no group, Ray makes one that lets SSH in from everywhere."""
    assert all(kind["node_config"]["SecurityGroupIds"] for kind in TYPES.values())
    assert "security_group" not in CONFIG["provider"]
    assert "0.0.0.0" not in FILE.read_text()
    (head,) = [command for command in COMMANDS if "ray start --head" in command]
    assert "--dashboard-host=127.0.0.1 " in head
    example = (ROOT / "infra/ray/.env.example").read_text()
    assert re.search(r"^RAY_AUTH_MODE=token\nRAY_AUTH_TOKEN=$", example, re.MULTILINE)


def test_ray_and_all_else_are_those_of_the_lock() -> None:
    prepared = prepare_config(deepcopy(CONFIG))
    installs = [
        command
        for key in ("setup_commands", "head_setup_commands", "worker_setup_commands")
        for command in prepared[key]
        if "pip install" in command
    ]
    assert set(installs) == {"~/venv/bin/pip install -q --no-deps -r ~/requirements.lock"}  # Ray's default is a nightly
    assert CONFIG["file_mounts"]["/home/ubuntu/requirements.lock"] == "requirements.lock"
    assert f"ray[default,train,tune]=={locked_version('ray')}" in (ROOT / "pyproject.toml").read_text()


def test_all_nodes_mount_the_shared_folder_of_the_region() -> None:
    region = CONFIG["provider"]["region"]
    (mount,) = [command for command in CONFIG["setup_commands"] if "mount -t nfs4" in command]
    assert f".efs.{region}.amazonaws.com:/ /shared" in mount
    assert CONFIG["provider"]["availability_zone"].startswith(region)


def test_commands_are_of_a_shell() -> None:
    for command in COMMANDS:
        text = re.sub(r"<[^>]*>", "filled", command)
        done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
