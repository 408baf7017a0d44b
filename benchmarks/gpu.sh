#!/usr/bin/env bash
# Measure and train on a machine with one GPU that nobody has prepared, and that may be offline:
#
#     bash benchmarks/gpu.sh [--out FOLDER] [--minutes 8.7]
#
# It needs Linux, a Python with PyTorch, torchvision, OpenCV, SciPy, matplotlib, safetensors and
# the like, and a GPU with room for 40 GB. What such a machine usually lacks (Albumentations, the
# rasters of `earth`, a few small packages) is brought along in `.gpu/`, a folder that
# `python benchmarks/gpu_pack.py` makes beforehand on a machine with a network.
#
# Everything ends after `--minutes`; every part has a limit of its own, and what has been measured
# is kept after every row. In this order:
#
# 1. the training step at batch 1, 4, 16 and 64, at 256×256 and ngf 64: the reference in float32
#    without and with TF32; ours in bfloat16 with channels last, with cuDNN's comparison of its
#    algorithms, and as a CUDA graph; then translating one picture, and 16 (about two minutes);
# 2. both directions of `earth`, half of the rest each, with ngf 28, the widest whose weights fit
#    in 15 MiB, while other processes compile what is measured in step 4;
# 3. lesson 7's recipe for a GPU, in less than a fifth of the time;
# 4. the step and the translation with `torch.compile`, without and with a CUDA graph.
#
# It writes into FOLDER (by default $OUT, or out/gpu), all flat:
#
#     gpu.json                          the tables; share_of_product is the part of what the
#                                       device's own matrix product reaches in that arithmetic
#     gpu.log                           what it printed
#     earth_{sat2map,map2sat}_gpu.safetensors   the weights, in half precision
#     earth_{sat2map,map2sat}_gpu.jpg   validation tiles: source, translation, truth
#     runs.tar, recipe_gpu.tar          settings, losses and samples of the runs
#
# Afterwards, at home: `python benchmarks/gpu_keep.py FOLDER` puts the tables and the recipe's
# pictures into results/, and the runs where `keep_run.py` finds them.
#
# `--quick` tries all of it with tiny networks, `--device cpu --quick` without a GPU, in a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

out=${OUT:-out/gpu} previous=
for argument in "$@"; do
    case $argument in --out=*) out=${argument#--out=} ;; esac
    if [ "$previous" = --out ]; then out=$argument; fi
    previous=$argument
done
mkdir -p "$out"

found='from importlib.util import find_spec
raise SystemExit(not all(map(find_spec, ("albumentations", "pooch", "tomli_w"))))'
if ! "$python" -c "$found"; then
    if [ ! -e .gpu/site.tar.xz ]; then
        echo "Packages are missing here: run \`python benchmarks/gpu_pack.py\` where there is a network," \
            "and bring its folder .gpu/ along." >&2
        exit 1
    fi
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    "$python" -m tarfile --filter=data -e .gpu/site.tar.xz "$site"
    export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
export TQDM_MININTERVAL=10 # or bars would fill the log
"$python" benchmarks/gpu.py "$@" --out "$out" 2>&1 | tee "$out/gpu.log"
