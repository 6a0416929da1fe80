"""README's lines on the interpreted network run as they stand, on a study that was just made."""

import re

from imports import ROOT

from .conftest import Repro

PROGRAM = """
from pathlib import Path
from pipeline.tables.images import load_images

images = load_images(Path("data/images"), "test").pixels[:6]
{lines}
print(tuple(codes.shape), tuple(pictures.shape), bool(abs(pictures).max() <= 1))
swapped = [factor for factor in iin.layout.names if (edited != codes)[:, iin.layout.slice(factor)].any()]
print(swapped)
"""


def test_the_five_lines_of_the_readme_run(study: Repro) -> None:
    section = (ROOT / "README.md").read_text().split("## In Python\n")[1]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len([line for line in blocks[0].splitlines() if line]) == 5
    done = study.project.succeed("python", "-c", PROGRAM.format(lines=blocks[0]))
    assert done.out.splitlines() == ["(6, 32) (6, 3, 32, 32) True", "['digit']"]
