#!/bin/sh
# make-env.sh PYTHON VENV REQUIREMENTS
#
# Makes VENV with PYTHON unless it is there already, installs the pinned REQUIREMENTS into it and links this checkout
# into it. Safe to interrupt: a half-made environment is made anew by the next run.
set -eu

python=$1 venv=$2 requirements=$3
checkout=$(pwd -P)
log=$venv/install.log
# A user's settings for other environments: these would install beside this one.
unset PIP_USER PIP_TARGET PIP_PREFIX PYTHONHOME PYTHONPATH

fail() {
    echo "slurm-tasks: $*" >&2
    exit 1
}

check_python() {
    command -v "$python" >/dev/null 2>&1 ||
        fail "no '$python' on the PATH: install Python 3.10 or newer, or add PYTHON=/path/to/python3"
    found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || fail "'$python' does not run"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        fail "'$python' is Python $found, 3.10 or newer is needed: install one, or add PYTHON=/path/to/python3"
}

# Debian and Ubuntu keep ensurepip in a package of its own.
check_ensurepip() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    package=python$found-venv
    case $("$python" -c 'import sys; print(sys.executable)') in
        /usr/bin/*) command -v apt-get >/dev/null || fail "'$python' has no ensurepip, which making $venv needs" ;;
        *) fail "'$python' has no ensurepip, which making $venv needs: add PYTHON=/path/to/python3" ;;
    esac
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        fail "Debian's $package is missing: sudo apt-get install $package"
    fi
    echo "Installing Debian's $package"
    {
        $as_root apt-get update &&
            $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$package"
    } </dev/null >"$venv.apt.log" 2>&1 || {
        tail -n 20 "$venv.apt.log" >&2
        fail "apt-get could not install $package, see $venv.apt.log"
    }
    rm -f "$venv.apt.log"
}

# An environment knows the place it was made in: one that was copied or moved with its checkout would run the old one.
usable() {
    [ "$(cat "$venv/checkout" 2>/dev/null)" = "$checkout" ] && "$venv/bin/python" -c 'import pip' 2>/dev/null
}

# Says nothing unless it fails.
pip_install() {
    "$venv/bin/python" -m pip install --no-input --disable-pip-version-check --progress-bar off --retries 3 \
        "$@" </dev/null >>"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        fail "pip could not install $requirements, see $log"
    }
}

if ! usable; then
    check_python
    check_ensurepip
    echo "Making $venv with Python $found"
    "$python" -m venv --clear "$venv" || fail "'$python' could not make $venv"
    printf '%s\n' "$checkout" >"$venv/checkout"
fi
echo "Installing $requirements"
: >"$log"
pip_install --require-hashes -r "$requirements"
pip_install --no-deps --no-build-isolation -e .
