"""Where the corpora are: the folder that SIPACTORS_CORPORA names, else shared/corpora beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No test here is about time, and a busy machine is no fault.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "corpora"


@pytest.fixture(scope="session")
def corpora() -> Path:
    named = os.environ.get("SIPACTORS_CORPORA")
    path = Path(named) if named else _BESIDE
    if not path.is_dir():
        pytest.skip(f"no corpora at {path}: set SIPACTORS_CORPORA to their folder")
    return path
