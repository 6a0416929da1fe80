"""What training waits for: an import takes seconds in each process that trains."""

import pytest

LOOP = """
import sys
import torch
from pipeline.training.loop import Hooks, train
from training.small_task import CONFIG, JudgedTask, SmallConfig

states = []
task = JudgedTask(SmallConfig(), torch.device("cpu"))
train(task, CONFIG, Hooks(checkpoint=states.append))
train(task, CONFIG, resume=states[0])
print(*sorted({"ray", "sklearn", "torch._dynamo"} & set(sys.modules)))
"""


def test_an_eager_training_and_a_resumed_one_do_not_load_the_compiler(run_python):
    assert run_python(LOOP) == "\n"


# what each stage loads before it begins, and what is left out, in CPU seconds: ray.train 1.1, ray .5, mlflow 1.3 and 2
# with its store, sklearn 1.3, scipy.stats .5, torch._dynamo 1.3, torchvision 2
HEAVY = ("matplotlib", "mlflow", "optuna", "pandas", "ray", "scipy.stats", "sklearn", "torch._dynamo", "torchvision")


@pytest.mark.parametrize("module", ["stages.train", "stages.judge", "stages.backbone", "pipeline.workers.child"])
def test_a_stage_that_trains_and_its_worker_load_little(run_python, module):
    program = f"import sys, {module}; print(*[name for name in {HEAVY} if name in sys.modules])"
    assert run_python(program) == "\n"
