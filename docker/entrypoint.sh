#!/bin/bash
# cluster-entrypoint db|slurmdbd|slurmctld|slurmrestd|login|bastion|node|emulator: prepares the role and becomes its daemon.
#
# All containers start at once; each waits here for what it needs of the others. When the daemon has ended, so does the
# container, unless cluster-fault was at work: then it begins anew as soon as that lets it.
set -euo pipefail
umask 022

say() { printf 'entrypoint: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Seconds for which a role waits for another: a little less than the harness does for all of them, on a machine with
# enough to do besides. Each waits for one that waits itself.
readonly PATIENCE=280

wait_for() { # wait_for COMMAND...
  local deadline=$((SECONDS + PATIENCE))
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || die "gave up waiting for: $*"
    sleep 0.05
  done
}

listens() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; } # listens HOST PORT

# ---------------------------------------------------------------------------------------------------------- secrets
# Each kind has a volume of its own, mounted only where it is needed. Whoever starts first makes them.

make_once() { # make_once FILE COMMAND...: COMMAND writes to the path it gets as its last argument
  local file=$1
  shift
  (
    flock 8
    [ ! -e "$file" ] || exit 0
    rm -f "$file.new"
    "$@" "$file.new"
    mv "$file.new" "$file"
  ) 8>"${file%/*}/.lock"
}

write_munge_key() {
  (umask 077 && head -c 1024 /dev/urandom >"$1")
  chown munge:munge "$1"
}

write_password() { (umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$1"); }

write_jwt_key() {
  (umask 077 && head -c 32 /dev/urandom >"$1")
  chown slurm:slurm "$1"
}

write_ssh_key() { # write_ssh_key COMMENT FILE; the public half is derived when it is needed
  rm -f "$2.pub"
  ssh-keygen -q -t ed25519 -N '' -C "$1" -f "$2"
  rm -f "$2.pub"
}

# ------------------------------------------------------------------------------------------------------------ parts

start_munged() {
  ! munge -n >/dev/null 2>&1 || return 0 # it outlived the daemon
  chown munge:munge /etc/munge
  chmod 0700 /etc/munge
  make_once /etc/munge/munge.key write_munge_key
  install -d -o munge -g munge -m 0755 /run/munge
  # An orphan at once, so that it is tini's child and not the daemon's. Its Info lines would bury those that matter.
  (setpriv --reuid munge --regid munge --clear-groups munged --foreground \
    2> >(grep --line-buffered -Ev '^munged: (Info|Notice):' >&2) &)
  wait_for munge -n
}

# What signs the tokens of slurmrestd's users; only those who check them have its volume.
make_jwt_key() {
  [ -d /etc/slurm-jwt ] || return 0
  chown slurm:slurm /etc/slurm-jwt
  chmod 0700 /etc/slurm-jwt
  make_once /etc/slurm-jwt/key write_jwt_key
}

# Users beside dev, with the same numbers everywhere: jobs and files are theirs by number.
make_users() {
  local user number=1000
  for user in ${CLUSTER_USERS:-}; do
    number=$((number + 1))
    id -u "$user" >/dev/null 2>&1 || useradd --uid "$number" --user-group --no-create-home \
      --home-dir "/shared/home/$user" --shell /bin/bash --password '*' "$user"
  done
}

make_shared_folders() {
  local user
  install -d -m 0755 /shared /shared/home
  for user in dev ${CLUSTER_USERS:-}; do
    install -d -o "$user" -g "$user" -m 0700 "/shared/home/$user"
  done
  install -d -o dev -g dev -m 0755 /shared/work
}

make_fake_gpus() {
  local number
  for ((number = 0; number < ${CLUSTER_GPUS:-2}; number++)); do
    # In a user namespace, as those of rootless engines, nobody makes devices.
    [ -e "/dev/fakegpu$number" ] || mknod -m 666 "/dev/fakegpu$number" c 1 3 2>/dev/null ||
      ln -s null "/dev/fakegpu$number"
  done
}

# An environment on the shared volume, which is made later, is what every Python here sees as well.
see_environment() {
  local version folder
  [ -n "${CLUSTER_ENVIRONMENT:-}" ] || return 0
  version=$(python3 -c 'import sys; print("python{}.{}".format(*sys.version_info))')
  folder=/usr/local/lib/$version/dist-packages
  install -d -m 0755 "$folder"
  printf 'import site; site.addsitedir("%s")\n' "$CLUSTER_ENVIRONMENT/lib/$version/site-packages" \
    >"$folder/cluster-environment.pth"
}

# Lines of slurm.conf for this cluster alone, Key=value with spaces between, in the place of those that are there.
apply_settings() {
  local conf=/etc/slurm/slurm.conf settings setting kept
  read -ra settings <<<"${CLUSTER_SETTINGS:-}"
  for setting in "${settings[@]}"; do
    kept=$(grep -v "^${setting%%=*}=" "$conf")
    printf '%s\n' "$kept" "$setting" >"$conf"
  done
}

# Whether Slurm can limit the memory of jobs is found out by the nodes. What the first one finds holds for all machines of the
# cluster: their configuration has to be the same.
write_cgroup_conf() { # write_cgroup_conf FILE
  if ! cluster-cgroups >"$1"; then
    say "jobs have no memory limits of the kernel's"
    cp /etc/slurm/cgroup.conf "$1"
  fi
}

apply_cgroups() {
  local found=/etc/slurm-cgroups/cgroup.conf
  case $ROLE in
    node) make_once "$found" write_cgroup_conf ;;
    *) wait_for [ -e "$found" ] ;;
  esac
  cp "$found" /etc/slurm/cgroup.conf
  grep -q '^ConstrainRAMSpace=yes' "$found" || return 0
  [ "$ROLE" != node ] || cluster-cgroups >/dev/null || die "another node can limit memory, and this one cannot"
  # What is ended by looking at its size now and then, the kernel ends at once.
  sed -i 's/^JobAcctGatherParams=OverMemoryKill$//' /etc/slurm/slurm.conf
  CLUSTER_SETTINGS="ProctrackType=proctrack/cgroup TaskPlugin=task/cgroup ${CLUSTER_SETTINGS:-}" apply_settings
}

