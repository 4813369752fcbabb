#!/bin/bash
# cluster-network cut|heal: take this container's link down, or bring it back with the routes it had.
#
# Whoever talks to the container then hears nothing at all, not even that nobody listens.
set -euo pipefail

readonly LINK=eth0 ROUTES=/run/cluster-routes

case ${1:-} in
  cut)
    [ ! -e "$ROUTES" ] || exit 0
    ip route show default >"$ROUTES"
    ip link set "$LINK" down
    ;;
  heal)
    [ -e "$ROUTES" ] || exit 0
    ip link set "$LINK" up
    while read -ra route; do ip route replace "${route[@]}"; done <"$ROUTES"
    rm "$ROUTES"
    ;;
  *) printf 'cluster-network: cut or heal, not %s\n' "${1:-}" >&2 && exit 2 ;;
esac
