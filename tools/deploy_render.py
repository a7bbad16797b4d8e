"""Lint the Helm chart and render it as it is used: python tools/deploy_render.py FOLDER

Run by tools/deploy-lint.sh in its own environment. Writes what Kubernetes itself knows as YAML, one file for each way
of use, and the custom resources of all of them as ``custom.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

CHART = Path(__file__).resolve().parents[1] / "deploy/helm/deskhand"
USES: dict[str, dict[str, Any]] = {
    "default": {},
    "everything": {
        "image": {"digest": "sha256:" + "0" * 64},
        "imagePullSecrets": [{"name": "registry"}],
        "worker": {"keda": {"enabled": True}},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "networkPolicy": {"database": {"to": [{"ipBlock": {"cidr": "10.1.2.0/24"}}]}},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "desk", "operator": "Exists"}],
        "podAnnotations": {"note": "1"},
    },
    "plain": {
        "api": {"autoscaling": {"enabled": False}},
        "migration": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "networkPolicy": {"enabled": False},
    },
}
REFUSED: dict[str, dict[str, Any]] = {
    "a secret among the settings": {"settings": {"DESKHAND_DATABASE_URL": "postgresql://x"}},
    "a mistyped value": {"worker": {"replica": 3}},
    "no worker": {"worker": {"replicas": 0}},
}
CUSTOM = ("keda.sh/", "monitoring.coreos.com/")


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of a release with these values."""
    with helm.Chart.load(str(CHART)) as chart:
        files = chart.render(values, name="prod", namespace="deskhand")
    return [one for name, text in files.items() if name.endswith(".yaml") for one in yaml.safe_load_all(text) if one]


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0])
    findings = [str(one) for one in helm.lint(str(CHART))["errors"]]
    custom: list[dict[str, Any]] = []
    for name, values in USES.items():
        objects = render(values)
        custom += [one for one in objects if one["apiVersion"].startswith(CUSTOM)]
        known = [one for one in objects if not one["apiVersion"].startswith(CUSTOM)]
        (folder / f"{name}.yaml").write_text(yaml.safe_dump_all(known), encoding="utf-8")
        print(f"chart, {name}: {len(objects)} objects")
    (folder / "custom.json").write_text(json.dumps(custom), encoding="utf-8")
    for what, values in REFUSED.items():
        try:
            render(values)
        except helm.HelmValuesError:
            continue
        findings.append(f"values.schema.json lets {what} pass")
    print("\n".join([*findings, f"chart: {len(findings)} findings"]))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
