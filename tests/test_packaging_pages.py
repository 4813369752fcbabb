"""The pages on packaging, done as a user does them, on nodes with neither pip nor venv; and what they say is so.

The project of the pages stands on `packaging.md`. A page's ``Slurmfile.toml`` is what is said of packaging: the rest of that
file, where the cluster is, is the test cluster's own.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from tests.helpers.pages import blocks, require_shown, run, script_of

import slurm
from slurm.config.slurmfile import cluster_settings
from slurm.packaging import STRATEGIES, strategy_of
from slurm.packaging.by_name import settings_known
from slurm.testing import DockerCluster
from slurm.testing.plugin import SHARED

HOW_TO = Path(__file__).parents[1] / "docs/how-to"
CHOOSE = HOW_TO / "packaging.md"
PAGES, LONG_PAGE = ["send-your-code.md", "send-dependencies.md"], "build-a-wheel.md"
CONTAINERS = "run-in-a-container.md"
EVERY_PAGE = [
    *PAGES,
    LONG_PAGE,
    CONTAINERS,
    "use-an-environment-of-the-site.md",
    "write-a-packaging-strategy.md",
]
SDK = Path(slurm.__file__).parents[1]
TIMEOUT = 600.0


def type_in(page: str, site: DockerCluster, folder: Path) -> None:
    """Do what the page says, in the project of the pages, and fail where it shows something else than what comes of it."""
    project = folder / "curves"
    project.mkdir()
    given = site.slurmfile.read_text()
    home = f"/shared/work/pages-{secrets.token_hex(4)}"
    assert "~/slurm_jobs" in given
    cluster = given.replace("~/slurm_jobs", home)
    files = [block for block in blocks(CHOOSE) if block.mark.startswith("file: ")]
    marked = [*files, *(block for block in blocks(HOW_TO / page) if block.is_of("cluster"))]
    typed = [
        block._replace(text=f"{cluster}\n{block.text}") if "Slurmfile" in block.mark else block
        for block in marked
    ]
    (project / "Slurmfile.toml").write_text(cluster)
    path = os.pathsep.join([str(project / "src"), str(SDK)])
    written = run(["bash", "-c", script_of(typed)], project, TIMEOUT, {"PYTHONPATH": path})
    require_shown(typed, written)


@pytest.mark.slurm
@pytest.mark.parametrize("page", [*PAGES, pytest.param(LONG_PAGE, marks=pytest.mark.matrix)])
def test_a_page_shows_what_comes_of_it(
    page: str, slurm_cluster: DockerCluster, tmp_path: Path
) -> None:
    type_in(page, slurm_cluster, tmp_path)


@pytest.mark.slurm
@pytest.mark.matrix
def test_the_page_on_containers_shows_what_comes_of_it(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    options = {"containers": True}
    shared = replace(pytestconfig.stash[SHARED], purpose="containers", options=options)
    type_in(CONTAINERS, shared.bring_up(), tmp_path)


@pytest.mark.parametrize("page", [CHOOSE.name, *EVERY_PAGE])
def test_the_settings_that_a_page_shows_are_taken(page: str, tmp_path: Path) -> None:
    shown = [block for block in blocks(HOW_TO / page) if "[default.packaging]" in block.text]
    assert shown
    for block in shown:
        text = block.text.replace("scratch_packaging:ScratchPackaging", "source")
        text = text.replace('root = "/local"\n', "")
        (tmp_path / "Slurmfile.toml").write_text(text)
        (tmp_path / "Dockerfile").touch()
        packaging = cluster_settings(tmp_path / "Slurmfile.toml").arguments["packaging"]
        assert strategy_of(packaging).inherited()["type"] in STRATEGIES


@pytest.mark.parametrize(
    ("page", "name"),
    [("send-your-code.md", "source"), ("build-a-wheel.md", "wheel"), (CONTAINERS, "container")],
)
def test_a_page_names_all_settings_of_its_packaging(page: str, name: str) -> None:
    text = (HOW_TO / page).read_text()
    assert [key for key in settings_known(name) if f"`{key}`" not in text] == []


def test_the_page_that_says_which_to_choose_leads_to_all_others() -> None:
    text = CHOOSE.read_text()
    assert [page for page in EVERY_PAGE if f"({page}" not in text] == []
    assert [
        name for name in STRATEGIES if f"`{name}`" not in text and f'"{name}"' not in text
    ] == []
