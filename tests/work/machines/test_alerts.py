"""What an alert is about, whoever words it: the same condition on the same device, and its end."""

from __future__ import annotations

import pytest

from deskhand.work.machines.alerts import read_alert

SAME = [
    ["** PROBLEM Service Alert: srv-12/disk is CRITICAL **", "** RECOVERY Service Alert: srv-12/disk is OK **"],
    ["[FIRING:1] HighCPU web-3 (prod)", "[FIRING:7] HighCPU web-3 (prod)", "[RESOLVED] HighCPU web-3 (prod)"],
    ["Problem: High CPU on web-3", "Resolved in 5m 3s: High CPU on web-3", "Problem: High CPU on web-3 97%"],
    ["srv-12 is DOWN since 10:31", "srv-12 is UP since 10:35", "SRV-12 is down"],
]
RECOVERIES = {"** RECOVERY Service Alert: srv-12/disk is OK **", "[RESOLVED] HighCPU web-3 (prod)"}
RECOVERIES |= {"Resolved in 5m 3s: High CPU on web-3", "srv-12 is UP since 10:35"}
OTHER = ["srv-13 is DOWN", "PROBLEM Service Alert: srv-12/load is CRITICAL", "[FIRING:1] HighCPU web-4 (prod)", ""]


@pytest.mark.parametrize("alerts", SAME, ids=lambda alerts: alerts[0])
def test_numbers_times_and_states_make_no_other_condition(alerts: list[str]) -> None:
    assert len({read_alert(subject).condition for subject in alerts}) == 1
    assert {subject for subject in alerts if read_alert(subject).is_recovery} == RECOVERIES & set(alerts)


def test_another_device_or_check_is_another_condition() -> None:
    subjects = [alerts[0] for alerts in SAME] + OTHER
    assert len({read_alert(subject).condition for subject in subjects}) == len(subjects)
