#!/usr/bin/env bash
# Compile both lock files: universal (one file for every platform and Python >= 3.11), every file pinned by hash.
#   tools/lock.sh [--upgrade]            in place
#   tools/lock.sh --into DIR [--upgrade] beside the pins already in DIR
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

into=.
if [ "${1:-}" = --into ]; then into=$2; shift 2; fi
compile() {
  .venv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-header "$@"
}
compile --extra embedded -o "$into/requirements.lock" "$@"
compile --all-extras --group dev -o "$into/requirements-dev.lock" "$@"
