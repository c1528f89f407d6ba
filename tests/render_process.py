"""Stands for the processes of `rtviz render` and `rtviz masks`."""

from __future__ import annotations

import sys

# It does what the name of its input says, and prints what `--progress json` prints.
FAKE = r"""
import json, signal, sys, time
from pathlib import Path

def say(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)

place, output = sys.argv[2], Path(sys.argv[4])
assert sys.argv[1] in ("render", "masks") and sys.argv[-2:] == ["--progress", "json"]
part = output.with_name(output.stem + ".partial" + output.suffix)
say("loading")
if "absent" in place:
    print("rtviz: error: cannot open absent.mp4: there is no such file", file=sys.stderr)
    sys.exit(1)
if "early" in place:
    print("rtviz: error: out of time; --start takes an earlier part", file=sys.stderr)
    say("failed", error="out of time", remedy="START_EARLIER", subject="")
    sys.exit(2)
say("begin", input=place, output=str(output), frames=40)
part.write_text("half")
say("frames", done=10)
print("rtviz: a notice", file=sys.stderr)
if "long" in place:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    say("frames", done=20)
    time.sleep(60)
part.rename(output)
say("end", report={"frames_out": 40, "width": 64, "height": 48, "fps": 12.5, "warnings": []})
"""
STAND_IN = (sys.executable, "-S", "-c", FAKE)
