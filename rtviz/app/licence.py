"""The dialog in which a model's licence is read and accepted before its weights are fetched."""

from __future__ import annotations

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from rtviz.app.clipboard import copy_text


class LicenceDialog(QDialog):
    """Names the licence and links to it. `agreed` is emitted with the model's name."""

    agreed = pyqtSignal(str)

    def __init__(self, parent: QWidget, model: str, licence: str, url: str) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WA_DeleteOnClose)
        self.setWindowTitle(licence)
        self.setMinimumWidth(460)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(12)
        title = QLabel(f"{model} comes under the {licence}")
        title.setObjectName("title")
        column.addWidget(title)
        text = QLabel(
            "Its weights may be fetched without a form, by whoever accepts this licence. It says what you may use them "
            "for, and on which terms you may pass them on. Read it before you accept it:<br><br>"
            f'<a href="{url}">{url}</a>'
        )
        text.setWordWrap(True)
        text.setTextInteractionFlags(Qt.TextBrowserInteraction)
        text.setOpenExternalLinks(True)
        column.addWidget(text)
        once = QLabel("Accepting it once is enough for all models of this licence.")
        once.setProperty("faint", True)
        column.addWidget(once)
        row = QHBoxLayout()
        copy = QPushButton("Copy link")
        copy.setToolTip("Copy the licence's address")
        copy.clicked.connect(lambda: copy_text(url))
        row.addWidget(copy)
        row.addStretch(1)
        self.refuse = QPushButton("Not now")
        self.refuse.setToolTip("Fetch nothing")
        self.refuse.clicked.connect(self.reject)
        self.accept_button = QPushButton("Accept and fetch")
        self.accept_button.setObjectName("primary")
        self.accept_button.setToolTip("I have read this licence and accept it")
        self.accept_button.setAutoDefault(False)
        self.refuse.setDefault(True)
        self.accept_button.clicked.connect(lambda: self.agreed.emit(model))
        self.accept_button.clicked.connect(self.accept)
        row.addWidget(self.refuse)
        row.addWidget(self.accept_button)
        column.addLayout(row)


__all__ = ["LicenceDialog"]