# Nodes and partitions that are to be others than in the files.
apply_nodes() {
  local conf=/etc/slurm/slurm.conf kept
  [ -n "${CLUSTER_NODES:-}" ] || return 0
  kept=$(grep -Ev '^(NodeName|PartitionName)=' "$conf")
  printf '%s\n' "$kept" "$CLUSTER_NODES" >"$conf"
  printf '%s\n' "$CLUSTER_GRES" >/etc/slurm/gres.conf
}

# Those of which one machine has them all, beside the others.
apply_emulated_nodes() {
  [ -z "${CLUSTER_EMULATED:-}" ] || printf '%s\n' "$CLUSTER_EMULATED" >>/etc/slurm/slurm.conf
}

has_accounting() { grep -q '^AccountingStorageType=accounting_storage/slurmdbd$' /etc/slurm/slurm.conf; }

# Accounts and QOS, once: whoever changes them afterwards keeps what he has changed. They are there before the controller
# is, which knows them from its first moment on.
make_accounting() {
  local made=/var/lib/slurm/slurmctld/accounting-made said words
  [ -n "${CLUSTER_ACCOUNTING:-}" ] && [ ! -e "$made" ] || return 0
  wait_for sacctmgr --noheader show cluster
  while read -ra words; do
    # One that was interrupted has made some of them, which is told with status 1.
    said=$(sacctmgr --immediate "${words[@]}" 2>&1 </dev/null) ||
      [[ $said == *"lready exist"* || $said == *"Nothing new"* ]] ||
      die "sacctmgr ${words[*]}: $(grep -v '^ *$' <<<"$said" | tail -n 1)"
  done < <(printf 'add cluster %s\n%s\n' "$(sed -n 's/^ClusterName=//p' /etc/slurm/slurm.conf)" "$CLUSTER_ACCOUNTING")
  touch "$made"
}

