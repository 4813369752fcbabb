"""``Slurmfile.toml``: which clusters there are, written down once.

::

    [default]
    callbacks = ["slurm.callbacks:LoggerCallback"]    # who is told what happens
    track = "plan/iter1"                # keep a record of each submission there
    [default.cluster]
    backend = "ssh"                     # local, slurm or ssh
    job_base_dir = "~/slurm_jobs"
    [default.cluster.backend_config]    # what the backend takes
    hostname = "login.example.org"
    [default.packaging]
    type = "none"
    [default.submit]                    # sbatch options for every job
    account = "my-project"

    [gpu.submit]                        # another environment: lies over default
    partition = "gpu"
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from slurm.config.checks import expand_home, suggestion
from slurm.config.found_files import is_file, looking_for, require_trusted
from slurm.errors import ConfigError

FILE_NAME = "Slurmfile.toml"
DEFAULT = "default"
CLUSTER_KEYS = (
    "backend",
    "job_base_dir",
    "python",
    "poll_interval_min",
    "poll_interval_max",
    "result_grace",
    "cancel_on_interrupt",
    "backend_config",
)
SECTIONS = ("cluster", "packaging", "submit")
CALLBACKS, TRACK = "callbacks", "track"
SECRETS = ("password", "passphrase", "secret")
CONSENT = "If you trust it, name it: SLURMFILE={path}, or --slurmfile"
# Settings that name a file or a directory of this machine: of the backend, and of packaging.
BACKEND_PATHS = ("identity_file", "known_hosts_file", "config_file")
PACKAGING_PATHS = ("project", "dockerfile", "context")


class ClusterSettings(NamedTuple):
    """What the file at `path` says of a cluster, as plain data; whoever asked makes objects of it.

    `arguments` are those of `Cluster`, overrides included; `packaging` and `submit` are what the file itself has of
    them; `callbacks` are names of classes, empty where overrides have others. `track` is the iteration in which
    submissions are recorded: True for the one of the working directory, False for none.
    """

    path: Path
    arguments: dict[str, Any]
    packaging: dict[str, Any]
    submit: dict[str, Any]
    callbacks: tuple[str, ...] = ()
    track: str | bool = False

    @contextlib.contextmanager
    def naming_the_file(self) -> Iterator[None]:
        """A `ConfigError` that is raised inside begins with the file it is about."""
        try:
            yield
        except ConfigError as error:
            raise ConfigError(f"{self.path}: {error}") from error


def cluster_settings(
    name_or_path: str | os.PathLike[str] | None = None,
    *,
    env: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> ClusterSettings:
    r"""What a Slurmfile says of the cluster of an environment; see `Cluster.from_env`.

    >>> _ = Path("Slurmfile.toml").write_text('[default.submit]\nmem = "2G"')
    >>> cluster_settings(overrides={"submit": {"time": "5"}}).arguments
    {'backend_type': 'local', 'submit': {'mem': '2G', 'time': '5'}}
    """
    path, environment = place_of(name_or_path, env)
    changes = dict(overrides or {})
    sections = load(path, environment)
    names, track = sections.pop(CALLBACKS, []), sections.pop(TRACK, False)
    arguments = _arguments(sections, path)
    packaging, submit = arguments.get("packaging", {}), arguments.get("submit", {})
    if "submit" in changes:
        changes["submit"] = {**submit, **changes["submit"]}
    if changes.get("backend_type", arguments["backend_type"]) != arguments["backend_type"]:
        # Another backend: the file's settings are not meant for it.
        return ClusterSettings(path, changes, packaging, submit)
    callbacks = () if CALLBACKS in changes else tuple(names)
    track = _located({TRACK: track}, (TRACK,), path)[TRACK]
    return ClusterSettings(path, {**arguments, **changes}, packaging, submit, callbacks, track)


def place_of(
    name_or_path: str | os.PathLike[str] | None = None, env: str | None = None
) -> tuple[Path, str]:
    """The Slurmfile that is meant, and the environment in it. Raises `ConfigError` where there is no such file.

    >>> Path("Slurmfile.toml").touch()
    >>> place_of("gpu")[1]
    'gpu'
    """
    path, named = _locate(name_or_path)
    return path, env or named or os.environ.get("SLURM_ENV") or DEFAULT


@looking_for(FILE_NAME)
def find_slurmfile(start: Path | None = None) -> Path | None:
    """``SLURMFILE``, else the first Slurmfile.toml from `start` (the working directory) upwards.

    Raises `ConfigError` where somebody else could have written the one that is found, or where this user cannot look.

    >>> Path("Slurmfile.toml").touch()
    >>> find_slurmfile().name
    'Slurmfile.toml'
    """
    named = os.environ.get("SLURMFILE")
    if named:
        path = Path(expand_home("SLURMFILE", named))
        return path / FILE_NAME if path.is_dir() else path
    folder = (start or Path.cwd()).resolve()
    candidates = (parent / FILE_NAME for parent in (folder, *folder.parents))
    found = next((path for path in candidates if is_file(path)), None)
    if found is not None:
        require_trusted(found, CONSENT.format(path=found))
    return found


def load(path: Path, environment: str) -> dict[str, Any]:
    """The sections of `environment` in the file, laid over those of ``default``. Raises `ConfigError`.

    Beside them `callbacks`, if there are any: names of classes, an environment's in place of ``default``'s; and `track`.
    """
    content = parsed(path)
    for name, sections in content.items():
        _check_environment(name, sections, path)
    if environment not in content and environment != DEFAULT:
        known = sorted(content)
        raise ConfigError(
            f"{path}: there is no environment {environment!r}{suggestion(environment, known)}; "
            f"it has {known}"
        )
    over = content.get(environment, {})
    merged = _merge(_fitting(content.get(DEFAULT, {}), over), over)
    more = {key: merged[key] for key in (CALLBACKS, TRACK) if key in merged}
    return {**{section: merged.get(section, {}) for section in SECTIONS}, **more}


@looking_for(FILE_NAME)
def _locate(name_or_path: str | os.PathLike[str] | None) -> tuple[Path, str | None]:
    """The Slurmfile, and the environment's name if that is what was given."""
    if name_or_path is not None:
        path = Path(expand_home("Slurmfile", name_or_path))
        named = path.suffix == ".toml" or os.sep in str(name_or_path)
        for candidate in (path, path / FILE_NAME):
            if is_file(candidate):
                if not named:  # an environment was meant, perhaps
                    require_trusted(candidate, CONSENT.format(path=candidate))
                return candidate, None
        if named:
            raise ConfigError(f"there is no Slurmfile at {path}")
    found = find_slurmfile()
    if found is None:
        raise ConfigError(
            f"there is no {FILE_NAME} in {Path.cwd()} or above it: write one, name one with "
            "SLURMFILE, or choose a backend outright: Cluster('local'), --backend local"
        )
    if not is_file(found):
        raise ConfigError(f"SLURMFILE names {found}, which is not there")
    return found, None if name_or_path is None else str(name_or_path)


