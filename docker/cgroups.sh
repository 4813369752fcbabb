#!/bin/bash
# cluster-cgroups [PLACE [PROC [CONF]]]: make this node's cgroups writable at PLACE and print the cgroup.conf for them; status 1,
# and why, where that cannot be.
#
# Found out by trying, for it depends on kernel, engine and security modules. The container has a cgroup namespace of its own
# (cgroup: private), so what is mounted here has the container's cgroup as its root: nothing of the machine's is within
# reach, and all of it goes with the container. To mount it takes SYS_ADMIN, which slurmd needs anyhow, and no AppArmor.
set -euo pipefail

readonly PLACE=${1:-/run/cgroups} PROC=${2:-/proc} CONF=${3:-/etc/slurm/cgroup.conf}

no() { printf '%s\n' "$*" && exit 1; } >&2

# memory is a controller of version 1 where it has a line of its own, else of version 2: the line 0::PATH.
version_of_memory() { if grep -Eq '^[1-9][0-9]*:([^:]*,)?memory[,:]' "$PROC/self/cgroup"; then echo 1; else echo 2; fi; }

# Slurm 20.11 knows version 1 alone, and no word for it.
knows_versions() { grep -q '^CgroupPlugin=' "$CONF"; }

# Slurm 22.05 finds no controller there and ends; it is also the one that knows no CgroupPlugin=disabled.
has_usable_v2() { grep -qx 'CgroupPlugin=disabled' "$CONF"; }

# The number is the kernel's for the machine's own, in which a mount would have all that the machine has.
require_own_namespace() {
  [ "$(readlink "$PROC/self/ns/cgroup")" != 'cgroup:[4026531835]' ] || no "the engine gives containers no cgroup namespace"
}

mounted() { # mounted FOLDER TYPE [CONTROLLER]
  mkdir -p "$1"
  mountpoint -q "$1" || mount -t "$2" ${3:+-o "$3"} cluster "$1" 2>/dev/null ||
    no "a file system of the type $2 may not be mounted"
}

# Limits are Slurm's only if one that is set is there afterwards.
try_limit() { # try_limit FOLDER FILE FILE-OF-SWAP
  local folder=$1/trial limit=67108864
  { mkdir -p "$folder" && echo "$limit" >"$folder/$2"; } 2>/dev/null && grep -qx "$limit" "$folder/$2" ||
    no "no memory limit can be set"
  [ -e "$folder/$3" ] && swap=yes || swap=no # else a job over its memory goes on in swap, where there is any
  rmdir "$folder"
}

# In version 2, a cgroup that hands controllers to others has no process itself, but for the machine's own root. What Docker
# starts here later joins the first process where the root is closed (runc).
leave_root() {
  local process attempt
  mkdir -p "$PLACE/init"
  for attempt in {1..50}; do
    for process in $(<"$PLACE/cgroup.procs"); do
      echo "$process" >"$PLACE/init/cgroup.procs" || true # it has ended
    done 2>/dev/null
    if echo +memory >"$PLACE/cgroup.subtree_control"; then return; fi 2>/dev/null
    sleep 0.02 # one came meanwhile
  done
  no "the controller of memory cannot be handed on"
}

swap=no
require_own_namespace
if [ "$(version_of_memory)" = 1 ]; then
  mounted "$PLACE/memory" cgroup memory
  mounted "$PLACE/freezer" cgroup freezer
  try_limit "$PLACE/memory" memory.limit_in_bytes memory.memsw.limit_in_bytes
  ! knows_versions || printf 'CgroupPlugin=cgroup/v1\n'
else
  knows_versions || no "this release of Slurm knows cgroups of version 1 alone"
  has_usable_v2 || no "slurmd of this release does not start with cgroups of version 2"
  mounted "$PLACE" cgroup2
  grep -qw memory "$PLACE/cgroup.controllers" || no "the engine hands on no controller of memory"
  leave_root
  try_limit "$PLACE" memory.max memory.swap.max
  printf 'CgroupPlugin=cgroup/v2\nIgnoreSystemd=yes\n'
fi
printf 'CgroupMountpoint=%s\nConstrainRAMSpace=yes\nConstrainSwapSpace=%s\n' "$PLACE" "$swap"
