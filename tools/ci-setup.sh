#!/usr/bin/env bash
# Programs from Debian that some tests drive: Chromium without a screen (browser tests), PgBouncer (pooling proxy),
# PostgreSQL 15 (the oldest server we support) ip (network namespaces) and Tesseract (words in pictures). Without them those tests skip and say why;
# nothing else needs them.
# From npm: Spectral, for the rules of the OpenAPI document; oidc-provider, to sign in with; Prism, which
# answers as an OpenAPI document says; server-everything, an MCP server whose tools are called.
# From the package index, apart from our own environment: Glances, which serves its own OpenAPI document.
# benchmarks/executions.py also needs Redis and wrk:  tools/ci-setup.sh benchmarks
set -euo pipefail

have_chromium() { command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null; }
have_pgbouncer() { command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ]; }
have_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null; }
have_ip() { command -v ip >/dev/null || [ -x /usr/sbin/ip ]; }
have_tesseract() { command -v tesseract >/dev/null; }
have_redis() { command -v redis-server >/dev/null; }
have_wrk() { command -v wrk >/dev/null; }

spectral() { # into this clone alone; tests/api/test_document.py skips without it
  local home; home="$(dirname "${BASH_SOURCE[0]}")/../.cache/spectral"
  [ -x "$home/node_modules/.bin/spectral" ] && return
  if ! command -v npm >/dev/null; then echo "[tests] npm is not installed: Spectral's test will be skipped" >&2; return; fi
  echo "[tests] installing Spectral" >&2
  mkdir -p "$home"
  timeout 180 npm install --prefix "$home" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --silent \
    @stoplight/spectral-cli@6.16.3 </dev/null >/dev/null 2>&1 ||
    { rm -rf "$home"; echo "[tests] Spectral could not be installed: its test will be skipped" >&2; }
}
spectral

locked() { # a folder of tests/support with a lock of npm: what it locks, into this clone alone; and what it is to people
  local from home; from="$(dirname "${BASH_SOURCE[0]}")/../tests/support/$1"
  home="$(dirname "${BASH_SOURCE[0]}")/../.cache/$1"
  cmp -s "$from/package-lock.json" "$home/installed.json" && return
  if ! command -v npm >/dev/null; then echo "[tests] npm is not installed: tests with $2 will be skipped" >&2; return; fi
  echo "[tests] installing $2" >&2
  mkdir -p "$home" && cp "$from"/package*.json "$home"
  { (cd "$home" && timeout 180 npm ci --ignore-scripts --no-audit --no-fund --silent) </dev/null >/dev/null 2>&1 &&
    cp "$home/package-lock.json" "$home/installed.json"; } ||
    { rm -rf "$home"; echo "[tests] $2 could not be installed: its tests will be skipped" >&2; }
}
locked strict_provider "the strict identity provider"
locked prism "Prism"
locked everything "the MCP project's own server"

glances() { # what its lock pins would not go along with our own pins, so it has an environment to itself
  local lock home uv; lock="$(dirname "${BASH_SOURCE[0]}")/../tests/support/glances/requirements.lock"
  home="$(dirname "${BASH_SOURCE[0]}")/../.cache/glances"; uv="$(dirname "${BASH_SOURCE[0]}")/../.venv/bin/uv"
  cmp -s "$lock" "$home/installed.lock" && return
  if ! [ -x "$uv" ]; then echo "[tests] tools/environment.sh dev has not run: tests with Glances will be skipped" >&2; return; fi
  echo "[tests] installing Glances" >&2
  { "$uv" venv --quiet --clear --python "${uv%/uv}/python" "$home" &&
    timeout 180 "$uv" pip install --quiet --python "$home/bin/python" --require-hashes -r "$lock" &&
    cp "$lock" "$home/installed.lock"; } </dev/null >/dev/null 2>&1 ||
    { rm -rf "$home"; echo "[tests] Glances could not be installed: its tests will be skipped" >&2; }
}
glances

missing=() loses=()
need() { # package, what goes without it
  missing+=("$1"); loses+=("$2")
}
have_chromium || need chromium-headless-shell "browser tests"
have_pgbouncer || need pgbouncer "tests behind a pooling proxy"
have_postgresql || need postgresql-15 "tests on PostgreSQL 15"
have_ip || need iproute2 "tests in network namespaces"
have_tesseract || need tesseract-ocr "tests that read pictures"
if [ "${1:-}" = benchmarks ]; then
  have_redis || need redis-server "the comparison with a Redis queue"
  have_wrk || need wrk "the load on the webhook's address"
fi
[ ${#missing[@]} -eq 0 ] && exit 0

explain() {
  local i
  for i in "${!missing[@]}"; do echo "[tests] ${missing[i]} is not installed ($1): ${loses[i]} will be skipped" >&2; done
}
if [ "$(id -u)" -ne 0 ]; then explain "install it as root: apt-get install ${missing[*]}"; exit 0; fi
if ! command -v apt-get >/dev/null; then explain "no apt-get here"; exit 0; fi
if [ "${DESKHAND_NO_APT:-}" = 1 ]; then explain "DESKHAND_NO_APT=1"; exit 0; fi

echo "[tests] installing ${missing[*]} from Debian" >&2
install() { # A package's own server must not start by itself: the tests start theirs.
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 timeout 300 apt-get install -y -qq --no-install-recommends \
    -o DPkg::Lock::Timeout=120 "$1" </dev/null >"$log" 2>&1
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
timeout 120 apt-get update -qq </dev/null >"$log" 2>&1 || echo "[tests] apt-get update failed; trying with what is known" >&2
for i in "${!missing[@]}"; do
  install "${missing[i]}" || echo "[tests] ${missing[i]} could not be installed ($(tail -n 1 "$log")): ${loses[i]} will be skipped" >&2
done
