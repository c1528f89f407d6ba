#!/bin/sh
# All that is to be done first on a machine with an NVIDIA GPU: the tests marked gpu, then every bench.
# Usage, from the repository: sh scripts/gpu.sh [FOLDER]   (PYTHON names another interpreter, DEVICE another GPU)
folder=${1:-gpu-report}
device=${DEVICE:-cuda}
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python}
[ -z "$PYTHON" ] && [ -x .venv/bin/python ] && python=.venv/bin/python
mkdir -p "$folder" || exit 1
"$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2> /dev/null || {
    echo "gpu.sh: $python has no torch that finds a GPU with CUDA" >&2
    exit 1
}
status=0
nvidia-smi > "$folder/machine.txt" 2>&1
"$python" -m pytest -m gpu 2>&1 | tee "$folder/tests.txt"
tail -n 1 "$folder/tests.txt" | grep -q -e failed -e error && status=1
"$python" scripts/bench.py all --device "$device" 2>&1 | tee "$folder/bench.txt"
grep -h missed "$folder"/*.txt
echo "the report lies in $folder"
exit $status
