"""FAULTS 74: the network changes under a call. In a namespace of its own, so that only this service is moved."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.live.service import ROOT

pytestmark = pytest.mark.live
UNSHARE = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]


def _why_not() -> str:
    for program, package in (("ip", "iproute2"), ("unshare", "util-linux")):
        if shutil.which(program) is None:
            return f"{program} is missing (Debian package {package})"
    probe = "ip link set lo up && ip link add v0 type veth peer name v1"
    done = subprocess.run([*UNSHARE, "sh", "-c", probe], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no network namespace may be made here: {done.stderr.strip()}"


def _alone(module: str) -> str:
    """Run a program of this folder in a network namespace; what it says."""
    if reason := _why_not():
        pytest.skip(reason)
    words = [*UNSHARE, sys.executable, "-W", "error::SyntaxWarning", "-m", module]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    return done.stdout + done.stderr


def test_fault_74_an_address_that_changes_inside_a_call_is_not_the_end_of_it() -> None:
    assert (said := _alone("tests.live.moving")).endswith("moved\n"), said


def test_fault_74_a_listener_whose_address_goes_away_serves_again_when_it_comes_back() -> None:
    assert (said := _alone("tests.live.coming_back")).endswith("back\n"), said
