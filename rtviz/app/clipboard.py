"""The clipboard."""

from __future__ import annotations

from PyQt5.QtGui import QGuiApplication


def copy_text(text: str) -> None:
    """Put a text into the clipboard."""
    clipboard = QGuiApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)


__all__ = ["copy_text"]
