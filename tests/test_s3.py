"""Results in a bucket: the command of docs/cluster.md against an S3 server on this machine."""

import io
import logging
import re
import shutil

import pandas as pd
import pytest
from test_workflow import ROOT, call, make_copy

pytestmark = pytest.mark.cluster
boto3 = pytest.importorskip("boto3", reason="no S3 server to test with: make setup-cluster")

CONFIG = """
study: small
readme: small
protocols: [samm-3, smic-3]
methods: [majority, flow-svm]
tables: [leaderboard, runtime]
"""
BUCKET = "apexbench"  # that of docs/cluster.md


def page_command(endpoint: str) -> list[str]:
    """Return the command that docs/cluster.md shows under 'Results in a bucket', for another server."""
    section = (ROOT / "docs/cluster.md").read_text().split("## Results in a bucket")[1]
    (command,) = re.findall(r"^snakemake all .*$", section.replace("\\\n", " "), re.MULTILINE)[:1]
    words = command.split()
    words[words.index("--storage-s3-endpoint-url") + 1] = endpoint
    return words


@pytest.fixture(scope="module")
def server():
    from moto.server import ThreadedMotoServer

    here = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    here.start()
    host, port = here.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ACCESS_KEY", "SECRET_KEY"):
            patch.setenv(f"SNAKEMAKE_STORAGE_S3_{name}", "test")
        yield f"http://{host}:{port}"
    here.stop()


@pytest.fixture(scope="module")
def bucket(server):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line of each request
    made = boto3.resource(
        "s3", endpoint_url=server, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
    ).Bucket(BUCKET)
    made.create()
    return made


@pytest.fixture(scope="module")
def folder(server, bucket, tmp_path_factory):
    """A copy in which the page's command has run."""
    folder = make_copy(tmp_path_factory.mktemp("s3"))
    (folder / "config/config.yaml").write_text(CONFIG)
    call(folder, *page_command(server))
    return folder


def test_the_bucket_holds_every_result_and_the_folder_none(folder, bucket):
    keys = {item.key.partition("results/")[2] for item in bucket.objects.all()}
    assert {"protocols/samm-3.csv", "small/scores/smic-3.csv", "small/tables/leaderboard.md"} <= keys
    assert sum(key.startswith("runs/") and key.endswith(".parquet") for key in keys) == 4
    here = [path.name for path in (folder / "results").rglob("*") if path.is_file()]
    assert here == ["study.yaml"], "for `apexbench report`; nothing that another machine would miss"


def test_scores_in_the_bucket_are_whole_and_the_readme_is_here(folder, bucket):
    (key,) = [item.key for item in bucket.objects.all() if item.key.endswith("small/scores/samm-3.csv")]
    scores = pd.read_csv(io.BytesIO(bucket.Object(key).get()["Body"].read())).set_index("run")
    assert {"majority", "flow-svm", "null-model"} <= set(scores.index) and set(scores["status"]) == {"ok"}
    assert "flow pixels" in (folder / "README.md").read_text().split("<!-- table:leaderboard -->")[1][:4000]


def test_kubernetes_would_run_the_same_from_there(folder, server):
    """As far as there is no Kubernetes: its profile is understood, and finds all results in the bucket."""
    words = ["--profile", "profiles/kubernetes", "--storage-s3-endpoint-url", server, "--dry-run"]
    assert "Nothing to be done" in call(folder, "snakemake", *words, "all")


def test_what_is_in_the_bucket_is_not_made_again(folder, server):
    shutil.rmtree(folder / ".snakemake/storage", ignore_errors=True)
    assert "Nothing to be done" in call(folder, *page_command(server))
