"""Images in the docker or podman of this machine: built there once per content, and pushed to their registry."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from slurm import forks
from slurm.agent.directories import make_private_directory, require_own_directory
from slurm.agent.errors import AgentError
from slurm.agent.locks import Locked
from slurm.errors import PackagingError
from slurm.packaging.images.image_context import context_state
from slurm.packaging.images.image_names import Built, repository_of, without_scheme
from slurm.packaging.programs import run

logger: logging.Logger = logging.getLogger(__name__)

# An image is tagged with what it is, and with the state of the context that it was built from: so every process on this
# machine finds it again, as long as docker has it.
TAG, TAG_OF_SOURCES = "sdk-", "sdk-src-"
LENGTH = 16
IDENTITY = re.compile(r"^(?:sha256:)?([0-9a-f]{64})\s*$", re.MULTILINE)

_built: forks.Own[dict[tuple[str, Path, Path], tuple[str, LocalImage]]] = forks.Own(dict)
_pushed: forks.Own[dict[tuple[str, str], Built]] = forks.Own(dict)
_working = forks.Lock()


class LocalImage(NamedTuple):
    """An image that the program `tool` has here: a name with a tag, and its id, 64 digits."""

    reference: str
    identity: str
    tool: str

    @property
    def is_podmans(self) -> bool:
        """Whether it is podman that has it."""
        return os.path.basename(self.tool) == "podman"


def build(image: str, dockerfile: Path, context: Path) -> LocalImage:
    """The image of a context as it is now. Raises `PackagingError`, `ConfigError`.

    It is built where there is none yet; by one process, however many want it at once.
    """
    repository = repository_of(image)
    with _working:
        state = context_state(context, dockerfile)
        known = _built.get().get((repository, dockerfile, context))
        if known is None or known[0] != state:
            known = state, _built_once(repository, dockerfile, context, state)
            _built.get()[repository, dockerfile, context] = known
        return known[1]


def local_image(image: str) -> LocalImage:
    """An image that docker or podman has here already. Raises `PackagingError`."""
    tool, name = _tool(image), without_scheme(image)
    what = f"the image {name} is not here to be copied, build it first"
    return LocalImage(name, _identity(what, tool, name), tool)


def push(image: LocalImage) -> Built:
    """Push an image, once per process; a registry that has it is asked no more than that. Raises `PackagingError`."""
    with _working:
        known = _pushed.get().get((image.tool, image.reference))
        if known is None:
            known = _pushed.get()[image.tool, image.reference] = _push(image)
        return known


def _push(image: LocalImage) -> Built:
    reference, repository = image.reference, image.reference.rpartition(":")[0]
    what = f"the image {repository} could not be"
    run(f"{what} pushed", [image.tool, "push", reference])
    inspect = [image.tool, "image", "inspect", "--format", "{{json .RepoDigests}}", reference]
    known = run(f"{what} looked at", inspect)
    digests = re.findall(rf'"{re.escape(repository)}@(sha256:[0-9a-f]{{64}})"', known)
    return Built(reference, digests[0] if digests else "")


def configuration(image: LocalImage) -> dict[str, object]:
    """What an image says of its processes, in the words of docker: ``Env`` and ``WorkingDir``. Raises `PackagingError`."""
    inspect = [image.tool, "image", "inspect", "--format", "{{json .Config}}", image.identity]
    printed = run(f"the image {image.reference} could not be looked at", inspect)
    found = json.loads(printed.strip().splitlines()[-1]) or {}
    return {"Env": found.get("Env") or [], "WorkingDir": found.get("WorkingDir") or ""}


def _built_once(repository: str, dockerfile: Path, context: Path, state: str) -> LocalImage:
    tool = _tool(repository)
    tag = f"{repository}:{TAG_OF_SOURCES}{state[:LENGTH]}"
    what = f"the image {repository} could not be"
    with _lock(repository):
        try:
            identity = _identity(what, tool, tag)
        except PackagingError:
            identity = _build(repository, dockerfile, context, tool)
            if (
                context_state(context, dockerfile) == state
            ):  # else nobody knows what it was built from
                run(f"{what} named {tag}", [tool, "tag", identity, tag])
    reference = f"{repository}:{TAG}{identity[:LENGTH]}"
    run(f"{what} named {reference}", [tool, "tag", identity, reference])
    return LocalImage(reference, identity, tool)


def _build(repository: str, dockerfile: Path, context: Path, tool: str) -> str:
    logger.info("building %s from %s", repository, dockerfile)
    with tempfile.TemporaryDirectory(prefix="slurm-tasks-") as folder:
        written = Path(folder) / "id"
        argv = [tool, "build", "--iidfile", str(written), "--file", str(dockerfile), str(context)]
        run(f"the image {repository} could not be built from {dockerfile}", argv)
        return written.read_text().strip().rpartition(":")[2]


def _identity(what: str, tool: str, name: str) -> str:
    """The id of an image. Raises `PackagingError` where there is none of this name."""
    printed = run(what, [tool, "image", "inspect", "--format", "{{.Id}}", name])
    found = IDENTITY.search(printed)
    if found is None:
        raise PackagingError(f"{what}: {tool} says that its id is {printed.strip()[-100:]!r}")
    return found[1]


def _tool(image: str) -> str:
    import shutil

    tool = shutil.which("docker") or shutil.which("podman")
    if tool is None:
        raise PackagingError(
            f"nothing here can build or copy {image}: neither docker nor podman is on the PATH"
        )
    return tool


def _lock(repository: str) -> Locked:
    """Held by the process that builds this for this user on this machine, and gone with it."""
    folder = os.path.join(tempfile.gettempdir(), f"slurm-tasks-{os.getuid()}")
    name = hashlib.sha256(repository.encode()).hexdigest()[:LENGTH]
    try:
        make_private_directory(folder)
        require_own_directory(folder)
    except (AgentError, OSError):
        raise PackagingError(
            f"{folder}, which is to hold the locks of who builds images, is not a directory that only you can write "
            "to: remove it, or choose another place with TMPDIR"
        ) from None
    return Locked(os.path.join(folder, f"image-{name}.lock"))
