#!/bin/bash
# cluster-health db|slurmdbd|slurmctld|slurmrestd|login|bastion|node|emulator: is this service ready to be used?
#
# While the service starts it is asked again and again, so that it counts as healthy the moment it is; once it has been
# ready, one check takes PACE seconds: each costs a new process in the container, and jobs want the processor.
set -euo pipefail

readonly READY=/run/cluster-ready PACE=10 PATIENCE=10

has_accounting() { grep -q '^AccountingStorageType=accounting_storage/slurmdbd$' /etc/slurm/slurm.conf; }
registered() { ! has_accounting || sacctmgr --noheader --parsable2 show cluster format=cluster,controlhost | grep -Eq '^sdk\|.+'; }
node_is_usable() {
  sinfo --all --noheader --nodes "$HOSTNAME" --format %T | grep -Eqx '(idle|mixed|allocated|completing)'
}
emulated_nodes_are_usable() {
  local states
  states=$(sinfo --noheader --partition emulated --format %T)
  [ -n "$states" ] && ! grep -Evxq '(idle|mixed|allocated|completing) *' <<<"$states"
}
# Whoever brings no token is told so.
slurmrestd_answers() {
  local said
  exec 3<>/dev/tcp/127.0.0.1/6820
  printf 'GET /openapi/v3 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
  read -r -t 2 said <&3 && [[ $said == HTTP/1.* ]]
}
sshd_answers() { local banner; read -r -t 2 banner <>/dev/tcp/127.0.0.1/22 && [[ $banner == SSH-2.0-* ]]; }
sshd_listens() { grep -q ':0016 0*:0000 0A' /proc/net/tcp; } # to answer leaves a line in its log each time

check() {
  case $1 in
    db) mariadb --defaults-file=/etc/mysql/cluster.cnf -Ne 'SELECT 1' slurm_acct_db ;;
    slurmdbd) sacctmgr --noheader show cluster ;;
    slurmctld) scontrol ping | grep -q 'is UP' && registered ;;
    login | bastion) if [ -e "$READY" ]; then sshd_listens; else sshd_answers; fi ;;
    slurmrestd) slurmrestd_answers ;;
    node) node_is_usable ;;
    emulator) emulated_nodes_are_usable ;;
    *) printf 'cluster-health: no such service: %s\n' "$1" && exit 2 ;;
  esac
}

if [ -e "$READY" ]; then
  sleep "$PACE"
  check "$1"
else
  until check "$1" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$PATIENCE" ]; then
      check "$1" # for what it says
      exit 1
    fi
    sleep 0.1
  done
  touch "$READY"
fi
