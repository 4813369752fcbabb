#!/usr/bin/env bash
# Goes from nothing to a job on the dockerised cluster, its log, its timeline and its rerun by what the pages of the built
# site say, in an empty environment with the built wheel. What is typed and printed is printed here; the first block that does
# not do what its page says ends the walk with one line and exit status 1. Nothing stays.
#
#     docs/walk.sh [--wheel FILE] [--site FOLDER]
#
# What is not given is built from the checkout. PYTHON has what builds it: .venv/bin/python of `make env` unless it is set.
set -Eeuo pipefail
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
pages=(index.html tutorials/quickstart.html tutorials/from-laptop-to-cluster.html)
python=${PYTHON:-$checkout/.venv/bin/python}
wheel='' site=''
while [ $# -gt 1 ]; do
    case $1 in
        --wheel) wheel=$(realpath "$2") ;;
        --site) site=$(realpath "$2") ;;
        *) break ;;
    esac
    shift 2
done
if [ $# != 0 ]; then
    echo "walk: usage: docs/walk.sh [--wheel FILE] [--site FOLDER]" >&2
    exit 2
fi

# Below it are sockets of ssh, whose paths must be short.
walk=$(mktemp -d /tmp/walk.XXXXXX)
name=$(basename "$walk" | tr . - | tr '[:upper:]' '[:lower:]')
clean_up() {
    if [ -d "$walk/project/.slurm-cluster/$name" ]; then
        (cd "$walk/project" && "$walk/venv/bin/slurm" test-cluster down --project "$name") || true
    fi
    if [ -d "$walk/home/slurm_jobs/.local" ]; then
        "$walk/venv/bin/python" -c '
import sys
from slurm.api.local import LocalBackend
LocalBackend(state_dir=sys.argv[1]).shutdown(kill_jobs=True)' "$walk/home/slurm_jobs/.local" || true
    fi
    rm -rf "$walk"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cd "$checkout"
mkdir "$walk/dist"
[ -n "$site" ] || NO_MKDOCS_2_WARNING=1 "$python" -m mkdocs build --strict --quiet -d "$walk/site" &
if [ -n "$wheel" ]; then
    cp "$wheel" "$walk/dist"
else
    "$python" -m hatchling build --target wheel --directory "$walk/dist" >"$walk/build.log" || {
        cat "$walk/build.log" >&2
        exit 1
    }
fi
"$python" -m venv "$walk/venv"
wait $!

# `pip install slurm-tasks` is to find this wheel, whatever else pip is configured to look into.
links=${PIP_FIND_LINKS-$("$walk/venv/bin/pip" config get global.find-links 2>/dev/null || true)}
export PIP_FIND_LINKS="$walk/dist $links"
PYTHONPATH=$checkout "$python" -m tests.helpers.walk \
    --site "${site:-$walk/site}" --folder "$walk" --bin "$walk/venv/bin" --name "$name" "${pages[@]}"
"$python" - "$walk" <<'END'
import pathlib, sys, zipfile

walk = pathlib.Path(sys.argv[1])
[wheel] = walk.glob("dist/*.whl")
[installed] = walk.glob("venv/lib/python3*/site-packages")
with zipfile.ZipFile(wheel) as archive:
    code = [one for one in archive.namelist() if one.startswith("slurm/")]
    if any(archive.read(one) != (installed / one).read_bytes() for one in code):
        sys.exit("walk: pip has installed another slurm-tasks than the wheel that was built")
END
