"""What training waits for: an import takes seconds in each process that trains."""

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
