"""The examples that are told to be copied: they parse, and say what the program takes."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from migrator.cluster import workers
from migrator.settings import ClusterSettings, check_cluster

EXAMPLES = Path(workers.__file__).parent / "examples"
KUBERNETES = EXAMPLES / "kubernetes.yaml"
SLURM = EXAMPLES / "slurm.sh"


@pytest.fixture(scope="module")
def documents():
    with KUBERNETES.open(encoding="utf-8") as file:
        found = list(yaml.safe_load_all(file))
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def container(documents, name):
    (only,) = documents["Deployment", name]["spec"]["template"]["spec"]["containers"]
    return only


def test_scheduler_and_workers_are_of_one_image_and_find_each_other(documents):
    scheduler, worker = (container(documents, f"migrator-{n}") for n in ("scheduler", "worker"))
    assert scheduler["image"] == worker["image"]
    service = documents["Service", "migrator-scheduler"]
    (port,) = service["spec"]["ports"]
    selected = service["spec"]["selector"]
    labels = documents["Deployment", "migrator-scheduler"]["spec"]["template"]["metadata"]["labels"]
    assert selected == labels
    assert str(port["port"]) in scheduler["args"]
    assert worker["args"][0] == f"tcp://migrator-scheduler:{port['port']}"
    check_cluster(ClusterSettings(cluster=worker["args"][0]))


def test_the_keys_are_the_workers_alone(documents):
    assert "envFrom" not in container(documents, "migrator-scheduler")
    (source,) = container(documents, "migrator-worker")["envFrom"]
    assert source == {"secretRef": {"name": "migrator-source"}}
    text = KUBERNETES.read_text()
    assert "PIXOP_API_KEY" not in text
    assert not re.search("SECRET_ACCESS_KEY=[^…]", text)


@pytest.mark.parametrize("role", ["scheduler", "worker"])
def test_dask_knows_every_flag_of_the_examples(documents, role):
    module = pytest.importorskip(f"distributed.cli.dask_{role}")
    known = {flag for one in module.main.params for flag in (*one.opts, *one.secondary_opts)}
    (line,) = re.findall(rf"dask {role} ((?:.|\\\n)*?) &\n", SLURM.read_text())
    words = [*container(documents, f"migrator-{role}")["args"], *line.split()]
    assert {word for word in words if word.startswith("--")} <= known


def test_the_script_of_slurm_is_one_of_bash_and_starts_the_scheduler_without_keys():
    subprocess.run([shutil.which("bash"), "-n", SLURM], check=True)
    text = SLURM.read_text()
    options = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", text, re.MULTILINE))
    assert {"nodes", "ntasks-per-node", "time"} <= set(options)
    assert (
        text.index("dask scheduler --host") < text.index('source.env"') < text.index("dask worker")
    )
