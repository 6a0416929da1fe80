"""`pipeline.scores` serves as a library where numpy, scipy and scikit-learn are all there is."""

import re
import subprocess
import sys

import pipeline.scores

SCRIPT = """
import sys

blocked = "torch torchvision pyarrow mlflow ray ruamel pydantic matplotlib".split()

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
try:
    import torch
except ModuleNotFoundError:
    print("blocked")

import importlib, pkgutil
import pipeline.scores
for module in pkgutil.walk_packages(pipeline.scores.__path__, "pipeline.scores."):
    if not module.name.endswith("__main__"):  # the command, which reads Parquet
        importlib.import_module(module.name)
own = {name for name in sys.modules if name.startswith("pipeline") and not name.startswith("pipeline.scores")}
print(*sorted(own))
"""


def test_imports_with_everything_else_blocked_and_hardly_anything_of_the_pipeline() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "blocked",
        "pipeline pipeline.basis pipeline.basis.layout pipeline.errors pipeline.files "
        "pipeline.pairing pipeline.pairing.pairs",
    ]


def test_the_imports_that_the_package_shows_are_there() -> None:
    lines = [line.strip() for line in str(pipeline.scores.__doc__).splitlines()]
    shown = [re.split(r"  +", line)[0] for line in lines if line.startswith("from ")]
    assert len(shown) == 7
    for line in shown:
        exec(line, {})
