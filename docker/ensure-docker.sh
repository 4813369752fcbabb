#!/usr/bin/env bash
# Makes sure of what the dockerised Slurm needs and does nothing where it exists: a Docker engine that answers, the
# Compose v2 and buildx plugins, and the base image debian:$DEBIAN_RELEASE-slim.
#
# On Debian and Ubuntu it installs what is missing with apt (through sudo where that works); elsewhere it says in one
# line what to install. Where no image registry answers, the base image is built with mmdebstrap from apt's own mirror.
# The releases are the folders of docker/releases; slurm.testing.releases says what they are.
set -euo pipefail

release=${DEBIAN_RELEASE:-trixie}
releases=$(cd "$(dirname "${BASH_SOURCE[0]}")/releases" && printf '%s ' *)
base_image=debian:${release}-slim
tool_image=debian:trixie-slim # the oldest Debian whose docker-compose is version 2
engine_log=/var/log/dockerd.log
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/lib/apt

say() { printf 'ensure-docker: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# limit SECONDS COMMAND...: macOS has no timeout(1), and there the engine is never started by us
limit() { if have timeout; then timeout "$@"; else shift && "$@"; fi; }

engine_answers() { limit 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
plugin_answers() { docker "$1" version >/dev/null 2>&1; }
compose_is_v2() { docker compose version --short 2>/dev/null | grep -Eq '^v?([2-9]|[1-9][0-9])\.'; }
image_exists() { docker image inspect "$1" >/dev/null 2>&1; }
all_there() { engine_answers && compose_is_v2 && plugin_answers buildx && image_exists "$base_image"; }

# quietly COMMAND...: the output is shown only when the command fails
quietly() {
  local output status=0
  output=$("$@" 2>&1) || status=$?
  [ "$status" -eq 0 ] || printf '%s\n' "$output" | tail -n 20 >&2
  return "$status"
}

sudo_works() { have sudo && { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; }
can_be_root() { [ "$(id -u)" -eq 0 ] || sudo_works; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

lock_of() { printf '%s/slurm-ensure-%s-%s.lock' "${TMPDIR:-/tmp}" "$1" "$(id -u)"; }

# One process at a time, until this one ends or comes to something else: for the engine with its plugins, and for the base
# image of each release.
alone_at() { # alone_at WHAT
  have flock || return 0
  exec 9>"$(lock_of "$1")"
  flock 9
}

# apt waits for other installations, and not for other updates. A daemon that a package starts must not keep the locks.
apt_get() {
  (
    ! have flock || flock 8
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null 8>&- 9>&-
  ) 8>"$(lock_of apt)"
}

# The lists may be absent or older than the mirror: both show as a failed install, and are mended by an update.
apt_install() {
  say "installing $*"
  apt_get install -y --no-install-recommends "$@" >/dev/null 2>&1 && return
  quietly apt_get update || die "apt-get update failed: mend apt's configuration, then run this again"
  quietly apt_get install -y --no-install-recommends "$@" || die "apt-get install $* failed (see above)"
}

need_apt_for() {
  have apt-get || die "$1"
  can_be_root || die "$1 (or run this as root, or as a user whom sudo lets)"
}

# ---------------------------------------------------------------------------------------------------------- engine

explain_silent_engine() {
  local socket=/var/run/docker.sock hint
  hint="install Docker Desktop (or another Docker engine), start it, then run this again"
  [ "$(uname -s)" != Darwin ] || die "no Docker engine answers: $hint"
  [ -z "${DOCKER_HOST:-}" ] ||
    die "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST: start it, or unset DOCKER_HOST"
  if [ -S "$socket" ] && ! [ -w "$socket" ]; then
    die "$(id -un) may not use the Docker engine: run 'sudo usermod -aG docker $(id -un)' and log in again"
  fi
}

wait_for_engine() { # wait_for_engine SECONDS
  local deadline=$((SECONDS + $1))
  until engine_answers; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}

# In a session of its own and with no inherited descriptor, so that a CI pipe or a make job server ends without it.
start_dockerd() {
  say "starting dockerd (log: $engine_log)"
  local group=docker
  [ "$(id -u)" -eq 0 ] || group=$(id -gn) # who may sudo may use the engine he started
  # shellcheck disable=SC2016 # expanded by the inner shell
  as_root bash -c '
    for fd in /proc/self/fd/*; do fd=${fd##*/}; [ "$fd" -le 2 ] || eval "exec $fd>&-"; done
    setsid dockerd --group "$2" </dev/null >>"$1" 2>&1 &
  ' start-dockerd "$engine_log" "$group"
  wait_for_engine 180 && return
  as_root tail -n 15 "$engine_log" >&2
  die "dockerd did not answer within 180 s: see $engine_log"
}

ensure_engine() {
  ! engine_answers || return 0
  explain_silent_engine
  need_apt_for "no Docker engine answers: install Docker Engine with its Compose plugin, start it, then run this again"
  if ! have dockerd; then
    apt_install docker.io
    have docker || apt_install docker-cli # split off from docker.io in Debian 13
  fi
  if [ -d /run/systemd/system ]; then
    quietly as_root systemctl start docker || die "systemctl start docker failed: see 'journalctl -u docker'"
    wait_for_engine 180 || { explain_silent_engine; die "dockerd does not answer: see 'journalctl -u docker'"; }
  else
    start_dockerd
  fi
}

# --------------------------------------------------------------------------------------------------------- plugins

apt_has_compose_v2() {
  local candidate
  candidate=$(apt-cache policy docker-compose 2>/dev/null | awk '$1 == "Candidate:" { print $2 }')
  [ -n "$candidate" ] && dpkg --compare-versions "$candidate" ge 2
}

# The one folder for all users that every docker client looks into; without root, the user's own.
copy_plugins_from_container() {
  local folder=/usr/libexec/docker/cli-plugins root=as_root
  ensure_image "$tool_image"
  if ! can_be_root; then folder=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins root=env; fi
  say "copying the Compose and buildx plugins of Debian 13 to $folder"
  $root mkdir -p "$folder"
  docker run --rm "$tool_image" bash -c '
    set -e
    exec 3>&1 >&2
    cd "$(mktemp -d)" && chmod 755 .
    apt-get -qq update
    apt-get -qq -o APT::Sandbox::User=root download docker-compose docker-buildx
    for package in *.deb; do dpkg -x "$package" unpacked; done
    tar -C unpacked/usr/libexec/docker/cli-plugins -c docker-compose docker-buildx >&3
  ' | $root tar -x --no-same-owner -C "$folder" ||
    die "apt in a $tool_image container could not fetch the plugins (see above)"
}

ensure_plugins() {
  ! { compose_is_v2 && plugin_answers buildx; } || return 0
  local hint="docker has no Compose v2 or no buildx plugin: install docker-compose-plugin and docker-buildx-plugin"
  [ "$(uname -s)" = Linux ] || die "$hint"
  if have apt-get && can_be_root && apt_has_compose_v2; then
    apt_install docker-compose docker-buildx
  else
    copy_plugins_from_container
  fi
  { compose_is_v2 && plugin_answers buildx; } || die "$hint"
}

# ------------------------------------------------------------------------------------------------------ base image

# A registry that answers prints a line within seconds; from then on a slow line may take its time.
pull_image() {
  local progress pid deadline status=0
  progress=$(mktemp)
  docker pull "$1" >"$progress" 2>&1 &
  pid=$!
  deadline=$((SECONDS + 15))
  while kill -0 "$pid" 2>/dev/null && ! grep -q 'Pulling from' "$progress"; do
    [ "$SECONDS" -lt "$deadline" ] || kill "$pid" 2>/dev/null || true
    sleep 0.1
  done
  wait "$pid" 2>/dev/null || status=$?
  [ "$status" -eq 0 ] || say "cannot pull $1: $(tail -n 1 "$progress" | grep . || echo 'no registry answered in 15 s')"
  rm -f "$progress"
  return "$status"
}

debian_mirror() {
  # shellcheck disable=SC2016 # $(REPO_URI) is apt's own notation
  apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' 2>/dev/null | sort -u | head -n 1
}

# release_file MIRROR SUITE FILE: what the mirror says of the release; no such release there, or no answer, ends this
release_file() {
  : >"$3"
  apt-helper -o APT::Sandbox::User=root download-file "$1/dists/$2/InRelease" "$3" >/dev/null 2>&1 ||
    die "apt's mirror does not answer for $2, or has it no more: let apt use one that has, such as Debian's archive of" \
      "old releases, or have docker load a debian:$2-slim from elsewhere, or take another of: $releases"
}

is_past_its_date() { # is_past_its_date FILE: a mirror that stands still serves a testing release longer than it is valid
  local until
  until=$(sed -n 's/^Valid-Until: //p' "$1")
  [ -n "$until" ] && [ "$(date -d "$until" +%s)" -lt "$(date +%s)" ]
}

import_image() { # import_image IMAGE: the essential packages of its release, without documentation as in Debian's own slim images
  local image=$1 suite=${1#debian:} mirror folder part
  local options=(--quiet --variant=minbase --dpkgopt=force-unsafe-io) merged_usr=/usr/share/mmdebstrap/hooks/maybe-merged-usr
  suite=${suite%-slim}
  have mmdebstrap || apt_install mmdebstrap
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || apt_install debian-archive-keyring
  mirror=$(debian_mirror)
  if [ -z "$mirror" ]; then
    quietly apt_get update || die "apt-get update failed: mend apt's configuration, then run this again"
    mirror=$(debian_mirror)
  fi
  [ -n "$mirror" ] || die "no image registry answers and apt here knows no Debian mirror: make $image available first"
  folder=$(mktemp -d -p "${TMPDIR:-/var/tmp}")
  # shellcheck disable=SC2064 # the folder of now
  trap "as_root rm -rf '$folder'" EXIT
  release_file "${mirror%/}" "$suite" "$folder/release"
  # Both kinds of options stay in the image, for what is installed there later.
  ! is_past_its_date "$folder/release" || options+=(--aptopt='Acquire::Check-Valid-Until "false"')
  # Else bookworm gets a package that moves what is there, and with it all of Perl.
  [ ! -d "$merged_usr" ] || options+=(--hook-dir="$merged_usr")
  for part in doc info locale man; do options+=(--dpkgopt="path-exclude=/usr/share/$part/*"); done
  say "building $image with mmdebstrap"
  quietly as_root mmdebstrap "${options[@]}" "$suite" "$folder/image.tar" "$mirror" ||
    die "mmdebstrap of $suite failed (see above)"
  quietly docker import --change 'CMD ["bash"]' "$folder/image.tar" "$image" || die "docker import of $image failed"
  as_root rm -rf "$folder" # what comes next may be another image, with a folder and a trap of its own
}

ensure_image() {
  ! image_exists "$1" || return 0
  ! pull_image "$1" || return 0
  need_apt_for "cannot pull $1 and no apt-get to build it with: check that Docker can reach its registry"
  import_image "$1"
}

# ------------------------------------------------------------------------------------------------------------ main

[[ " $releases" == *" $release "* ]] || die "DEBIAN_RELEASE=$release is no release of the cluster; there are: $releases"

all_there && exit 0
alone_at docker
ensure_engine
ensure_plugins
alone_at "$release"
ensure_image "$base_image"
