"""``design.yaml``: the keys that runs use are read strictly, all others are the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm.errors import ConfigError
from slurm.runs.design import Design, Metric, parse_design, read_design

PATH = Path("plan/iter1/design.yaml")
ALL = """\
id: iter1            # ours
hypothesis: {x: &x [1, 2], 3: *x, when: 2026-02-18, tag: !ours y}
1: number
compute:
  location: slurm
  gpus: 2
artifacts:
  required: [metrics.json, out/model.pt]
  include: ["out/**"]
  exclude: ["*.tmp"]
  remote: ~/scratch/iter1
metrics:
  accuracy: {file: metrics.json, key: eval.accuracy}
  loss:
    file: out/loss.json
    key: last
"""


def test_what_runs_use_is_read() -> None:
    assert parse_design(ALL, PATH) == Design(
        PATH,
        location="slurm",
        required=("metrics.json", "out/model.pt"),
        include=("out/**",),
        exclude=("*.tmp",),
        remote="~/scratch/iter1",
        metrics={
            "accuracy": Metric("metrics.json", "eval.accuracy"),
            "loss": Metric("out/loss.json", "last"),
        },
    )


@pytest.mark.parametrize(
    "text", ["", "# x", "mine: 1", "compute:", "compute: {}", "artifacts:\n  required:\nmetrics:\n"]
)
def test_what_is_not_said_is_empty(text: str) -> None:
    assert parse_design(text, PATH) == Design(PATH)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (
            "compute:\n  location: slrum",
            2,
            "compute.location is 'slrum' (did you mean 'slurm'?), and must be slurm or local",
        ),
        ("compute: {location: auto}", 1, "compute.location is 'auto', and must be slurm or local"),
        ("compute: {location: SLURM}", 1, "must be slurm or local"),
        ("compute: {location: [slurm]}", 1, "must be slurm or local"),
        ("compute: {location: }", 1, "must be slurm or local"),
        ("compute:\n  locaton: slurm", 2, "compute.locaton is no key (did you mean 'location'?)"),
        ("compute: slurm", 1, "compute is 'slurm', and must be a mapping"),
        ("x: 1\nartifacts: [a]", 2, "artifacts is a list, and must be a mapping"),
        ("artifacts: {requird: [a]}", 1, "artifacts.requird is no key (did you mean 'required'?)"),
        ("artifacts: {required: a}", 1, "artifacts.required is 'a', and must be a list"),
        (
            "artifacts: {required: [/etc/passwd]}",
            1,
            "must be a path relative to the run's artifacts",
        ),
        ("artifacts: {required: [a, ../b]}", 1, "is '../b', and must be a path relative"),
        ("artifacts: {required: [1]}", 1, "is 1, and must be text"),
        ("artifacts: {include: [a/../../b]}", 1, "must be a pattern of paths"),
        (
            "artifacts: {remote: scratch}",
            1,
            "must be a directory on the cluster that begins with / or ~/",
        ),
        ("metrics: [a]", 1, "metrics is a list, and must be a mapping"),
        ("metrics:\n  a: m.json", 2, "metrics.a is 'm.json', and must be a mapping"),
        ("metrics:\n  a: {file: m.json}", 2, "metrics.a has no key"),
        ("metrics:\n  a: {file: m.json, ky: b}", 2, "metrics.a.ky is no key (did you mean 'key'?)"),
        ("metrics: {a: {file: ../m, key: b}}", 1, "must be a path relative"),
        ("compute: {", 1, "it is no YAML"),
        ("compute: {location: slurm}\ncompute: {location: local}", 2, "duplicate key"),
        ("slurm", 1, "it is no mapping"),
    ],
)
def test_a_bad_design_is_one_line_with_its_line_and_key(text: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_design(text, PATH)
    message = str(raised.value)
    assert message.startswith(f"{PATH}, line {line}: ")
    assert says in message
    assert "\n" not in message


def test_a_design_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"design\.yaml cannot be read: No such file"):
        read_design(tmp_path / "design.yaml")


def test_other_keys_of_the_users_computing_are_left_alone() -> None:
    found = parse_design("compute: {walltime_estimate: 3h, partition: gpu}", PATH)
    assert found.location is None
