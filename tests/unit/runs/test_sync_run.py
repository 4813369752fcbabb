"""What is done for one run: the policy's way, what a person has brought, and what the manifest says then."""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.helpers.runs_home import Distant, Run

from slurm import Cluster
from slurm.api.ssh import SSHCommandBackend
from slurm.errors import ConfigError
from slurm.runs import store
from slurm.runs.arrival import Arrived, told
from slurm.runs.moments import moment_of
from slurm.runs.policy import Policy, load_policy
from slurm.runs.step import Action, Teller, next_action
from slurm.runs.sync import sync_run
from slurm.runs.sync_command import rsync_source
from slurm.runs.sync_plan import Skipped

TELLER = Teller(moment_of("2026-02-18T16:00:45Z") + datetime.timedelta(hours=1), "slurm runs sync")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path, "artifacts: {required: [metrics.json]}\n")


@pytest.fixture
def far() -> Distant:
    return Distant()


@pytest.fixture
def cluster(far: Distant, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(far, job_base_dir=tmp_path)
    yield cluster
    cluster.close()


def policy(run: Run, text: str = "") -> Policy:
    (run.root / "project" / ".slurm" / "policy.yaml").write_text(text)
    return load_policy(run.root / "project")


# --- the connection ------------------------------------------------------------------------------


def test_the_policy_bounds_the_size(run: Run, cluster: Cluster) -> None:
    run.put("metrics.json", bytes(2 << 20))
    found = sync_run(run.manifest, cluster, policy(run, "sync.max_size: 1M"))
    assert found.missing == ("metrics.json",)
    assert sync_run(run.manifest, cluster, policy(run, "sync.max_size: 2M")).complete


def test_a_design_that_is_wrong_is_said_before_anything_is_asked(
    run: Run, cluster: Cluster, far: Distant
) -> None:
    run.design("artifacts: {required: [../x]}\n")
    with pytest.raises(ConfigError, match=r"design\.yaml"):
        sync_run(run.manifest, cluster, policy(run))
    assert far.asked == []


def test_a_home_on_another_file_system(run: Run, cluster: Cluster) -> None:
    roomy = tempfile.mkdtemp(dir="/var/tmp")
    try:
        run.home.symlink_to(roomy)
        about = run.put("metrics.json", "{}").stat()
        assert sync_run(run.manifest, cluster, policy(run)).complete
        found = Path(roomy, "metrics.json").stat()
        assert (found.st_size, found.st_mtime_ns) == (2, about.st_mtime_ns)
        assert os.listdir(roomy) == ["metrics.json"]
    finally:
        shutil.rmtree(roomy)


# --- what a person has brought -------------------------------------------------------------------


def test_what_was_marked_by_hand_is_looked_at_and_nothing_asked(
    run: Run, cluster: Cluster, far: Distant
) -> None:
    marked = {"artifact_sync_to_local": {"status": "success"}}
    store.change(run.path, lambda found: found.with_keys(**marked))
    run.home.mkdir()
    (run.home / "metrics.json").write_text("{}")
    shutil.rmtree(run.there)
    assert sync_run(run.manifest, cluster, policy(run)) == Arrived(1, 2)
    assert far.asked == []


def test_what_was_marked_and_is_not_here_is_fetched(run: Run, cluster: Cluster) -> None:
    store.change(run.path, lambda found: found.having("artifact_sync_to_local", status="ok"))
    run.put("metrics.json", "{}")
    assert sync_run(run.manifest, cluster, policy(run)).came == 2


# --- a command of the policy ---------------------------------------------------------------------

COPY = 'sync.rsync_command: sh -c \'cp -Rp "$0". "$1"{}\' {{{{source}}}} {{{{destination}}}}\n'


def test_a_command_brings_them_in_place_of_the_connection(
    run: Run, cluster: Cluster, far: Distant
) -> None:
    run.put("metrics.json", "{}")
    run.put("more/a b", "x")
    found = sync_run(run.manifest, cluster, policy(run, COPY.format("")))
    assert found == Arrived(2, 3)
    assert run.here() == {"metrics.json": b"{}", "more/a b": b"x"}
    assert set(far.asked) == {"tree"}


@pytest.mark.parametrize(
    ("after", "error"),
    [
        ("; exit 23", "sh ended with exit status 23 (sync.rsync_command of the policy)"),
        ("; kill -9 $$", "sh ended with signal 9 (sync.rsync_command of the policy)"),
        ('; printf xx > "$1"/metrics.json', "metrics.json: not as on the cluster, after sh"),
        ('; rm "$1"/metrics.json', ""),
    ],
)
def test_a_command_is_believed_only_as_far_as_can_be_seen(
    after: str, error: str, run: Run, cluster: Cluster
) -> None:
    run.put("metrics.json", "{}")
    found = sync_run(run.manifest, cluster, policy(run, COPY.format(after)))
    assert found.error == error
    assert not found.complete


def test_a_program_that_is_not_there(run: Run, cluster: Cluster) -> None:
    found = sync_run(run.manifest, cluster, policy(run, "sync.rsync_command: none {{source}}"))
    assert found.error == "none: No such file or directory"


def test_a_source_has_the_host_if_there_is_one(far: Distant) -> None:
    assert rsync_source(far, "/work/x/") == "/work/x/"
    assert rsync_source(far, "~/x") == f"{far.host().home}/x/"
    for host, user, wanted in (
        ("login", None, "login:/x/"),
        ("login", "me", "me@login:/x/"),
        ("fe80::1", "me", "me@[fe80::1]:/x/"),
    ):
        assert rsync_source(SSHCommandBackend(hostname=host, username=user), "/x") == wanted


# --- what the manifest says ----------------------------------------------------------------------


def test_a_run_whose_artifacts_are_here_is_synced(run: Run) -> None:
    changed = told(TELLER, run.manifest, Arrived(3, 17, skipped=(Skipped("big", "its 2K ..."),)))
    assert (str(changed.status), next_action(changed).action) == ("synced", Action.EXTRACT)
    assert changed.section("artifact_sync_to_local") == {
        "status": "ok",
        "files": 3,
        "bytes": 17,
        "skipped": ["big: its 2K ..."],
        "at": "2026-02-18T17:00:45Z",
        "by": "slurm runs sync",
    }
    store.change(run.path, lambda _: changed)  # the schema has it all


def test_one_with_something_missing_stays_where_it_is(run: Run) -> None:
    changed = told(TELLER, run.manifest, Arrived(1, 2, ("metrics.json",), error="disk full"))
    assert (str(changed.status), next_action(changed).action) == ("running", Action.SYNC)
    known = changed.section("artifact_sync_to_local")
    assert (known["status"], known["missing"], known["error"]) == (
        "failed",
        ["metrics.json"],
        "disk full",
    )
    again = told(TELLER, changed, Arrived(1, 2))
    assert "missing" not in again.section("artifact_sync_to_local")


def test_a_failed_run_stays_failed_with_what_it_left(run: Run) -> None:
    failed = TELLER.given_up(run.manifest, "its job is FAILED")
    changed = told(TELLER, failed, Arrived(1, 2))
    assert (str(changed.status), str(changed.sync)) == ("failed", "ok")
    assert str(told(TELLER, failed, Arrived(missing=("metrics.json",))).sync) == "failed"


def test_a_synced_run_is_not_undone(run: Run) -> None:
    synced = told(TELLER, run.manifest, Arrived(1, 2))
    assert told(TELLER, synced, Arrived(error="it was tidied up")) is synced
    assert told(TELLER, synced, Arrived(2, 3)).section("artifact_sync_to_local")["files"] == 2
    done = TELLER.extracted(synced, "completed")
    assert str(told(TELLER, done, Arrived(2, 3)).status) == "completed"
