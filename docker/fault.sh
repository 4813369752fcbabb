#!/bin/bash
# cluster-fault kill|off|restart|start|cut|heal|clock SECONDS|mend: break this container's service, or mend it.
#
# The container stays, and with it its name and its address: to the others it is a machine that has a fault.
set -euo pipefail

readonly DOWN=/run/cluster-down DAEMON=/run/cluster-daemon ROUTES=/run/cluster-routes LINK=eth0
readonly CLOCK=/etc/faketimerc PRELOAD=/etc/ld.so.preload

# The daemon dies and the machine stays: who connects is refused. Where it is sshd, its sessions die with it.
kill_daemon() {
  local starter daemon name
  touch "$DOWN"
  read -r starter daemon <"$DAEMON"
  name=$(<"/proc/$daemon/comm")
  kill -KILL "$daemon"
  case $name in
    sshd) pkill -KILL '^sshd' || true ;;
    cluster-*) pkill -KILL '^slurmd$' || true ;; # of emulated nodes, which a shell has started
  esac
  wait_for_end "$daemon"
}

# As after a loss of power: every process dies, those of jobs too, and nobody answers.
switch_off() {
  local starter daemon process
  touch "$DOWN"
  cut_network
  read -r starter daemon <"$DAEMON"
  for process in /proc/[0-9]*; do
    process=${process#/proc/}
    case $process in
      1 | "$starter" | "$$") ;;
      *) kill -KILL "$process" 2>/dev/null || true ;;
    esac
  done
  wait_for_end "$daemon"
}

restart() {
  local starter daemon
  touch "$DOWN"
  read -r starter daemon <"$DAEMON"
  kill -TERM "$daemon"
  wait_for_end "$daemon"
  start
}

wait_for_end() { while [ -e "/proc/$1" ]; do sleep 0.05; done; }

start() { # the entrypoint waits for it
  heal_network
  rm -f "$DOWN"
}

cut_network() {
  [ ! -e "$ROUTES" ] || return 0
  ip route show default >"$ROUTES"
  ip link set "$LINK" down
}

heal_network() {
  local route
  [ -e "$ROUTES" ] || return 0
  ip link set "$LINK" up
  while read -ra route; do ip route replace "${route[@]}"; done <"$ROUTES"
  rm "$ROUTES"
}

# Containers share the machine's clock, so a library in each process tells another time: all start anew.
set_clock() {
  [[ ${1:-} =~ ^[+-]?[0-9]+$ ]] || { printf 'cluster-fault: a number of seconds, not %s\n' "${1:-}" >&2 && exit 2; }
  switch_off
  rm -f "$PRELOAD" "$CLOCK" /dev/shm/*faketime*
  if [ "$1" -ne 0 ]; then
    printf '%+ds\n' "$1" >"$CLOCK"
    printf '%s\n' /usr/lib/*/faketime/libfaketimeMT.so.1 >"$PRELOAD"
  fi
  start
}

case ${1:-} in
  kill) kill_daemon ;;
  off) switch_off ;;
  restart) restart ;;
  cut) cut_network ;;
  start) start ;;
  heal) heal_network ;;
  clock) set_clock "${2:-}" ;;
  mend) if [ -e "$CLOCK" ]; then set_clock 0; else start; fi ;;
  *) printf 'cluster-fault: there is no fault %s\n' "${1:-}" >&2 && exit 2 ;;
esac
