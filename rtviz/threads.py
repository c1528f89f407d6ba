"""How the libraries that compute share the cores; what is said here must be said before they are loaded."""

from __future__ import annotations

import os


def sleep_while_waiting() -> None:
    """Let the threads inside a forward pass sleep while they wait for each other, instead of spinning.

    Decoding, drawing and the window take turns with them on few cores, and a spinning thread then holds up the very one
    that it waits for. Measured with ViT-S/16 on two cores that others wanted too: 283 ms a frame and not 1341, for 113
    ms of computing and not 626. It is read when OpenMP is loaded, which torch does.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def draw_in_one_thread() -> None:
    """Let NumPy's matrix products, small ones for drawing, stay in the thread that asks for them.

    Shared out, they wait for a core that the forward pass holds. Measured beside other work on two cores: a heatmap
    takes 1.8 ms and not 16, the view of all heads 11 ms and not 240. It is read when NumPy is loaded, so it is for
    programs; whoever imports rtviz into their own keeps their own setting.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
