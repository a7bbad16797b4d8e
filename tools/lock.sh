#!/usr/bin/env bash
# Compile the lock files: universal (one file for every platform and Python >= 3.11), every file pinned by hash.
#   tools/lock.sh [--upgrade]            in place
#   tools/lock.sh --into DIR [--upgrade] beside the pins already in DIR
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

into=.
if [ "${1:-}" = --into ]; then into=$2; shift 2; fi
compile() {
  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header "$@"
}
compile pyproject.toml --extra embedded --group build -o "$into/requirements.lock" "$@"
# What an image of the server holds: no embedded PostgreSQL, no model; in the same versions.
compile pyproject.toml --extra search --constraint "$into/requirements.lock" --no-annotate -o "$into/requirements-server.lock" "$@"
compile pyproject.toml --all-extras --group build --group dev -o "$into/requirements-dev.lock" "$@"
# Without the product; what both stacks use, they use in the same version. (An annotation would name the folder.)
compile --group benchmarks --no-annotate --constraint "$into/requirements-dev.lock" -o "$into/requirements-benchmarks.lock" "$@"
compile --group deploy --no-annotate -o "$into/requirements-deploy.lock" "$@"
