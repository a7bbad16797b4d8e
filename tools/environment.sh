#!/usr/bin/env bash
# Make or renew the Python environment in .venv:  tools/environment.sh runtime|dev
#
# "runtime" is what the product needs, "dev" adds the development tools; dev serves for both, so
# `make demo` and `make test` share one environment in whichever order they come. A stamp inside it
# names what was installed (lock files, project metadata, interpreter, place); if that still holds,
# this script ends within milliseconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kind=${1:?usage: tools/environment.sh runtime|dev}
venv=.venv
case $kind in
  runtime) lock=requirements.lock ;;
  dev) lock=requirements-dev.lock ;;
  *) echo "environment.sh: runtime or dev, not '$kind'" >&2; exit 2 ;;
esac

say() { echo "[environment] $*" >&2; }
die() { say "$@"; exit 1; }

# A virtual environment holds absolute paths, so the place belongs to its fingerprint.
fingerprint() {
  { echo "$1"; pwd -P; cat "$2" pyproject.toml; } | cksum_256
}
cksum_256() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d' ' -f1
}
stamped() { [ -x $venv/bin/python ] && [ "$(cat "$venv/.stamp-$1" 2>/dev/null)" = "$(fingerprint "$1" "$2")" ]; }
fresh() { stamped dev requirements-dev.lock || { [ "$kind" = runtime ] && stamped runtime requirements.lock; }; }

fresh && exit 0
[ -w . ] || die "$(pwd) is not writable for $(id -un 2>/dev/null || id -u); clone the repository into a folder of your own."

# Two makes at once must not install over each other.
if command -v flock >/dev/null; then
  exec 9>.venv.lock
  flock -n 9 || { say "another make is preparing the environment; waiting for it"; flock 9; }
  fresh && exit 0
fi

fits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
find_python() {
  local name path
  for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    # Every place on the PATH: the first python3 may be Debian's, which lacks ensurepip by default.
    while read -r path; do
      if fits "$path"; then echo "$path"; return; fi
    done < <(type -aP "$name" | awk '!seen[$0]++')
  done
  return 1
}

if ! [ -x $venv/bin/python ] || ! $venv/bin/python -m pip --version >/dev/null 2>&1 || ! fits $venv/bin/python; then
  python=$(find_python) || die "no Python >= 3.11 with the venv and ensurepip modules was found.
  On Debian or Ubuntu: apt-get install python3-venv   (elsewhere: any Python 3.11 to 3.13)
  or name one yourself:  make PYTHON=/path/to/python3 ..."
  say "creating $venv with $("$python" --version) ($python)"
  "$python" -m venv --clear $venv
fi
rm -f $venv/.stamp-*

if ! [ -x $venv/bin/uv ]; then
  say "installing uv"
  # The development lock pins uv by version and hash; the runtime lock does not need it.
  awk '/^[^ #]/ { on = /^uv==/ } on' requirements-dev.lock >$venv/uv.lock
  $venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $venv/uv.lock
fi

say "installing $(grep -c '^[^ #].*==' "$lock") locked packages ($kind)"
$venv/bin/uv pip install --quiet --python $venv/bin/python --require-hashes -r "$lock"
# The build backend runs code: it is the lock's, installed above by hash, not one fetched for the occasion.
$venv/bin/uv pip install --quiet --python $venv/bin/python --no-deps --no-build-isolation -e .
# Compiled once here and not by each process that starts, also where PYTHONDONTWRITEBYTECODE forbids it those to keep: a
# worker is up in half the processor time. Optional: what does not compile will say so when it is imported.
say "compiling"
$venv/bin/python -m compileall -q -j 0 $venv/lib/python3*/site-packages src || say "some files do not compile; going on"
fingerprint "$kind" "$lock" >"$venv/.stamp-$kind"
say "ready: $($venv/bin/python --version), $venv"
