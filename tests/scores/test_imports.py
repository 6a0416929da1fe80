"""`pipeline.scores` serves as a library where numpy, scipy and scikit-learn are all there is."""

import subprocess
import sys

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
        "pipeline pipeline.basis pipeline.basis.draws pipeline.basis.layout pipeline.errors pipeline.files "
        "pipeline.pairing pipeline.pairing.pairs",
    ]
