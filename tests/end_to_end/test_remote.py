"""DVC's remote on S3: what one machine has made, another one has after `dvc pull`."""

import subprocess
from pathlib import Path

import boto3
from servers import s3_server

from .project import IDENTITY, OUTPUTS, Project

KEYS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}


def test_a_fresh_clone_pulls_from_s3_and_has_nothing_to_do(copy: Project, tmp_path: Path) -> None:
    copy.succeed("dvc", "remote", "add", "--default", "store", "s3://iin/study")
    copy.git("add", "--all")
    copy.git(*IDENTITY, "commit", "--quiet", "--message", "A study, and where its outputs are")
    fresh = Project(tmp_path / "fresh")
    with s3_server(tmp_path / "s3.log") as address:
        names = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=address, **names).create_bucket(Bucket="iin")
        copy.succeed("dvc", "push", AWS_ENDPOINT_URL=address, **KEYS)
        subprocess.run(["git", "clone", "--quiet", str(copy.path), str(fresh.path)], check=True)
        fresh.succeed("dvc", "pull", AWS_ENDPOINT_URL=address, **KEYS)
    done = fresh.succeed("dvc", "repro")  # the store is away
    assert set(done.ran) <= {"check"}
    assert fresh.files(*OUTPUTS) == copy.files(*OUTPUTS)
