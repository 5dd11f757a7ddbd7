"""What tests of the whole workflow share."""

import os
from pathlib import Path

import pytest
from runner import Runner


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A folder to run in, empty."""
    return Runner(tmp_path / "run")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real microscopy files, or a skip that says how to name it."""
    folder = os.environ.get("SHARED_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs real microscopy files: set SHARED_DATA to their folder")
    return Path(folder).resolve()
