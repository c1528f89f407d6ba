"""For the tests of the window."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot


@pytest.fixture
def make(qtbot: QtBot, tmp_path: Path) -> Iterator[object]:
    """Makes windows that have shown attention, and closes them."""
    from windows import Windows

    windows = Windows(qtbot, tmp_path)
    yield windows
    windows.close()
