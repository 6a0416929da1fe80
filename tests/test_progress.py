import io
import sys
import threading
from types import SimpleNamespace

import pytest

from pipeline import progress
from pipeline.progress import Progress, following, keeping_notes, note


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_says_step_figures_rate_and_time_left(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    running = Progress("train latent", 200)
    clock.now += 10
    running.update(50, loss=95.3456, rate=0.003)
    assert capsys.readouterr().out == "train latent  50/200 steps  loss 95.35  rate 0.003  5 steps/s  0:30 min left\n"


def test_the_last_line_says_how_long_it_took(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    running = Progress("prepare", 700, unit="image")
    clock.now += 70
    running.update(700)
    assert capsys.readouterr().out == "prepare  700/700 images  10 images/s  in 1:10 min\n"


def test_a_log_gets_a_line_each_ten_seconds_and_always_the_last(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    running = Progress("train", 100)
    for step in range(1, 101):  # 25 s in all
        clock.now += 0.25
        running.update(step)
    steps = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert steps == ["1/100", "41/100", "81/100", "100/100"]


def test_steps_of_an_earlier_process_are_left_out_of_the_rate(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    running = Progress("train", 300, done=100)
    clock.now += 10
    running.update(200)
    assert "200/300 steps  10 steps/s  0:10 min left" in capsys.readouterr().out


def test_before_the_first_step_no_time_left_is_claimed(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    running = Progress("train", 300)
    clock.now += 1
    running.update(0)
    assert capsys.readouterr().out == "train  0/300 steps\n"


def test_on_a_terminal_one_line_renews_itself(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    running = Progress("train", 8)
    for step in range(1, 9):
        clock.now += 0.5
        running.update(step)
    lines = terminal.getvalue().split("\r\x1b[K")[1:]
    assert [line.split()[1] for line in lines] == ["1/8", "3/8", "5/8", "7/8", "8/8"]  # one a second
    assert [line.endswith("\n") for line in lines] == [False, False, False, False, True]


def test_following_polls_while_the_block_runs_and_once_after_it() -> None:
    seen, twice = [], threading.Event()

    def poll() -> None:
        seen.append(threading.current_thread())
        if len(seen) == 2:
            twice.set()

    with following(poll, every=0.001):
        assert twice.wait(30)
    assert len(seen) >= 3
    assert seen[-1] is threading.current_thread()
    assert not any(thread.is_alive() for thread in seen[:-1])


def test_following_ends_with_a_block_that_fails_and_still_shows_its_last_state() -> None:
    state, seen = ["started"], []

    def work() -> None:
        with following(lambda: seen.append(state[0]), every=1000):
            state[0] = "failed"
            raise ValueError("worker")

    with pytest.raises(ValueError, match="worker"):
        work()
    assert seen == ["failed"]


def test_a_note_is_said_on_stderr_or_kept_for_who_says_it(capsys) -> None:
    with keeping_notes() as notes:
        note("kept")
        assert capsys.readouterr() == ("", "")
    note("said")
    assert notes == ["kept"]
    assert capsys.readouterr() == ("", "note: said\n")
