#!/bin/bash
# cluster-login WORD...: make this machine's sshd one of the kinds that sites have, before it starts:
#   second-factor  it asks for a password after the key, the one in /etc/ssh/keys/second_factor
#   talking        it prints before and after the login, and whenever it starts a shell, for a command as well
#   bastion        it runs nothing, and lets nobody through but to the login node
set -euo pipefail

# Of a keyword that stands twice, sshd takes the first: this file is included at the top of sshd_config.
readonly CONFIG=/etc/ssh/sshd_config.d/login.conf KEYS=/etc/ssh/keys

settings() { printf '%s\n' "$@" >>"$CONFIG"; }

second_factor() {
  local user
  settings 'UsePAM yes' 'AuthenticationMethods publickey,keyboard-interactive' 'KbdInteractiveAuthentication yes'
  for user in dev ${CLUSTER_USERS:-}; do printf '%s:%s\n' "$user" "$(<"$KEYS/second_factor")"; done | chpasswd
}

talking() {
  settings 'UsePAM yes' 'Banner /etc/ssh/banner' 'PrintMotd yes' 'PrintLastLog yes'
  printf '%s\n' '*** Authorized users only. All that is done here may be recorded. ***' >/etc/ssh/banner
  printf '%s\n' 'Welcome to the cluster.' 'Maintenance: every first Monday of the month.' >/etc/motd
  cat >/etc/talking <<'END'
printf 'You are on %s as %s.\n' "$(uname -n)" "$(id -un)"
printf 'quota: 91%% of your home is used\n' >&2
END
  # Login shells read the profile, which reads bash.bashrc where somebody types. Debian's bash reads that as well where sshd
  # has started it for a command.
  printf '%s\n' '[ -n "${BASH-}" ] && [ -n "${PS1-}" ] || . /etc/talking' >/etc/profile.d/talking.sh
  grep -qx '\. /etc/talking' /etc/bash.bashrc || sed -i '1i . /etc/talking' /etc/bash.bashrc
}

bastion() {
  sed -i "s|^HostKey .*|HostKey $KEYS/bastion_ed25519|" /etc/ssh/sshd_config # which would be a second one, in the other file
  settings 'PermitOpen login:22' 'PermitListen none' 'AllowTcpForwarding local' 'AllowStreamLocalForwarding no' \
    'AllowAgentForwarding no' 'PermitTTY no' 'PermitUserRC no' 'ForceCommand /bin/false'
}

: >"$CONFIG"
# sshd 9.8 and newer shut out an address from which logins fail often: here, that of all tests.
if /usr/sbin/sshd -t -o 'PerSourcePenalties no' 2>/dev/null; then settings 'PerSourcePenalties no'; fi
for word in "$@"; do
  case $word in
    second-factor) second_factor ;;
    talking | bastion) "$word" ;;
    *) printf 'cluster-login: no such word: %s\n' "$word" >&2 && exit 2 ;;
  esac
done
