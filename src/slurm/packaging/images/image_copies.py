"""Images that reach a cluster without a registry: saved from docker or podman here, and sent once, in a form for the runtime."""

from __future__ import annotations

import json
import logging
import posixpath
import shutil
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slurm import forks
from slurm.errors import PackagingError
from slurm.job_dir.large_files import scratch_directory
from slurm.job_dir.paths import PACKAGES
from slurm.packaging.code.source_copies import CONTENTS, Copy, send
from slurm.packaging.code.source_files import SourceFile, sha256_of
from slurm.packaging.images.image_building import LENGTH, LocalImage, configuration
from slurm.packaging.images.image_names import Built
from slurm.packaging.images.runtimes import TAKES, chosen
from slurm.packaging.programs import run
from slurm.usage import format_size

if TYPE_CHECKING:
    from slurm.cluster import Cluster

logger: logging.Logger = logging.getLogger(__name__)

IMAGES = "images"
CONFIGURATION = "image.json"
SAVED, EXPORTED, ENROOTS = "image.tar", "root.tar", "image.sqsh"
# What each runtime is sent: docker's own archive; the root file system alone, with what is told of its processes beside
# it; or what `enroot import` makes of it here: https://github.com/NVIDIA/enroot/blob/master/doc/cmd/import.md
FORMS: Mapping[str, str] = {
    "pyxis": ENROOTS,
    "apptainer": SAVED,
    "singularity": SAVED,
    "enroot": ENROOTS,
    "slurm-oci": EXPORTED,
    "charliecloud": EXPORTED,
    "podman": SAVED,
}
TOLD_EVERY = 5.0  # seconds

_there: forks.Own[set[tuple[object, str]]] = forks.Own(set)
_configurations: forks.Own[dict[tuple[object, str], dict[str, Any]]] = forks.Own(dict)
_copying = forks.Lock()


def runtime_for_copy(found: Collection[str], image: str) -> str:
    """The runtime, of those that a cluster has, for which an image can be copied from here. Raises `PackagingError`."""
    here = shutil.which("enroot") is not None
    able = [one for one in TAKES if one in found and (here or FORMS[one] != ENROOTS)]
    if able:
        return able[0]
    if not found:
        return chosen(found, image, "tar")  # which says what is missing
    raise PackagingError(
        f"image {image!r} cannot be copied to a cluster with {', '.join(found)}, which take .sqsh files: install enroot "
        "here, which makes them, or have the image pushed to a registry"
    )


def require_maker(runtime: str, image: str) -> None:
    """Raises `PackagingError` where nothing here makes what the runtime takes, before anything is built for it."""
    if FORMS[runtime] == ENROOTS and shutil.which("enroot") is None:
        raise PackagingError(
            f"image {image!r} cannot be copied: {runtime} takes a .sqsh file, which enroot makes, and there is no enroot on "
            "the PATH here: install it, or have the image pushed to a registry"
        )


def copy_image(image: LocalImage, runtime: str, cluster: Cluster) -> Built:
    """The image on the cluster, where it is afterwards, for this runtime. Raises `PackagingError`, `TransportError`.

    It is saved and sent where it is not there yet. Its path is named by its id.
    """
    form = FORMS[runtime]
    name = f"{posixpath.basename(image.reference).partition(':')[0]}-{image.identity[:LENGTH]}"
    copy = Copy(name, form.replace(".", "-"), (), {}, IMAGES)
    base = cluster.job_base_dir
    place = copy.place(base)
    with _copying:
        if (cluster.site.place, place) not in _there.get():
            store = posixpath.join(base, PACKAGES, CONTENTS)
            if not cluster.backend.copy_files(place, store).get("ready"):
                _send(image, form, copy, cluster)
            _there.get().add((cluster.site.place, place))
    return Built(posixpath.join(place, form), f"sha256:{image.identity}")


def of_image(image: str) -> list[str]:
    """The directory of an image that was copied; nothing for others.

    >>> of_image("/jobs/.packages/images/train-0a1b-image-tar/image.tar")
    ['/jobs/.packages/images/train-0a1b-image-tar']
    >>> of_image("python:3.12")
    []
    """
    folder = posixpath.dirname(image)
    return [folder] if f"/{PACKAGES}/{IMAGES}/" in folder else []


def forget(gone: Collection[str], cluster: Cluster) -> None:
    """Ask for these again, which are not there any more."""
    with _copying:
        for place in gone:
            _there.get().discard((cluster.site.place, place))


def shown_place(image: str, runtime: str, base: str) -> str:
    """Where a copy will be, for a dry run, in which nobody knows the image's id.

    >>> shown_place("train", "podman", "/jobs")
    '/jobs/.packages/images/<train>/image.tar'
    """
    return posixpath.join(base, PACKAGES, IMAGES, f"<{image}>", FORMS[runtime])


def configuration_of(image: str, cluster: Cluster) -> Mapping[str, Any]:
    """What is told of the processes in a root file system that was copied: ``Env`` and ``WorkingDir``; nothing of others."""
    folder, name = posixpath.split(image)
    if name != EXPORTED or f"/{PACKAGES}/{IMAGES}/" not in folder:
        return {}
    known = _configurations.get()
    key = (cluster.site.place, image)
    if key not in known:
        known[key] = json.loads(cluster.backend.read_file(posixpath.join(folder, CONFIGURATION)))
    return known[key]


def _send(image: LocalImage, form: str, copy: Copy, cluster: Cluster) -> None:
    with tempfile.TemporaryDirectory(prefix="slurm-tasks-", dir=scratch_directory()) as folder:
        file = Path(folder) / form
        logger.info("saving %s", image.reference)
        _save(image, form, file)
        files = [file]
        if form == EXPORTED:
            files.append(Path(folder) / CONFIGURATION)
            files[-1].write_text(json.dumps(configuration(image)))
        sent = [SourceFile(one.name, str(one), one.stat().st_size, False) for one in files]
        size = format_size(sum(one.size for one in sent))
        logger.info("sending %s (%s) to %s", image.reference, size, cluster.site)
        copy = copy._replace(files=[(one, sha256_of(one)) for one in sent])
        send(copy, cluster, again=True, progress=_Telling(image.reference).step)


def _save(image: LocalImage, form: str, file: Path) -> None:
    tool, what = image.tool, f"the image {image.reference} could not be"
    if form == SAVED:
        more = ["--format", "docker-archive"] if image.is_podmans else []
        run(f"{what} saved", [tool, "save", *more, "--output", str(file), image.reference])
    elif form == ENROOTS:
        _import(image, file)
    else:
        # A container that never runs: only one of those can be exported. Some images name no program.
        made = run(f"{what} exported", [tool, "create", image.reference, "nothing"])
        container = made.split()[-1]
        try:
            run(f"{what} exported", [tool, "export", "--output", str(file), container])
        finally:
            run(f"{what} tidied up after", [tool, "rm", container])


def _import(image: LocalImage, file: Path) -> None:
    scheme = "podman" if image.is_podmans else "dockerd"
    source = f"{scheme}://{image.reference}"
    what = f"the image {image.reference} could not be imported"
    run(what, ["enroot", "import", "--output", str(file), "--", source])


class _Telling:
    """Says in the log now and then how far an image is on its way."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told = time.monotonic()

    def step(self, path: str, done: int, total: int) -> None:
        if done == total or time.monotonic() - self._told >= TOLD_EVERY:
            self._told = time.monotonic()
            sizes = format_size(done), format_size(total)
            logger.info("sending %s: %s of %s, compressed", self._name, *sizes)
