#!/usr/bin/env bash
# The lock files say what pyproject.toml asks for: compiling them again from their own pins changes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

again=$(mktemp -d)
trap 'rm -rf "$again"' EXIT
locks=(requirements.lock requirements-server.lock requirements-dev.lock requirements-benchmarks.lock requirements-deploy.lock)
cp "${locks[@]}" "$again"
if ! tools/lock.sh --into "$again" 2>"$again/errors"; then
  if grep -qiE 'failed to fetch|error sending request|dns error|network|connect|timed out' "$again/errors"; then
    echo "lock files: NOT CHECKED, the package index cannot be reached" >&2
    exit 0
  fi
  cat "$again/errors" >&2
  exit 1
fi
for lock in "${locks[@]}"; do
  if ! diff -u "$lock" "$again/$lock"; then
    echo "$lock no longer follows pyproject.toml; run: make lock" >&2
    exit 1
  fi
done
echo "lock files: current"
