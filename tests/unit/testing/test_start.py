"""When a cluster counts as started: what the engine says of its containers. Docker and Podman are fakes here."""

from __future__ import annotations

import pytest
from tests.helpers.fakes import Programs

from slurm.testing import ClusterError
from slurm.testing.compose import ComposeProject

# What `docker ps` says is in files, one for each time that it is asked; the last one is said from then on.
ENGINE = r"""
case "$1" in
  version) cat "$HERE/components" 2>/dev/null ;;
  ps) cat "$HERE/said"; [ ! -e "$HERE/next" ] || mv "$HERE/next" "$HERE/said" ;;
  inspect) echo '["CMD","cluster-health","db"]' ;;
esac
"""


@pytest.fixture
def engine(programs: Programs) -> Programs:
    programs.add("docker", ENGINE)
    return programs


def say(engine: Programs, *lines: str, file: str = "said") -> None:
    (engine.folder / file).write_text("".join(f"{line}\n" for line in lines))


def test_it_is_waited_for_until_all_are_healthy(engine: Programs) -> None:
    say(
        engine, "db mine-db-1 Up 2 seconds (healthy)", "c1 mine-c1-1 Up 1 second (health: starting)"
    )
    healthy = "Up 2 seconds (healthy)"
    say(engine, f"db mine-db-1 {healthy}", f"c1 mine-c1-1 {healthy}", file="next")
    ComposeProject("mine").start(60)
    calls = [call[0] for call in engine.calls("docker")]
    assert calls.count("ps") == 2
    assert "exec" not in calls


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("Exited (137) 1 second ago", "c1 ended with status 137"),
        ("Dead", "c1 ended with status "),
        ("Up 9 seconds (unhealthy)", "c1 does not answer"),
    ],
)
def test_one_that_is_dead_or_deaf_ends_it(engine: Programs, status: str, told: str) -> None:
    say(engine, "db mine-db-1 Up 2 seconds (healthy)", f"c1 mine-c1-1 {status}")
    with pytest.raises(ClusterError, match=f"^{told}$"):
        ComposeProject("mine").start(60)


def test_podman_which_leaves_checks_to_systemd_has_them_made(engine: Programs) -> None:
    say(engine, "Podman Engine", file="components")
    say(engine, "db mine-db-1 Up 2 seconds (starting)")
    ComposeProject("mine").start(60)
    assert ["exec", "mine-db-1", "cluster-health", "db"] in engine.calls("docker")


def test_one_that_never_is_ready_is_named(engine: Programs) -> None:
    say(engine, "db mine-db-1 Up 2 seconds (health: starting)")
    with pytest.raises(ClusterError, match=r"^not ready after 0 s: db$"):
        ComposeProject("mine").start(0)