def parsed(path: Path) -> dict[str, Any]:
    r"""All that the file says, unchecked. Raises `ConfigError` where it is no TOML.

    >>> _ = Path("Slurmfile.toml").write_text('[gpu.submit]\npartition = "gpu"')
    >>> parsed(Path("Slurmfile.toml"))
    {'gpu': {'submit': {'partition': 'gpu'}}}
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except RecursionError:
        raise ConfigError(f"{path}: it is nested too deeply") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return content


def _check_environment(name: str, sections: Any, path: Path) -> None:
    if not isinstance(sections, dict):
        raise ConfigError(
            f"{path}: {name!r} must be an environment: a table such as [{name}.cluster]"
        )
    _check_keys(sections, (*SECTIONS, CALLBACKS, TRACK), f"{path}: [{name}]")
    _check_names(sections.get(CALLBACKS, []), f"{path}: [{name}] {CALLBACKS}")
    _check_track(sections.get(TRACK, False), f"{path}: [{name}] {TRACK}")
    for section, values in sections.items():
        if section not in (CALLBACKS, TRACK) and not isinstance(values, dict):
            raise ConfigError(f"{path}: {name}.{section} must be a table: [{name}.{section}]")
    _check_keys(sections.get("cluster", {}), CLUSTER_KEYS, f"{path}: [{name}.cluster]")
    backend = sections.get("cluster", {}).get("backend_config", {})
    if not isinstance(backend, dict):
        raise ConfigError(f"{path}: {name}.cluster.backend_config must be a table")
    for key in backend:
        if key in (*CLUSTER_KEYS, "backend_type", "packaging", "submit"):
            raise ConfigError(f"{path}: {key!r} does not belong in backend_config")
        if any(word in key.lower() for word in SECRETS):
            raise ConfigError(
                f"{path}: {key} does not belong in a file; use an ssh key and an agent"
            )


def _check_keys(values: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in values:
        if key not in known:
            raise ConfigError(
                f"{where} has no key {key!r}{suggestion(key, known)}; it takes {list(known)}"
            )


def _fitting(default: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """What of ``default`` an environment inherits.

    Nothing about the cluster if its backend is another, nothing of a packaging of another type.
    """
    kept = dict(default)
    for section, key, usual in (("cluster", "backend", None), ("packaging", "type", "none")):
        chosen = over.get(section, {}).get(key)
        if chosen not in (None, default.get(section, {}).get(key, usual)):
            kept.pop(section, None)
    return kept


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _arguments(sections: Mapping[str, dict[str, Any]], path: Path) -> dict[str, Any]:
    cluster = dict(sections["cluster"])
    arguments = {
        "backend_type": cluster.pop("backend", "local"),
        **cluster.pop("backend_config", {}),
    }
    arguments.update(cluster)
    if sections["packaging"]:
        arguments["packaging"] = _located(sections["packaging"], PACKAGING_PATHS, path)
    if sections["submit"]:
        arguments["submit"] = sections["submit"]
    return _located(arguments, BACKEND_PATHS, path)


def _located(settings: Mapping[str, Any], keys: tuple[str, ...], path: Path) -> dict[str, Any]:
    """Settings of which `keys` are paths of this machine, relative to the file that names them."""
    return {
        key: str(path.parent.resolve() / expand_home(key, value))
        if key in keys and isinstance(value, str)
        else value
        for key, value in settings.items()
    }


def _check_names(names: Any, where: str) -> None:
    """Raises `ConfigError`, which begins with `where`, unless these are names: ``["module:Class"]``."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f'{where} must be a list of names: ["module:Class"]')
    for name in names:
        if not all(name.partition(":")[::2]):
            raise ConfigError(f"{where} {name!r} is not of the form 'module:Class'")


def _check_track(track: Any, where: str) -> None:
    """Raises `ConfigError`, which begins with `where`, unless this is a directory's name, or says yes or no."""
    if not isinstance(track, bool) and not (isinstance(track, str) and track.strip()):
        raise ConfigError(
            f'{where} must be an iteration\'s directory, such as "plan/iter1", or true for the one of the working '
            "directory"
        )