# Beside the node's own daemon, and whether it lives or not. Reached from the login node alone: no port is published.
start_sshd() {
  ! listens 127.0.0.1 22 || return 0
  make_ssh_access
  (/usr/sbin/sshd -D -e &)
}

make_ssh_access() {
  local user
  make_once /etc/ssh/keys/host_ed25519 write_ssh_key login
  install -d -m 0755 /etc/ssh/authorized_keys /run/sshd
  for user in dev ${CLUSTER_USERS:-}; do
    make_once "/etc/ssh/keys/${user}_ed25519" write_ssh_key "$user"
    ssh-keygen -y -f "/etc/ssh/keys/${user}_ed25519" >"/etc/ssh/authorized_keys/$user"
  done
  sed -i "s/^AllowUsers .*/AllowUsers dev ${CLUSTER_USERS:-}/" /etc/ssh/sshd_config
}

run_daemon() { # run_daemon COMMAND...
  local daemon status=0
  "$@" &
  daemon=$!
  printf '%s %s\n' "$$" "$daemon" >/run/cluster-daemon
  # shellcheck disable=SC2064 # the daemon of now
  trap "kill -TERM $daemon 2>/dev/null || true" TERM INT
  while [ -e "/proc/$daemon" ]; do wait "$daemon" && status=0 || status=$?; done
  [ -e "$DOWN" ] || exit "$status"
  trap 'exit 0' TERM INT
  while [ -e "$DOWN" ]; do sleep 0.1 || true; done
  exec env "$0" "$ROLE" # a preloaded library may want to hand something down, which bash would not
}

# ------------------------------------------------------------------------------------------------------------ roles

run_db() {
  make_once /etc/slurm-db/password write_password
  install -d -o mysql -g mysql -m 0755 /run/mysqld
  install -o mysql -g mysql -m 0600 /dev/null /run/mysqld/init.sql
  local password
  password=$(</etc/slurm-db/password)
  cat >/run/mysqld/init.sql <<SQL
CREATE DATABASE IF NOT EXISTS slurm_acct_db;
CREATE OR REPLACE USER 'slurm'@'%' IDENTIFIED BY '$password';
GRANT ALL ON slurm_acct_db.* TO 'slurm'@'%';
SQL
  if [ ! -d /var/lib/mysql/mysql ]; then
    tar -C /var/lib/mysql --sparse -xzf /usr/local/share/new-database.tar.gz
  fi
  # From 11.4 on MariaDB makes an RSA key of 4096 bits each time it starts where it has none, which takes a second or several. Its
  # library, which is slurmdbd's, connects to nobody who has none.
  (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=db \
    -keyout /run/mysqld/key.pem -out /run/mysqld/certificate.pem 2>/dev/null)
  chown mysql: /run/mysqld/key.pem /run/mysqld/certificate.pem
  run_daemon mariadbd --defaults-file=/etc/mysql/cluster.cnf \
    --ssl-cert=/run/mysqld/certificate.pem --ssl-key=/run/mysqld/key.pem
}

run_slurmdbd() {
  start_munged
  make_once /etc/slurm-db/password write_password
  install -o slurm -g slurm -m 0600 /dev/null /etc/slurm/slurmdbd.conf
  cat >/etc/slurm/slurmdbd.conf <<CONF
DbdHost=slurmdbd
SlurmUser=slurm
AuthType=auth/munge
DebugLevel=info
PidFile=/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=db
StorageLoc=slurm_acct_db
StorageUser=slurm
StoragePass=$(</etc/slurm-db/password)
$(grep '^AuthAlt' /etc/slurm/slurm.conf)
CONF
  make_jwt_key
  wait_for listens db 3306
  run_daemon slurmdbd -D
}

run_slurmctld() {
  local host
  start_munged
  chown slurm:slurm /var/lib/slurm/slurmctld
  chmod 0700 /var/lib/slurm/slurmctld
  for host in ${CLUSTER_HOSTS:-c1 c2}; do wait_for getent hosts "$host"; done
  apply_cgroups
  make_jwt_key
  if has_accounting; then
    wait_for listens slurmdbd 6819
    make_accounting
  fi
  # Slurm 26.05 reads what associations used or does not start; where it was killed before it first stopped, it has not
  # written that yet.
  local state=/var/lib/slurm/slurmctld ignore_missing=
  if [ -e "$state/clustername" ] && [ ! -e "$state/assoc_usage" ]; then ignore_missing=-i; fi
  run_daemon slurmctld -D ${ignore_missing:+"$ignore_missing"}
}

