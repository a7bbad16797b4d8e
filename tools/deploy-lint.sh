#!/usr/bin/env bash
# Read the files of deployment with the programs that know them: Dockerfile, compose file, chart, custom resources, units.
# In an environment of its own (.cache/deploy), from a lock by hash; nothing of it is needed to run or to test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

home=.cache/deploy bin=.cache/deploy/bin uv=.venv/bin/uv
if ! cmp -s requirements-deploy.lock $home/installed.lock; then
  echo "[deploy-lint] installing linters" >&2
  $uv venv --quiet --clear --python .venv/bin/python $home
  $uv pip install --quiet --python $bin/python --require-hashes -r requirements-deploy.lock
  cp requirements-deploy.lock $home/installed.lock
fi

echo "== Dockerfile"
$bin/hadolint deploy/Dockerfile
echo "== compose file"
$bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose/compose.yaml

echo "== chart"
rendered=$home/rendered
rm -rf $rendered && mkdir $rendered
$bin/python tools/deploy_render.py $rendered
$bin/kubernetes-validate --strict --quiet $rendered/*.yaml
if command -v npm >/dev/null; then
  schemas=.cache/deploy-schemas
  if ! cmp -s deploy/lint/package-lock.json $schemas/installed.json; then
    mkdir -p $schemas && cp deploy/lint/package*.json $schemas
    (cd $schemas && npm ci --ignore-scripts --no-audit --no-fund --silent)
    cp $schemas/package-lock.json $schemas/installed.json
  fi
  cp deploy/lint/custom.mjs $schemas
  node $schemas/custom.mjs $rendered/custom.json
else
  echo "custom resources: NOT CHECKED, npm is not installed" >&2
fi

echo "== alerts"
if command -v promtool >/dev/null; then
  promtool check rules deploy/prometheus/rules.yaml
  promtool test rules deploy/prometheus/rules.test.yaml
else
  echo "alerts: NOT CHECKED, promtool is not installed (Debian's package prometheus has it)" >&2
fi

echo "== units"
if ! command -v systemd-analyze >/dev/null; then
  echo "units: NOT CHECKED, systemd-analyze is not installed" >&2
  exit 0
fi
# A root of its own, in which the program that the units start is there.
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{etc/systemd/system,opt/deskhand/bin,usr/lib/systemd}
cp deploy/systemd/* "$root/etc/systemd/system"
install -m 755 /dev/null "$root/opt/deskhand/bin/deskhand"
cp -r /usr/lib/systemd/system "$root/usr/lib/systemd"
cp -r /etc/passwd /etc/group "$root/etc"
found=$(cd deploy/systemd && systemd-analyze verify --man=no --recursive-errors=no --root="$root" \
  deskhand-api.service deskhand-migrate.service deskhand-worker@1.service deskhand.target \
  deskhand-backup.service deskhand-backup.timer deskhand-backup-verify.service deskhand-backup-verify.timer 2>&1 || true)
if [ -n "$found" ]; then echo "$found"; exit 1; fi
for unit in deploy/systemd/*.service; do
  # 0 is shut in, 10 is open; what is left is the network, which is what the service is for.
  systemd-analyze security --no-pager --offline=yes --threshold=20 "$unit" | tail -n 1
done
