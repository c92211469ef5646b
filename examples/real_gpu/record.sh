#!/usr/bin/env bash
# Profiles a transformer of 8 billion random weights, served by vLLM, on an NVIDIA GPU.
#   examples/real_gpu/record.sh DEVICE FOLDER      such as 1xh100-sxm5-80gb out/h100
# Leave the GPU alone while it runs, and its clocks and power limit as they are.
set -euo pipefail
device=${1:?the device, such as 1xh100-sxm5-80gb} folder=${2:?where to keep what is measured}
cd "$(dirname "$0")/../.."
port=8000
llm=random-8b
mkdir -p "$folder"

python3 -m venv "$folder/vllm"
"$folder/vllm/bin/pip" install --quiet 'vllm==0.11.0'
"$folder/vllm/bin/python" examples/real_gpu/random_llm.py "$folder/weights"

serve="$folder/vllm/bin/vllm serve $folder/weights --load-format dummy --port $port \
  --served-model-name $llm --max-model-len 8192 --no-enable-prefix-caching"
.venv/bin/jouleplan measure --url "http://127.0.0.1:$port" --start "$serve" \
  --llm "$llm" --device "$device" --meter nvml --source "$(basename "$folder")" \
  --input-tokens 32..4096 --output-tokens 16..1024 --concurrency 1..64 --max-minutes 20 \
  --out "$folder/observations.csv"
.venv/bin/jouleplan fit "$folder/observations.csv" --models-dir "$folder" \
  --report "$folder/report.html"
.venv/bin/jouleplan check "$folder/held-out.csv" --models-dir "$folder" \
  --url "http://127.0.0.1:$port" --start "$serve" --llm "$llm" --device "$device" --meter nvml \
  --points 12 --seed 1
