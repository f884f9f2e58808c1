#!/bin/bash
# A Dask cluster for `migrator … --cluster` on SLURM: sbatch slurm.sh
#
# `source.env` (mode 0600) holds lines like PIXOP_SOURCE_ACCESS_KEY_ID=… and its secret. It lies on the
# file system that all nodes share, as --out does: so no --cluster-parts is needed.
#SBATCH --job-name=migrator
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=1G
#SBATCH --time=12:00:00
set -euo pipefail

scheduler="$(hostname)"
address="tcp://${scheduler}:8786"

# The scheduler is started before any key is read: it has none.
dask scheduler --host "${scheduler}" --port 8786 --dashboard-address 127.0.0.1:8787 &
scheduler_pid=$!
trap 'kill "${scheduler_pid}"' EXIT

set -a
# shellcheck source=/dev/null
. "${HOME}/source.env"
set +a

srun --overlap dask worker "${address}" --nthreads 1 --no-dashboard --memory-limit 1GiB \
  --local-directory "${TMPDIR:-/tmp}" &

migrator list s3://masters -o "${SLURM_SUBMIT_DIR}/masters.parquet" --cluster "${address}"