# The word "daemon" in the place of a token: each request brings its own. It may unshare nothing without SYS_ADMIN, and ends
# unless it is told not to try.
run_slurmrestd() {
  wait_for listens slurmctld 6817
  export SLURM_JWT=daemon SLURMRESTD_SECURITY=disable_unshare_sysv,disable_unshare_files
  local command plugins
  command=(setpriv --reuid slurmrestd --regid slurmrestd --clear-groups slurmrestd)
  if ! has_accounting; then # it ends where it is to speak for slurmdbd, and there is none
    plugins=$("${command[@]}" -s list 2>&1 | grep -o 'openapi/[^ ]*' | grep -v /.*db | paste -sd,)
    command+=(-s "$plugins")
  fi
  run_daemon "${command[@]}" -a rest_auth/jwt 0.0.0.0:6820
}

run_login() {
  start_munged
  make_shared_folders
  make_ssh_access
  if [[ ${CLUSTER_LOGIN:-} == *second-factor* ]]; then make_once /etc/ssh/keys/second_factor write_password; fi
  # shellcheck disable=SC2086 # words
  [ -z "${CLUSTER_LOGIN:-}" ] || cluster-login $CLUSTER_LOGIN
  run_daemon /usr/sbin/sshd -D -e
}

run_bastion() {
  make_ssh_access
  make_once /etc/ssh/keys/bastion_ed25519 write_ssh_key bastion
  cluster-login bastion
  run_daemon /usr/sbin/sshd -D -e
}

run_node() {
  apply_cgroups
  start_munged
  make_shared_folders
  make_fake_gpus
  start_sshd
  wait_for listens slurmctld 6817
  run_daemon slurmd -D
}

# A slurmd for each emulated node, all on this machine: Slurm knows them by their ports.
run_emulator() {
  start_munged
  make_shared_folders
  wait_for listens slurmctld 6817
  run_daemon run_slurmds
}

# Of those that were started, most listen by now: each has much to do at first, and registers with the controller.
few_are_starting() { [ $((${#nodes[@]} - $(grep -c ' 0A ' /proc/net/tcp))) -lt 30 ]; }

# Until they are told to stop; one that ends by itself is started again, a few times.
run_slurmds() {
  local node ended status stopping='' again=0
  local -A nodes=()
  trap 'stopping=yes; pkill -TERM "^slurmd$" || true' TERM INT
  for node in $(scontrol show hostnames "${CLUSTER_EMULATED_NAMES:?}"); do
    wait_for few_are_starting
    slurmd -D -N "$node" &
    nodes[$!]=$node
  done
  while [ "${#nodes[@]}" -gt 0 ]; do
    ended=
    wait -n -p ended && status=0 || status=$?
    [ -n "$ended" ] || continue # it was the trap
    node=${nodes[$ended]}
    unset "nodes[$ended]"
    [ -z "$stopping" ] || continue
    say "slurmd of $node ended with status $status"
    again=$((again + 1))
    [ "$again" -le 50 ] || die "too many of the emulated nodes end"
    slurmd -D -N "$node" &
    nodes[$!]=$node
  done
}

readonly ROLE=${1:-} DOWN=/run/cluster-down
rm -f /run/cluster-ready "$DOWN" # of an earlier run of this container; see cluster-health and cluster-fault
apply_settings
apply_nodes
apply_emulated_nodes
make_users
see_environment
case $ROLE in
  db | slurmdbd | slurmctld | slurmrestd | login | bastion | node | emulator) "run_$ROLE" ;;
  *) die "the role must be db, slurmdbd, slurmctld, slurmrestd, login, bastion, node or emulator, not '$ROLE'" ;;
esac
