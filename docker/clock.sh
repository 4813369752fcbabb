#!/bin/bash
# cluster-clock SECONDS: from its next start on, all programs of this container live so many seconds ahead, or behind.
#
# Containers share the machine's clock, so a library in every process tells another time; 0 is the machine's again.
set -euo pipefail

[[ ${1:-} =~ ^[+-]?[0-9]+$ ]] || { printf 'cluster-clock: a number of seconds, not %s\n' "${1:-}" >&2 && exit 2; }
if [ "$1" -eq 0 ]; then
  rm -f /etc/ld.so.preload /etc/faketimerc
else
  printf '%+ds\n' "$1" >/etc/faketimerc
  printf '%s\n' /usr/lib/*/faketime/libfaketimeMT.so.1 >/etc/ld.so.preload
fi
