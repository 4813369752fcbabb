"""A fake docker: it builds, keeps and pushes nothing; it knows names and ids of images, and says how it was called."""

from __future__ import annotations

DOCKER = r"""
# A fake docker: an image's id is the checksum of its Dockerfile, and each name that leads to one is a file.
PATH=/usr/bin:/bin
mkdir -p "$HERE/names"
named() { printf '%s' "$HERE/names/$(printf '%s' "$1" | tr / +)"; }
id_of() {
  if [ -e "$(named "$1")" ]; then cat "$(named "$1")"; return; fi
  if [ "${#1}" = 64 ]; then printf '%s' "$1"; return; fi
  echo "Error: No such image: $1" >&2; return 1
}
output() { while [ "$1" != --output ]; do shift; done; printf '%s' "$2"; }
for last; do :; done
case $1 in
  build)
    while [ $# -gt 1 ]; do
      [ "$1" = --iidfile ] && to=$2
      [ "$1" = --file ] && from=$2
      shift
    done
    if [ -p "$HERE/gate" ]; then read -r line < "$HERE/gate"; fi
    id=$(sha256sum < "$from") && printf 'sha256:%s' "${id%% *}" > "$to" ;;
  tag) printf '%s' "$2" > "$(named "$3")" ;;
  image)
    id=$(id_of "$5") || exit 1
    case $4 in
      *Id*) echo "sha256:$id" ;;
      *RepoDigests*) echo "[\"${5%:*}@sha256:$(printf '%064d' 7)\"]" ;;
      *) echo '{"Env": ["PATH=/opt/bin:/bin", "HOME=/root", "GREETING=hello"], "WorkingDir": "/work"}' ;;
    esac ;;
  save) echo "saved $last" > "$(output "$@")" ;;
  create) echo a-container ;;
  export)
    mkdir -p "$HERE/root/usr/bin"
    tar -c -f "$(output "$@")" -C "$HERE/root" usr ;;
esac
exit 0
"""
ENROOT = """\
# A fake enroot: it imports a file that says from where.
while [ "$1" != --output ]; do shift; done
echo "imported $4" > "$2"
"""
