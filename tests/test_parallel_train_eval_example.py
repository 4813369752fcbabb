"""The example on the local backend: every acceptance point of its specification, resume included."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from slurm.api.local import LocalBackend
from slurm.errors import ConfigError
from slurm.examples.parallel_train_eval import workflow
from slurm.examples.parallel_train_eval.eval_task import read_metrics
from slurm.examples.parallel_train_eval.files import set_aside_damaged
from slurm.examples.parallel_train_eval.train_task import read_checkpoint

DEADLINE = 200.0


class Done(NamedTuple):
    """What a client left behind."""

    status: int
    stdout: str
    stderr: str


@dataclass
class Example:
    """The example as a user runs it: a command, a workdir, and what is found there."""

    base: Path
    folder: Path
    epochs: int = 2
    steps: int = 1
    cap: int = 1
    report: str = ""  # what the command printed
    log: str = ""  # and what it logged

    def __post_init__(self) -> None:
        self.workdir = self.folder / "run"
        self.clients = ThreadPoolExecutor()

    def arguments(self, **parameters: object) -> list[str]:
        given = {
            "backend": "local",
            "job-base-dir": self.base,
            "max-cpus": 4,
            "epochs": self.epochs,
            "epoch-steps": self.steps,
            "steps-per-job-cap": self.cap,
            "workdir": self.workdir,
            "step-seconds": 0.01,
            "eval-seconds": 0.2,
            **{name.replace("_", "-"): value for name, value in parameters.items()},
        }
        return [word for name, value in given.items() for word in (f"--{name}", str(value))]

    def start_process(self, **parameters: object) -> subprocess.Popen[str]:
        """The command, in a process that can be killed."""
        module = "slurm.examples.parallel_train_eval.workflow"
        return subprocess.Popen(
            [sys.executable, "-m", module, *self.arguments(**parameters)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(self, **parameters: object) -> Future[int]:
        """The command, in a thread of this process; its exit status."""
        return self.clients.submit(workflow.main, self.arguments(**parameters))

    def run(self, **parameters: object) -> Done:
        """The command, in this process, to its end."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = workflow.main(self.arguments(**parameters))
        return Done(status, out.getvalue(), err.getvalue())

    @property
    def scheduler(self) -> LocalBackend:
        return LocalBackend(state_dir=str(self.base / ".local"))

    @property
    def state(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.workdir / "state.json").read_text())
        return content

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.state["events"] if event["event"] == kind]

    def checkpoint(self, epoch: int) -> dict[str, Any]:
        path = self.workdir / "checkpoints" / f"epoch_{epoch:03d}.json"
        content: dict[str, Any] = json.loads(path.read_text())
        return content

    def wait_until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            try:
                if reached():
                    return
            except FileNotFoundError:
                pass  # state.json or a checkpoint that is not written yet
            time.sleep(0.02)
        raise AssertionError(f"not reached in {DEADLINE:g} s; state: {self.state}")

    def kill(self, task: str) -> None:
        """kill -9 for every process that runs a job of `task`."""
        for pid in self.processes(task):
            with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(pid, signal.SIGKILL)

    def processes(self, task: str) -> list[int]:
        """Processes whose last argument is the directory of a job of `task`."""
        listed = subprocess.run(
            ["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True
        )
        rows = (line.split() for line in listed.stdout.splitlines())
        jobs = ((int(row[0]), Path(row[-1])) for row in rows)
        return [pid for pid, job in jobs if self.base in job.parents and job.parent.name == task]


@pytest.fixture(scope="module")
def base(
    tmp_path_factory: pytest.TempPathFactory, lend_sdk: Callable[[Path], None]
) -> Iterator[Path]:
    """The job directories of all runs here, and the scheduler of their jobs."""
    base = tmp_path_factory.mktemp("example") / "jobs"
    lend_sdk(base)
    yield base
    stop_scheduler(base)


@pytest.fixture
def example(base: Path, tmp_path: Path) -> Iterator[Example]:
    """A run that has not begun: two epochs, a training job and an evaluation each."""
    fresh = Example(base, tmp_path)
    yield fresh
    fresh.clients.shutdown()


@pytest.fixture(scope="module")
def finished(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """A run that went through undisturbed."""
    example = Example(base, tmp_path_factory.mktemp("finished"), epochs=2, steps=3, cap=2)
    client = example.start_process()
    example.report, example.log = client.communicate(timeout=DEADLINE)
    assert client.returncode == 0, example.log
    return example


def stop_scheduler(base: Path) -> None:
    LocalBackend(state_dir=str(base / ".local")).shutdown(kill_jobs=True)


def assert_whole(example: Example) -> None:
    """No step lost, none done twice, one evaluation per epoch, whatever happened on the way."""
    state = example.state
    assert state["status"] == "completed"
    assert (state["current_epoch"], state["steps_completed"]) == (example.epochs - 1, example.steps)
    for epoch in range(example.epochs):
        history = example.checkpoint(epoch)["history"]
        assert [entry["step"] for entry in history] == list(range(1, example.steps + 1))
        assert state["epochs"][epoch]["steps_completed"] == example.steps
        outcomes = [job["outcome"] for job in state["epochs"][epoch]["eval_jobs"]]
        assert outcomes.count("completed") == 1
        metrics = json.loads(Path(state["epochs"][epoch]["metrics"]).read_text())
        assert metrics["epoch"] == epoch
        assert metrics["steps_completed"] == example.steps


# --- a run that nothing disturbs -----------------------------------------------------------------


def test_every_epoch_reaches_its_steps(finished: Example) -> None:
    assert_whole(finished)
    assert len(finished.state["epochs"]) == finished.epochs


def test_an_epoch_longer_than_the_cap_takes_several_train_jobs(finished: Example) -> None:
    for entry in finished.state["epochs"]:
        steps = [job["steps"] for job in entry["train_jobs"]]
        assert steps == [2, 1]
        assert len({job["job_id"] for job in entry["train_jobs"]}) == 2


def test_exactly_one_eval_job_per_epoch_is_launched(finished: Example) -> None:
    launched = Counter(event["epoch"] for event in finished.events("eval_submitted"))
    assert launched == dict.fromkeys(range(finished.epochs), 1)


def test_the_eval_job_depends_on_the_epochs_last_train_job(finished: Example) -> None:
    for entry in finished.state["epochs"]:
        assert entry["eval_jobs"][0]["depends_on"] == [entry["train_jobs"][-1]["job_id"]]


def test_training_goes_on_while_an_evaluation_is_under_way(finished: Example) -> None:
    sequence = {(e["event"], e["epoch"]): e["sequence"] for e in reversed(finished.state["events"])}
    for epoch in range(finished.epochs - 1):
        submitted = sequence["eval_submitted", epoch]
        assert submitted < sequence["train_submitted", epoch + 1]
        assert sequence["train_submitted", epoch + 1] < sequence["eval_finished", epoch]


def test_metrics_name_the_checkpoint_they_were_made_from(finished: Example) -> None:
    for entry in finished.state["epochs"]:
        metrics = json.loads(Path(entry["metrics"]).read_text())
        assert (metrics["epoch"], metrics["steps_completed"]) == (entry["epoch"], finished.steps)
        assert metrics["checkpoint"] == entry["checkpoint"]
        assert metrics["weights"] == finished.checkpoint(entry["epoch"])["weights"]
        assert metrics["loss"] == entry["loss"]


def test_training_continues_from_the_epoch_before(finished: Example) -> None:
    losses = [entry["loss"] for entry in finished.state["epochs"]]
    assert losses == sorted(losses, reverse=True)


def test_all_that_a_run_writes_is_below_its_workdir(finished: Example) -> None:
    written = {str(path.relative_to(finished.folder)) for path in finished.folder.rglob("*.json")}
    epochs = [f"epoch_{epoch:03d}.json" for epoch in range(finished.epochs)]
    expected = {f"run/{kind}/{name}" for kind in ("checkpoints", "metrics") for name in epochs}
    assert written == expected | {"run/state.json"}


def test_state_says_where_an_epochs_files_are(finished: Example) -> None:
    for entry in finished.state["epochs"]:
        for kind in ("checkpoint", "metrics"):
            path = Path(entry[kind])
            assert path == finished.workdir / path.relative_to(finished.workdir)
            assert json.loads(path.read_text())["epoch"] == entry["epoch"]


def test_every_job_that_trains_ends_well_at_its_cap(finished: Example) -> None:
    for entry in finished.state["epochs"]:
        for job in entry["train_jobs"]:
            assert (job["outcome"], job["epoch"]) == ("completed", entry["epoch"])
            assert json.loads(Path(job["job_dir"], "metadata.json").read_text())["status"] == (
                "completed"
            )


def test_jobs_run_in_the_partitions_of_the_test_cluster(finished: Example) -> None:
    assert partitions_of(finished) == {"workflow": {"cpu"}, "train": {"gpu"}, "eval": {"cpu"}}


def test_partitions_can_be_chosen(example: Example) -> None:
    chosen = {"workflow": "short", "train": "long", "eval": "spare"}
    given = {f"partition_{kind}": name for kind, name in chosen.items()}
    done = example.run(epochs=1, **given)
    assert done.status == 0, done.stderr
    assert partitions_of(example) == {kind: {name} for kind, name in chosen.items()}


def partitions_of(example: Example) -> dict[str, set[str]]:
    """Where the jobs of each kind were sent to, by their scripts."""
    state = example.state
    jobs = {
        kind: [job["job_dir"] for entry in state["epochs"] for job in entry[f"{kind}_jobs"]]
        for kind in ("train", "eval")
    }
    [orchestrator] = state["orchestrators"]
    [log] = example.base.glob(f"train_and_evaluate/*/slurm_{orchestrator}.err")
    jobs["workflow"] = [str(log.parent)]
    return {
        kind: {
            line.partition("=")[2]
            for folder in folders
            for line in Path(folder, "job.sh").read_text().splitlines()
            if line.startswith("#SBATCH --partition")
        }
        for kind, folders in jobs.items()
    }


def test_state_names_every_job_id(finished: Example) -> None:
    submitted = {
        event["job_id"] for event in finished.state["events"] if "submitted" in event["event"]
    }
    named = {
        job["job_id"]
        for entry in finished.state["epochs"]
        for job in entry["train_jobs"] + entry["eval_jobs"]
    }
    assert submitted == named
    assert len(named) == finished.epochs * 3
    assert len(finished.state["orchestrators"]) == 1


def test_the_log_of_the_orchestrator_tells_of_submissions_progress_and_artifacts(
    finished: Example,
) -> None:
    [orchestrator] = finished.state["orchestrators"]
    assert f"orchestrator: submitted job {orchestrator}" in logged(finished.log)
    [log] = finished.base.glob(f"train_and_evaluate/*/slurm_{orchestrator}.err")
    lines = logged(log.read_text())
    assert f"run completed, state in {finished.workdir}/state.json" in lines
    for entry in finished.state["epochs"]:
        epoch = f"epoch {entry['epoch']}"
        for kind in ("train", "eval"):
            for job in entry[f"{kind}_jobs"]:
                assert f"{epoch}: submitted {kind} job {job['job_id']}" in lines
        assert {f"{epoch}: 2 of 3 steps", f"{epoch}: 3 of 3 steps"} <= set(lines)
        assert f"{epoch}: loss {entry['loss']:.6f}, metrics in {entry['metrics']}" in lines


def test_the_log_of_a_job_tells_what_it_wrote(finished: Example) -> None:
    for entry in finished.state["epochs"]:
        for job in entry["train_jobs"]:
            assert f"wrote {entry['checkpoint']}" in log_of(job)
        for job in entry["eval_jobs"]:
            assert log_of(job)[-1].endswith(f"wrote {entry['metrics']}")


def log_of(job: dict[str, Any]) -> list[str]:
    return logged(Path(job["job_dir"], f"slurm_{job['job_id']}.err").read_text())


def logged(text: str) -> list[str]:
    """The messages in what `logging` has written."""
    return re.findall(r"^\d{4}-\d\d-\d\d [\d:,]+ INFO (.+)$", text, re.MULTILINE)


def test_the_report_names_the_artifacts(finished: Example) -> None:
    for entry in finished.state["epochs"]:
        assert entry["checkpoint"] in finished.report
        assert entry["metrics"] in finished.report


# --- started again -------------------------------------------------------------------------------


def test_a_finished_run_started_again_submits_nothing(finished: Example) -> None:
    before = finished.state
    again = finished.run()
    assert again.status == 0, again.stderr
    assert again.stdout == finished.report
    assert finished.state == before


@pytest.mark.story
def test_starts_at_once_are_one_run_which_later_ones_find_when_all_clients_were_killed(
    example: Example,
) -> None:
    clients = [example.start_process(step_seconds=2) for _ in range(2)]
    example.wait_until(lambda: bool(example.state["epochs"][1]["train_jobs"]))
    state = example.state
    for client in clients:
        client.kill()
        client.communicate()
    assert (state["current_epoch"], state["steps_completed"]) == (1, 0)
    later = [example.start(step_seconds=2) for _ in range(2)]
    assert [client.result(DEADLINE) for client in later] == [0, 0]
    assert len(example.state["orchestrators"]) == 1
    assert_whole(example)


@pytest.mark.story
@pytest.mark.parametrize("moment", [1, 3])
def test_an_orchestrator_killed_at_any_moment_is_replaced(example: Example, moment: int) -> None:
    client = example.start(step_seconds=0.03, eval_seconds=2)  # it is there for as long at least
    example.wait_until(lambda: len(example.state["events"]) >= moment)
    example.kill("train_and_evaluate")
    assert client.result(DEADLINE) == 1
    again = example.run(step_seconds=0.03)
    assert again.status == 0, again.stderr
    assert len(example.state["orchestrators"]) == 2
    assert_whole(example)
    assert Counter(e["epoch"] for e in example.events("eval_submitted")) == dict.fromkeys(
        range(example.epochs), 1
    )
    for entry in example.state["epochs"]:  # also when killed between training and evaluation
        assert entry["eval_jobs"][0]["depends_on"] == [entry["train_jobs"][-1]["job_id"]]


@pytest.mark.story
def test_training_goes_on_after_a_train_job_was_killed(example: Example) -> None:
    example.epochs, example.steps, example.cap = 1, 12, 12  # so many that it is killed among them
    client = example.start(step_seconds=0.3)
    example.wait_until(lambda: example.checkpoint(0)["steps_completed"] >= 1)
    example.kill("train_epoch")
    assert client.result(DEADLINE) == 0
    assert len(example.events("train_failed")) == 1
    assert_whole(example)


@pytest.mark.story
def test_everything_killed_at_once_is_finished_by_the_next_start(example: Example) -> None:
    example.steps, example.cap = 12, 12
    client = example.start_process(step_seconds=0.1, eval_seconds=2)
    example.wait_until(lambda: example.checkpoint(1)["steps_completed"] >= 1)
    os.kill(example.scheduler.info()["pid"], signal.SIGKILL)
    client.kill()
    for task in ("train_and_evaluate", "train_epoch", "evaluate_epoch"):
        example.kill(task)
    client.communicate()
    again = example.run(step_seconds=0.001)
    assert again.status == 0, again.stderr
    assert_whole(example)


@pytest.mark.story
def test_a_run_goes_on_when_its_job_directories_were_removed(
    example: Example, lend_sdk: Callable[[Path], None]
) -> None:
    example.base = example.folder / "jobs"
    lend_sdk(example.base)
    client = example.start_process(eval_seconds=1)
    example.wait_until(lambda: bool(example.events("eval_submitted")))
    client.kill()
    client.communicate()
    example.kill("train_and_evaluate")
    stop_scheduler(example.base)
    shutil.rmtree(example.base)
    lend_sdk(example.base)
    again = example.run()
    stop_scheduler(example.base)
    assert again.status == 0, again.stderr
    assert_whole(example)


@pytest.mark.story
@pytest.mark.parametrize("damage", ["{", '{"epoch": 1, "loss": 0.5}'])
def test_a_failed_evaluation_stops_no_training_and_the_next_start_mends_it(
    damage: str, example: Example
) -> None:
    metrics = example.workdir / "metrics" / "epoch_000.json"
    metrics.parent.mkdir(parents=True)
    metrics.write_text(damage)
    example.epochs = 3
    failed = example.run()
    assert failed.status == 1, "2 would say that nothing was submitted"
    assert failed.stderr.count("\n") == 1
    assert "1 of 3 evaluations failed: epoch 0 (job " in failed.stderr
    assert f"{metrics} cannot be read" in failed.stderr
    state = example.state
    assert state["status"] == "evaluation failed"
    assert [entry["steps_completed"] for entry in state["epochs"]] == [1, 1, 1]
    outcomes = [[job["outcome"] for job in entry["eval_jobs"]] for entry in state["epochs"]]
    assert outcomes == [["failed"], ["completed"], ["completed"]]
    assert str(metrics) in state["epochs"][0]["eval_jobs"][0]["error"]
    assert [event["epoch"] for event in example.events("eval_failed")] == [0]
    [log] = example.base.glob(f"train_and_evaluate/*/slurm_{state['orchestrators'][0]}.err")
    assert "epoch 0: its evaluation failed, training goes on: ConfigError" in log.read_text()

    example.wait_until(lambda: example.scheduler.info()["running"] == 0)
    assert example.run().status == 0
    assert_whole(example)
    assert metrics.with_name("epoch_000.json.damaged").read_text() == damage
    submitted = Counter(event["epoch"] for event in example.events("eval_submitted"))
    assert submitted == {0: 2, 1: 1, 2: 1}
    assert len(example.events("train_submitted")) == 3


@pytest.mark.story
def test_a_checkpoint_that_is_damaged_is_named_in_one_line(example: Example) -> None:
    example.epochs = 1
    path = example.workdir / "checkpoints" / "epoch_000.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"epoch": 0, "ste')
    refused = example.run()
    assert refused.status != 0
    [line] = refused.stderr.splitlines()
    assert f"{path} cannot be read" in line
    path.unlink()
    example.wait_until(lambda: example.scheduler.info()["running"] == 0)
    assert example.run().status == 0
    assert_whole(example)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("", "Expecting value"),
        ("[" * 100_000, "recursion"),
        ("[1]", "no JSON object"),
        ("{}", "not of epoch 2"),
        ('{"epoch": 1, "loss": 0.5}', "not of epoch 2"),
        ('{"epoch": 2}', "loss is missing"),
        ('{"epoch": 2, "loss": "low"}', "loss is missing or something else"),
    ],
)
def test_what_is_no_file_of_its_epoch_is_said_and_set_aside(
    damage: str, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "epoch_002.json"
    path.write_text(damage)
    with pytest.raises(ConfigError, match=rf"{path} cannot be read: .*{why}"):
        read_metrics(path, 2)
    with pytest.raises(ConfigError, match=f"{path} cannot be read"):
        read_checkpoint(path, 2)
    assert set_aside_damaged(path, lambda file: read_metrics(file, 2))
    assert (tmp_path / "epoch_002.json.damaged").read_text() == damage
    assert read_metrics(path, 2) is None
    path.write_text('{"epoch": 2, "loss": 0.5}')
    assert set_aside_damaged(path, lambda file: read_metrics(file, 2)) is None


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"epochs": 0}, "--epochs"),
        ({"epochs": "many"}, "--epochs"),
        ({"epoch_steps": -1}, "--epoch-steps"),
        ({"steps_per_job_cap": 0}, "--steps-per-job-cap"),
        ({"step_seconds": "nan"}, "--step-seconds"),
        ({"workdir": "/dev/null/run"}, "--workdir"),
        ({"partition_train": "two\nlines"}, "partition"),
        ({"port": "x"}, "--port"),
        ({"max_cpus": 0}, "--max-cpus"),
        ({"epochs": 10**9}, "--epochs"),
        ({"step_seconds": 1e300}, "--step-seconds"),
        ({"workdir": ""}, "--workdir"),
        ({"workdir": "~nobody-of-that-name/run"}, "--workdir"),
    ],
)
def test_bad_arguments_get_one_line_before_anything_is_submitted(
    example: Example, wrong: dict[str, object], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(example.base.glob("*/*/job.sh"))
    with pytest.raises(SystemExit) as left:
        sys.exit(workflow.main(example.arguments(**wrong)))
    assert left.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert named in line
    assert set(example.base.glob("*/*/job.sh")) == before


def test_a_workdir_of_a_run_with_other_parameters_is_refused(finished: Example) -> None:
    before = finished.state
    refused = finished.run(epochs=3)
    assert refused.status == 2
    [line] = refused.stderr.splitlines()
    assert "epochs is 2 there, 3 here" in line
    assert finished.state == before


def test_a_workdir_with_a_foreign_state_file_is_refused(example: Example) -> None:
    example.workdir.mkdir()
    (example.workdir / "state.json").write_text("[]")
    refused = example.run()
    assert refused.status == 2
    assert "state.json is not the state of a run" in refused.stderr
