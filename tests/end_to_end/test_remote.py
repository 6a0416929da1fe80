"""DVC's remote on S3: what one machine has made, another one has after `dvc pull`."""

import subprocess
from pathlib import Path

from servers import S3_KEYS, bucket, s3_server

from .project import IDENTITY, OUTPUTS, Project


def test_a_fresh_clone_pulls_from_s3_and_has_nothing_to_do(copy: Project, tmp_path: Path) -> None:
    copy.succeed("dvc", "remote", "add", "--default", "store", "s3://iin/study")
    copy.git("add", "--all")
    copy.git(*IDENTITY, "commit", "--quiet", "--message", "A study, and where its outputs are")
    fresh = Project(tmp_path / "fresh")
    with s3_server(tmp_path / "s3.log") as address:
        bucket(address)
        copy.succeed("dvc", "push", AWS_ENDPOINT_URL=address, **S3_KEYS)
        subprocess.run(["git", "clone", "--quiet", str(copy.path), str(fresh.path)], check=True)
        fresh.succeed("dvc", "pull", AWS_ENDPOINT_URL=address, **S3_KEYS)
    done = fresh.succeed("dvc", "repro")  # the store is away
    assert set(done.ran) <= {"check"}
    assert fresh.files(*OUTPUTS) == copy.files(*OUTPUTS)
